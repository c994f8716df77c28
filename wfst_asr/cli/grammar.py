"""`wfst-asr grammar`: grammars written with pynini, from functions to G."""

import click

from wfst_asr.cli.lazy_group import LazyGroup

_COMMANDS = {
    # name: (module, attribute, one line of help)
    "accepts": ("wfst_asr.cli.grammar_sentences", "accepts", "Tell the cost of a sentence, or why it has none."),
    "compile": ("wfst_asr.cli.grammar_compile", "compile_one", "Compile a grammar to G."),
    "interpolate": ("wfst_asr.cli.grammar_mix", "interpolate", "Mix a grammar with a language model."),
    "sample": ("wfst_asr.cli.grammar_sentences", "sample", "Draw sentences from a grammar."),
    "union": ("wfst_asr.cli.grammar_mix", "union", "Unite grammars and language models."),
}


@click.group(cls=LazyGroup, commands_by_name=_COMMANDS)
def grammar() -> None:
    """Compile, mix and try grammars.

    A grammar is a function that returns a pynini.Fst which accepts text: SOURCE is folder/file.py:function, or
    package.module:function of an installed package, such as grammars.digits:digits.
    """
