"""Grammars as their authors name them: `file.py:function`, an OpenFst file, or a language model."""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pynini

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.convert import from_pynini
from wfst_asr.fst.ops import _without_messages_of_openfst
from wfst_asr.fst.symbols import EPSILON, SymbolTable
from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
from wfst_asr.graph.word_grammar import WordGrammar, checked_acceptor, relabelled, without_epsilons, word_grammar

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_function_source(source: str) -> bool:
    """Tell whether a source names a function: `folder/file.py:function` or `package.module:function`.

    >>> is_function_source("grammars/digits.py:digits"), is_function_source("grammars.digits:digits")
    (True, True)
    >>> is_function_source("grammars/digits.py"), is_function_source("G.fst")
    (True, False)
    """
    place, _, name = source.rpartition(":")
    return source.endswith(".py") or place.endswith(".py") or bool(_DOTTED.fullmatch(place) and name.isidentifier())


def load_grammar(
    source: str, *, options: Mapping[str, str] | None = None, words: SymbolTable | None = None
) -> WordGrammar:
    """Call the function that a source names, and gather what it returns to words.

    Args:
        source: "file.py:function", or "package.module:function" of an installed package.
        options: arguments by name, as text; a parameter's default or annotation says what they become.
        words: given to a function that has a parameter `words`; its machine's labels are then ids of `words`, unless
            the machine has a symbol table.

    Raises:
        WfstAsrError: no such file, function or option; the file cannot be imported; the function fails or returns
            anything but a pynini.Fst; or as `word_grammar`.

    >>> load_grammar("grammars.digits:digits", options={"zero": "oh"}).words[:3]
    ('eight', 'five', 'four')
    """
    machine, by_id = call_grammar(source, options=options, words=words)
    if by_id and machine.input_symbols() is None:
        assert words is not None
        return grammar_of_ids(checked_acceptor(machine, source), words, source)
    return word_grammar(machine, source)


def grammar_of_ids(table: ArcTable, words: SymbolTable, source: str) -> WordGrammar:
    """Return an acceptor of word ids as a grammar with a vocabulary of its own.

    Raises:
        WfstAsrError: a label is no word of `words`.
    """
    grammar = with_own_names(table, words, source)
    return WordGrammar(without_epsilons(grammar.table, source), grammar.names, source)


def with_own_names(table: ArcTable, words: SymbolTable, source: str) -> WordGrammar:
    """Return an acceptor of word ids with the names of its words; `#0` becomes epsilon, and epsilons stay."""
    labels = np.unique(table.arcs["ilabel"]).tolist()
    silent = {0, words.get(BACKOFF_SYMBOL, 0)}
    for label in labels:
        if label not in words.names and label:
            raise WfstAsrError(
                f"{source} has the word number {label}, which words.txt has not; take one lang directory"
            )
    names = (EPSILON, *sorted(words.names[label] for label in labels if label not in silent))
    if len(names) == 1:
        raise WfstAsrError(f"{source} accepts no word, only the empty sentence; correct it")
    label_of = np.zeros(max(labels) + 1, dtype=np.int32)
    for i, name in enumerate(names[1:], start=1):
        label_of[words[name]] = i
    return WordGrammar(relabelled(table, label_of), names, source)


def call_grammar(
    source: str, *, options: Mapping[str, str] | None = None, words: SymbolTable | None = None
) -> tuple[pynini.Fst, bool]:
    """Return the machine that a source's function makes, and whether it was given `words`; errors as `load_grammar`."""
    place, _, name = source.rpartition(":")
    if source.endswith(".py"):
        place, name = source, ""
    with _imported(place, name) as module:
        function = _function(module, place, name)
        given = _arguments(function, source, options or {})
        parameters = inspect.signature(function).parameters
        takes_words = "words" in parameters
        if takes_words:
            if words is None:
                raise WfstAsrError(f"{source}: the function takes the words of a lang directory; give one with --lang")
            given["words"] = words
        try:
            with _without_messages_of_openfst():
                made = function(**given)
        except WfstAsrError:
            raise
        except Exception as error:
            raise WfstAsrError(f"{source}: the function failed ({_told(error)})") from error
    if not isinstance(made, pynini.Fst):
        raise WfstAsrError(f"{source}: the function returned a {type(made).__name__}, expected a pynini.Fst")
    try:
        from_pynini(made)
    except WfstAsrError as error:
        raise WfstAsrError(f"{source}: {error}") from error
    return made, takes_words


