"""Pronunciations and silence recovered from L."""

from pathlib import Path

import numpy as np
import pytest

from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.ops import as_table, read_fst
from wfst_asr.fst.symbols import SymbolTable, read_symbols
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.graph.lexicon_parts import LexiconParts, lexicon_parts
from wfst_asr.graph.window_hmms import DirectLimitError
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation

PHONES = SymbolTable.from_names(["SIL", "AH", "D", "EH", "R", "#0", "#1", "#2", "#3"])
WORDS = SymbolTable.from_names(["a", "are", "dead", "red", "#0"])
LEXICON = Lexicon(
    (
        Pronunciation("a", ("AH",), 0.75),
        Pronunciation("a", ("EH",), 1.0),
        Pronunciation("are", ("AH",), 0.5),
        Pronunciation("are", ("AH", "R"), 1.0),
        Pronunciation("dead", ("D", "EH", "D"), 0.1),
        Pronunciation("red", ("R", "EH", "D"), 1.0),
    )
)
START, LOOP, SILENT = 0, 1, 2
WITHOUT, WITH = -np.log(0.75), -np.log(0.25)


def as_entries(parts: LexiconParts) -> list[tuple[str, tuple[str, ...], float]]:
    return sorted(
        (WORDS.names[word], tuple(PHONES.names[p] for p in phones), round(float(np.exp(-cost)), 6))
        for phones, word, cost in parts.pronunciations
    )


@pytest.mark.parametrize("disambiguate", [False, True])
@pytest.mark.parametrize("prob", [0.0, 0.3])
def test_a_lexicon_comes_back_from_its_machine(disambiguate: bool, prob: float) -> None:
    options = LexiconOptions(silence_prob=prob, disambiguate=disambiguate)
    parts = lexicon_parts(lexicon_arcs(LEXICON, PHONES, WORDS, options), PHONES.disambiguation_ids)
    assert as_entries(parts) == sorted((e.word, e.phones, e.prob) for e in LEXICON.entries)
    assert parts.silence_phone == (PHONES["SIL"] if prob else 0)
    assert parts.silence_prob == pytest.approx(prob, abs=1e-6)
    assert parts.phones == frozenset(PHONES[p] for p in LEXICON.phones) | ({PHONES["SIL"]} if prob else set())


@pytest.mark.parametrize("name", ["L.fst", "L_disambig.fst"])
def test_the_lexicon_of_kaldis_programs_comes_back(corpora: Path, name: str) -> None:
    folder = corpora / "kaldi_an4"
    words, phones = read_symbols(folder / "graph" / "words.txt"), read_symbols(folder / "graph" / "phones.txt")
    parts = lexicon_parts(as_table(read_fst(folder / "lang" / name)), phones.disambiguation_ids)
    found = sorted(
        [words.names[word], *(phones.names[p].split("_")[0] for p in spoken)]
        for spoken, word, _ in parts.pronunciations
    )
    assert found == sorted(line.split() for line in (folder / "graph" / "lexicon.txt").read_text().splitlines())
    assert (parts.silence_phone, round(parts.silence_prob, 3)) == (phones["SIL"], 0.5)
    assert {round(cost, 4) for _, _, cost in parts.pronunciations} == {0.0}


def plain(**changes: float) -> list[tuple[int, int, int, int, float]]:
    """A lexicon of one word as Kaldi's older make_lexicon_fst.pl has it: the first silence has an arc of its own."""
    d, eh, a = PHONES["D"], PHONES["EH"], WORDS["dead"]
    return [
        (START, LOOP, 0, 0, WITHOUT),
        (START, LOOP, PHONES["SIL"], 0, WITH),
        (SILENT, LOOP, PHONES["SIL"], 0, 0.0),
        (LOOP, 3, d, a, changes.get("word", 0.5)),
        (3, LOOP, eh, 0, WITHOUT),
        (3, SILENT, eh, 0, changes.get("silence", WITH)),
    ]


def machine(arcs: list[tuple[int, int, int, int, float]], finals: dict[int, float] | None = None) -> ArcTable:
    return arc_table(1 + max(max(arc[:2]) for arc in arcs), arcs, finals=finals or {LOOP: 0.0})


def test_the_form_of_the_older_script_is_known() -> None:
    parts = lexicon_parts(machine(plain()), [])
    assert parts.pronunciations == (((PHONES["D"], PHONES["EH"]), WORDS["dead"], pytest.approx(0.5)),)
    assert (parts.silence_phone, round(parts.silence_prob, 6)) == (PHONES["SIL"], 0.25)


@pytest.mark.parametrize(
    ("arcs", "finals", "message"),
    [
        (plain(), {LOOP: 0.0, 3: 0.0}, "L has 2 final states"),
        (plain(silence=3.0), None, "probability depends on the word"),
        (plain(word=-0.5), None, "negative cost"),
        (plain()[1:], None, "does not begin with a choice of silence"),
        ([*plain(), (3, 4, 1, 0, 0.0)], None, "pronunciations that branch"),
        ([*plain(), (LOOP, LOOP, 0, 1, 0.0)], None, "a word without a phone"),
        ([*plain(), (LOOP, LOOP, PHONES["AH"], WORDS["a"], WITHOUT)], None, "words of one phone"),
        ([*plain()[:3], (LOOP, 3, 3, 0, 0.0), *plain()[4:]], None, "a phone without a word"),
        (
            [*plain()[:4], (3, LOOP, 4, 2, WITHOUT), (3, SILENT, 4, 2, WITH)],
            None,
            "probability depends|behind the first",
        ),
        (
            [*plain()[:2], (SILENT, 4, 1, 0, 0.0), (4, LOOP, 1, 0, 0.0), *plain()[3:]],
            None,
            "L has silence",
        ),
    ],
    ids=range(10),
)
def test_another_machine_is_refused(arcs: list, finals: dict | None, message: str) -> None:
    with pytest.raises(DirectLimitError, match=message):
        lexicon_parts(machine(arcs, finals), [])
