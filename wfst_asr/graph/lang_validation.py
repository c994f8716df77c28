"""Check a lang directory and list everything that is wrong with it, in the spirit of Kaldi's `validate_lang.pl`."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pywrapfst

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.convert import from_pynini
from wfst_asr.fst.ops import Machine, as_table
from wfst_asr.fst.symbols import EPSILON, SymbolTable, is_disambiguation_symbol, read_symbols
from wfst_asr.graph.lang_dir import LangDir, numbered_fields, read_lang_dir
from wfst_asr.hmm.topology import read_topology

_PHONE_LISTS = ("silence", "nonsilence", "context_indep", "optional_silence", "disambig", "sets")


def validate_lang_dir(folder: str | os.PathLike[str]) -> list[str]:
    """Return the problems of a lang directory, each as "file: what is wrong"; an empty list if it is sound."""
    root = Path(folder)
    problems = list(_symbol_problems(root))
    if problems:
        return problems
    try:
        lang = read_lang_dir(root)
    except WfstAsrError as error:
        return [str(error)]
    for check in (_phone_set_problems, _numbers_problems, _word_problems, _topology_problems, _machine_problems):
        problems.extend(check(lang))
    return problems


def _symbol_problems(root: Path) -> Iterator[str]:
    for name in ("phones.txt", "words.txt"):
        try:
            table = read_symbols(root / name)
        except WfstAsrError as error:
            yield str(error)
            continue
        if table.get(EPSILON) != 0:
            yield f"{root / name}: '{EPSILON}' has the id {table.get(EPSILON)}, expected 0"
        if "#0" not in table:
            yield f"{root / name}: has no '#0', which the back-off arcs of G need"
    for name in (
        "topo",
        "L.fst",
        "L_disambig.fst",
        "phones/silence.txt",
        "phones/nonsilence.txt",
        "phones/disambig.txt",
    ):
        if not (root / name).exists():
            yield f"{root / name}: no such file"


def _phone_set_problems(lang: LangDir) -> Iterator[str]:
    where = lang.folder / "phones"
    silence, nonsilence, disambiguation = map(
        set, (lang.silence_phones, lang.nonsilence_phones, lang.disambiguation_phones)
    )
    for one, other, names in (
        (silence, nonsilence, "silence and nonsilence phones"),
        (silence, disambiguation, "silence phones and disambiguation symbols"),
        (nonsilence, disambiguation, "nonsilence phones and disambiguation symbols"),
    ):
        if both := one & other:
            yield f"{where}: {_listed(both)} among both {names}"
    left = set(lang.phones) - {EPSILON} - silence - nonsilence - disambiguation
    if left:
        yield f"{lang.folder / 'phones.txt'}: {_listed(left)} in none of the phone lists"
    if wrong := {name for name in disambiguation if not is_disambiguation_symbol(name)}:
        yield f"{where / 'disambig.txt'}: {_listed(wrong)}, expected names such as '#1'"
    if lang.optional_silence is not None and lang.optional_silence not in silence:
        yield f"{where / 'optional_silence.txt'}: '{lang.optional_silence}' is not a silence phone"
    if lang.word_boundary:
        if missing := (silence | nonsilence) - lang.word_boundary.keys():
            yield f"{where / 'word_boundary.txt'}: {_listed(missing)} missing"
        if extra := set(lang.word_boundary) - silence - nonsilence:
            yield f"{where / 'word_boundary.txt'}: {_listed(extra)} not among the phones"


def _numbers_problems(lang: LangDir) -> Iterator[str]:
    """Compare the `.int` files with the `.txt` files."""
    for name in _PHONE_LISTS:
        text, numbers = (lang.folder / "phones" / f"{name}.{ending}" for ending in ("txt", "int"))
        if not text.exists() or not numbers.exists():
            continue
        expected = [[lang.phones.get(phone, -1) for phone in fields] for _, fields in numbered_fields(text)]
        for row in (row for row in expected if -1 in row):
            yield f"{text}: line {expected.index(row) + 1} has a phone that phones.txt lacks"
        if [fields for _, fields in numbered_fields(numbers)] != [list(map(str, row)) for row in expected]:
            yield f"{numbers}: does not hold the ids of {text.name}"


def _word_problems(lang: LangDir) -> Iterator[str]:
    for name in ("<s>", "</s>"):
        if name not in lang.words:
            yield f"{lang.folder / 'words.txt'}: has no '{name}'"
    if lang.oov is not None and lang.oov not in lang.words:
        yield f"{lang.folder / 'oov.txt'}: '{lang.oov}' is not in words.txt"
    align = lang.folder / "phones" / "align_lexicon.txt"
    if align.exists():
        for at, fields in numbered_fields(align):
            if len(fields) < 3:
                yield f"{align}:{at}: '{' '.join(fields)}', expected a word, a word and phones"
            elif unknown := [w for w in fields[:2] if w not in lang.words] + [
                p for p in fields[2:] if p not in lang.phones
            ]:
                yield f"{align}:{at}: '{unknown[0]}' is neither in words.txt nor in phones.txt"


def _topology_problems(lang: LangDir) -> Iterator[str]:
    path = lang.folder / "topo"
    try:
        covered = set(read_topology(path).phones)
    except WfstAsrError as error:
        yield str(error)
        return
    expected = {lang.phones[phone] for phone in (*lang.silence_phones, *lang.nonsilence_phones)}
    if missing := expected - covered:
        yield f"{path}: {_listed({lang.phones.names[p] for p in missing})} without a topology"
    if extra := covered - expected:
        yield f"{path}: covers the ids {sorted(extra)[:5]}, which are not phones"


def _machine_problems(lang: LangDir) -> Iterator[str]:
    disambiguation = {lang.phones[name] for name in lang.disambiguation_phones}
    pairs = {"L.fst": (lang.phones, lang.words), "L_disambig.fst": (lang.phones, lang.words)}
    if (lang.folder / "G.fst").exists():
        pairs["G.fst"] = (lang.words, lang.words)
    for name, (inputs, outputs) in pairs.items():
        path = lang.folder / name
        try:
            fst = pywrapfst.Fst.read(str(path))
            table = from_pynini(fst)
        except (pywrapfst.FstIOError, WfstAsrError) as error:
            yield f"{path}: cannot be read as an FST ({error})"
            continue
        yield from _label_problems(path, table, inputs, outputs)
        labels = set(np.unique(table.arcs["ilabel"]).tolist())
        if name == "L.fst" and labels & disambiguation:
            yield f"{path}: has disambiguation symbols; expected them in L_disambig.fst only"
        if name == "L_disambig.fst":
            loops = (table.source() == table.arcs["nextstate"]) & (table.arcs["olabel"] == lang.words["#0"])
            if not np.any(loops & (table.arcs["ilabel"] == lang.phones["#0"])):
                yield f"{path}: has no loop '#0:#0', so the back-off arcs of G cannot pass"
        if name == "G.fst":
            if marks := {m for m in ("<s>", "</s>") if lang.words.get(m, -1) in labels}:
                yield f"{path}: {_listed(marks)} among its labels; compile it with: wfst-asr lm compile"
            if fst.properties(pywrapfst.I_LABEL_SORTED, True) != pywrapfst.I_LABEL_SORTED:
                yield f"{path}: its arcs are not sorted by input label"


def _label_problems(path: Path, table: ArcTable, inputs: SymbolTable, outputs: SymbolTable) -> Iterator[str]:
    if table.start < 0:
        yield f"{path}: is empty"
    for side, names in (("ilabel", inputs), ("olabel", outputs)):
        unknown = set(np.unique(table.arcs[side]).tolist()) - names.names.keys()
        if unknown:
            yield f"{path}: {side}s {sorted(unknown)[:5]} have no name in the symbol tables"


def _listed(names: set[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in sorted(names)[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def check_lexicon_labels(
    lexicon: Machine, words: SymbolTable, phones: SymbolTable, *, model_phones: Iterable[int]
) -> None:
    """Refuse L with a word that has no name, or a phone that the acoustic model lacks.

    Args:
        lexicon: L, phones to words.
        words: `words.txt`.
        phones: `phones.txt`.
        model_phones: ids of the phones that the model has HMMs for.

    Raises:
        WfstAsrError: the word or phone, and what to do.
    """
    arcs = as_table(lexicon).arcs
    for label in np.unique(arcs["olabel"]).tolist():
        if label and label not in words.names:
            raise WfstAsrError(
                f"L_disambig.fst has a word of number {label}, which words.txt has not; make both anew with: "
                "wfst-asr lang make"
            )
    known = {0, *phones.disambiguation_ids, *model_phones}
    for label in np.unique(arcs["ilabel"]).tolist():
        if label not in known:
            raise WfstAsrError(
                f"phone '{phones.names.get(label, label)}' of the lexicon is not in the model; take the phones that "
                "the model was trained with, or leave out the words that have this one"
            )
