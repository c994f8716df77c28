"""Grammars and language models as G, from whatever the user names: functions, OpenFst files, models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.symbols import SymbolTable, read_symbols
from wfst_asr.graph.grammar_acceptor import GrammarAcceptor, grammar_acceptor
from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
from wfst_asr.graph.grammar_source import is_function_source, load_grammar, with_own_names
from wfst_asr.graph.word_grammar import WordGrammar, checked_acceptor
from wfst_asr.recipe.graph_inputs import read_grammar

CASES = ("upper", "lower")


@dataclass(frozen=True)
class GrammarOptions:
    """How a grammar's function is called and its words are looked up.

    Attributes:
        arguments: arguments of the function, as text.
        case: "upper" or "lower", to write the words so; "" leaves them.
        skip_missing: leave out sentences with words that the lang directory lacks.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    case: str = ""
    skip_missing: bool = False

    def __post_init__(self) -> None:
        if self.case not in ("", *CASES):
            raise WfstAsrError(f"case is '{self.case}', expected upper or lower")


def read_words(lang: Path) -> SymbolTable:
    """Read words.txt of a lang directory.

    Raises:
        WfstAsrError: there is none.
    """
    if not lang.is_dir():
        raise WfstAsrError(f"{lang}: no such directory; make it with: wfst-asr lang make lexicon.txt {lang}")
    return read_symbols(lang / "words.txt")


def read_word_grammar(source: str, lang: Path | None, options: GrammarOptions | None = None) -> WordGrammar:
    """Return a grammar, or G or a language model with the words of `lang`, with the words it has.

    Raises:
        WfstAsrError: `lang` is needed and not given, or as `load_grammar` and `read_grammar`.
    """
    options = options or GrammarOptions()
    words = read_words(lang) if lang else None
    if is_function_source(source):
        return _in_case(load_grammar(source, options=options.arguments, words=words), options.case)
    _refuse_arguments(source, options)
    _require_file(source)
    if lang is None or words is None:
        raise WfstAsrError(f"{source}: its words are numbers of a lang directory; give one with --lang")
    table, kind, _ = read_grammar(source, words, lang)
    return with_own_names(_checked(table, words, source) if kind == "G" else table, words, source)


def compile_grammar(
    source: str, words: SymbolTable, lang: Path, options: GrammarOptions | None = None
) -> GrammarAcceptor:
    """Compile a grammar to G, or take G or a language model as it is.

    Args:
        source: "file.py:function", an OpenFst file of word ids, or a language model.
        words: the words of `lang`.
        lang: the lang directory, for messages.
        options: see GrammarOptions.

    Raises:
        WfstAsrError: as `load_grammar`, `grammar_acceptor` and `read_grammar`.
    """
    options = options or GrammarOptions()
    if is_function_source(source):
        grammar = _in_case(load_grammar(source, options=options.arguments, words=words), options.case)
        where = str(lang / "words.txt")
        return grammar_acceptor(grammar, words, skip_missing=options.skip_missing, where=where)
    _refuse_arguments(source, options)
    _require_file(source)
    table, kind, _ = read_grammar(source, words, lang)
    if kind == "G":
        table = _checked(table, words, source)
    return GrammarAcceptor(table, 0)


def _checked(table: ArcTable, words: SymbolTable, source: str) -> ArcTable:
    """Check G as a file has it: an acceptor of words but for `#0`, whose output is epsilon."""
    marked = table.arcs["olabel"] == 0
    arcs = table.arcs.copy()
    arcs["olabel"][marked] = arcs["ilabel"][marked]
    checked = checked_acceptor(ArcTable(table.start, table.first_arc, arcs, table.final_cost), source)
    with_own_names(checked, words, source)
    arcs = checked.arcs.copy()
    arcs["olabel"][arcs["ilabel"] == words.get(BACKOFF_SYMBOL, -1)] = 0
    return ArcTable(checked.start, checked.first_arc, arcs, checked.final_cost)


def _in_case(grammar: WordGrammar, case: str) -> WordGrammar:
    if not case:
        return grammar
    return grammar.renamed({word: word.upper() if case == "upper" else word.lower() for word in grammar.words})


def _refuse_arguments(source: str, options: GrammarOptions) -> None:
    if options.arguments:
        name = next(iter(options.arguments))
        raise WfstAsrError(f"{source} is no function, so it has no option '{name}'; name file.py:function")


def _require_file(source: str) -> None:
    if not Path(source).is_file():
        raise WfstAsrError(
            f"{source}: no such file; expected file.py:function, an OpenFst file of words, or a language model"
        )
