"""`wfst-asr grammar accepts` and `sample`: try a grammar on sentences."""

import json
from pathlib import Path

import click

from wfst_asr.cli.grammar_compile import case_option, grammar_options, json_option, option_option

lang_option = click.option(
    "--lang", type=click.Path(path_type=Path), help="Lang directory, where SOURCE is an OpenFst file or a model."
)


@click.command()
@click.argument("source", metavar="SOURCE")
@click.argument("sentence")
@lang_option
@option_option
@case_option
@json_option
def accepts(
    source: str, sentence: str, lang: Path | None, arguments: tuple[str, ...], case: str | None, as_json: bool
) -> None:
    """Tell the cost of SENTENCE in a grammar, or the first word that does not fit and what was expected there.

    SOURCE is folder/file.py:function, or with --lang an OpenFst file of words or a language model.  Exit status 1 where
    the sentence is not accepted.
    """
    from wfst_asr.errors import WfstAsrError
    from wfst_asr.graph.grammar_sentences import match_sentence, why_not
    from wfst_asr.recipe.grammar_files import read_word_grammar

    words = sentence.split()
    match = match_sentence(read_word_grammar(source, lang, grammar_options(arguments, case)), words)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "accepted": match.accepted,
                    "cost": match.cost if match.accepted else None,
                    "matched": match.num_matched,
                    "expected": match.expected,
                    "may_end": match.may_end,
                }
            )
        )
    if not match.accepted:
        raise WfstAsrError(why_not(match, words, source))
    if not as_json:
        click.echo(f"accepted at a cost of {match.cost:.4f}")


@click.command()
@click.argument("source", metavar="SOURCE")
@click.option("--count", type=click.IntRange(min=1), default=10, show_default=True, help="Sentences.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Other numbers, other sentences."
)
@click.option(
    "--max-words", type=click.IntRange(min=1), default=200, show_default=True, help="Longer sentences are not drawn."
)
@lang_option
@option_option
@case_option
def sample(
    source: str,
    count: int,
    seed: int,
    max_words: int,
    lang: Path | None,
    arguments: tuple[str, ...],
    case: str | None,
) -> None:
    """Draw sentences from a grammar by its weights, one a line.

    All sentences are as likely as their weights say, or equally likely without weights; where a grammar repeats without
    end at no cost, that holds of each next word.
    """
    import numpy as np

    from wfst_asr.graph.grammar_sentences import sample_grammar
    from wfst_asr.recipe.grammar_files import read_word_grammar

    grammar = read_word_grammar(source, lang, grammar_options(arguments, case))
    drawn = sample_grammar(grammar, count, np.random.default_rng(seed), max_words=max_words)
    click.echo("\n".join(" ".join(words) for words in drawn))