def options_of(source: str) -> tuple[str, ...]:
    """Return the names of the options that a source's function takes; errors as `load_grammar`."""
    place, _, name = source.rpartition(":")
    if source.endswith(".py"):
        place, name = source, ""
    with _imported(place, name) as module:
        return tuple(_options(_function(module, place, name)))


@contextmanager
def _imported(place: str, name: str) -> Iterator[ModuleType]:
    """Import a file, or a module of an installed package, for as long as its functions are called.

    As when Python runs a file, its own folder comes first on the path of modules meanwhile.
    """
    if not place.endswith(".py"):
        try:
            yield importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name and (place == error.name or place.startswith(error.name + ".")):
                raise WfstAsrError(
                    f"{place}: no such module is installed; name a file as folder/file.py:function"
                ) from error
            raise WfstAsrError(f"{place}: cannot be imported ({_told(error)})") from error
        return
    file = Path(place)
    spec = importlib.util.spec_from_file_location(f"_grammar_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise WfstAsrError(
            f"{file}: no such file; expected a Python file with the function '{name}', or an installed module, as in "
            "grammars.digits:digits"
        )
    module = importlib.util.module_from_spec(spec)
    folder = str(file.resolve().parent)
    before, path = sys.modules.get(spec.name), list(sys.path)
    sys.modules[spec.name] = module
    sys.path.insert(0, folder)
    try:
        try:
            with _without_messages_of_openfst():
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            raise WfstAsrError(f"{file}: cannot be imported ({_told(error)})") from error
        yield module
    finally:
        sys.path[:] = path
        if before is None:
            sys.modules.pop(spec.name, None)
        else:
            sys.modules[spec.name] = before


def _told(error: BaseException) -> str:
    """Name an error in one line; where the code of the user's file stands is told for its syntax alone."""
    message = str(error).strip().partition("\n")[0]
    if isinstance(error, SyntaxError):
        message = f"{error.msg}, line {error.lineno}"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _own_functions(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and not name.startswith("_") and value.__module__ == module.__name__
    ]


def _function(module: ModuleType, place: str, name: str) -> Callable[..., Any]:
    there = _own_functions(module)
    listed = f"its functions are {', '.join(there)}" if there else "it has no functions"
    if not name:
        raise WfstAsrError(f"{place}: name a function of it, as in {place}:{there[-1] if there else 'NAME'}; {listed}")
    function = getattr(module, name, None)
    if not callable(function):
        raise WfstAsrError(f"{place}: has no function '{name}'; {listed}")
    found: Callable[..., Any] = function
    return found


def _options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "words" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def _arguments(function: Callable[..., Any], source: str, options: Mapping[str, str]) -> dict[str, Any]:
    takes = _options(function)
    listed = ", ".join(takes) if takes else "none"
    for name in options:
        if name not in takes:
            raise WfstAsrError(f"{source}: the function has no option '{name}'; its options are: {listed}")
    missing = [name for name, p in takes.items() if p.default is p.empty and name not in options]
    if missing:
        raise WfstAsrError(f"{source}: the function needs '{missing[0]}'; give it with --option {missing[0]}=VALUE")
    return {name: _value(text, takes[name], source) for name, text in options.items()}


def _value(text: str, parameter: inspect.Parameter, source: str) -> Any:
    """Return an option's text as the type of the parameter's default, or else as its annotation has it."""
    kind: Any = type(parameter.default)
    if parameter.default is parameter.empty or parameter.default is None:
        kind = {"int": int, "float": float, "bool": bool}.get(_annotation(parameter).partition(" ")[0], str)
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        return kind(text) if kind in (int, float) else text
    except (KeyError, ValueError) as error:
        expected = {bool: "true or false", int: "an integer", float: "a number"}[kind]
        raise WfstAsrError(f"{source}: the option {parameter.name} is '{text}', expected {expected}") from error


def _annotation(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
