"""T against the collapse it stands for, and T o L o G by both compilers, by enumeration and by the search."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pynini
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.toy_graph import make_toy
from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import exact_options
from wfst_asr.decoder.search_graph import load_graph, make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.paths import compare_paths, linear_acceptor
from wfst_asr.graph.ctc_fst import CTC_TOPOLOGIES, CtcTopology, ctc_expansion, ctc_fst
from wfst_asr.graph.lang_dir import make_lang_dir
from wfst_asr.graph.lexical_tree import Machine, pronunciation_arrays, pronunciation_arrays_of_rows
from wfst_asr.graph.lexicon_parts import lexicon_parts
from wfst_asr.graph.tlg import direct_tlg, openfst_tlg
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lm.arpa import read_arpa
from wfst_asr.recipe.ctc_graph import CtcGraphOptions, compile_ctc_graph

TOPOLOGIES = pytest.mark.parametrize("topology", CTC_TOPOLOGIES)
BLANK, LABELS = 1, {1: 2, 2: 3, 3: 4}  # unit -> label


def outputs_of(t: Any, labels: tuple[int, ...]) -> set[tuple[int, ...]]:
    """Every unit sequence that a machine gives for an input."""
    found = pynini.compose(linear_acceptor(labels), to_pynini(t)).project("output").rmepsilon()
    return {tuple(int(label) for label in path) for path in _label_paths(found)} if found.num_states() else set()


def _label_paths(fst: pynini.Fst) -> list[tuple[int, ...]]:
    paths, stack = [], [(fst.start(), ())]
    while stack:
        state, done = stack.pop()
        if fst.final(state) != pynini.Weight.zero(fst.weight_type()):
            paths.append(done)
        stack.extend((arc.nextstate, (*done, arc.ilabel)) for arc in fst.arcs(state))
    return paths


def collapsed(labels: tuple[int, ...]) -> tuple[int, ...]:
    unit_of = {label: unit for unit, label in LABELS.items()}
    runs = [label for at, label in enumerate(labels) if at == 0 or labels[at - 1] != label]
    return tuple(unit_of[label] for label in runs if label != BLANK)


@TOPOLOGIES
def test_t_gives_every_label_sequence_its_collapse(topology: CtcTopology) -> None:
    t = ctc_fst(LABELS, blank_label=BLANK, topology=topology)
    for length in range(5):
        for labels in product([BLANK, *LABELS.values()], repeat=length):
            outputs = outputs_of(t, labels)
            assert collapsed(labels) in outputs
            if topology == "standard":
                assert len(outputs) == 1


def test_the_topologies_without_blank_accept_the_same_and_more_than_the_standard_one() -> None:
    compact, free = (ctc_fst(LABELS, blank_label=BLANK, topology=name) for name in ("compact", "no-blank"))
    for labels in product([BLANK, *LABELS.values()], repeat=4):
        assert outputs_of(compact, labels) == outputs_of(free, labels)
    assert outputs_of(free, (2, 2)) == {(1,), (1, 1)}


@pytest.mark.parametrize(
    ("labels", "topology", "message"),
    [
        ({}, "standard", "no units"),
        ({1: 1}, "standard", "unit 1 has label 1"),
        ({1: 0}, "compact", "unit 1 has label 0"),
        ({1: 2}, "loose", "expected one of standard, compact, no-blank"),
    ],
)
def test_t_refuses_what_makes_no_sense(labels: dict[int, int], topology: Any, message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        ctc_fst(labels, blank_label=BLANK, topology=topology)


@st.composite
def unit_machines(draw: st.DrawFn) -> Machine:
    """Small machines of units and epsilons, as integer costs; state 0 starts, the last state ends."""
    num_states = draw(st.integers(1, 5))
    state = st.integers(0, num_states - 1)
    arc = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3000), state)
    rows = [draw(st.lists(arc, max_size=4)) for _ in range(num_states)]
    rows = [[a for a in row if a[0] or a[3] > at] for at, row in enumerate(rows)]  # no cycle of epsilons
    flat = np.array([a for row in rows for a in row], dtype=np.int32).reshape(-1, 4)
    first = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    final = np.full(num_states, 2**31 - 1, dtype=np.int32)
    final[-1] = draw(st.integers(0, 3000))
    return Machine(first, flat, final)


@TOPOLOGIES
@given(lg=unit_machines())
@settings(max_examples=60, deadline=None)
def test_the_expansion_on_arrays_equals_composition_with_t(topology: CtcTopology, lg: Machine) -> None:
    token_of = np.array([0, *LABELS.values()], dtype=np.int32)
    fast = ctc_expansion(lg, token_of, blank_label=BLANK, topology=topology).table()
    t = ctc_fst(LABELS, blank_label=BLANK, topology=topology)
    slow = pynini.compose(to_pynini(t).arcsort("olabel"), to_pynini(lg.table()), connect=True)
    trimmed = to_pynini(fast).connect()
    assert (trimmed.num_states() > 0) == (slow.num_states() > 0)
    if slow.num_states():
        result = compare_paths(trimmed, slow, rng=np.random.default_rng(1), num_paths=20, max_arcs=40)
        assert result.num_missing == 0, result.example
        assert result.worst_per_symbol < 1e-3, result.example


@TOPOLOGIES
def test_both_compilers_make_equivalent_graphs_of_a_lexicon_with_every_trap(
    topology: CtcTopology, tmp_path: Path
) -> None:
    toy = make_toy(tmp_path)
    phones = {name: number for name, number in toy.phones.items() if number and not name.startswith("#")}
    label_of = {number: number + 1 for number in phones.values()}
    slow = openfst_tlg(
        toy.lexicon,
        toy.grammar,
        label_of,
        blank_label=1,
        unit_disambig=toy.phones.disambiguation_ids,
        topology=topology,
    )

    parts = lexicon_parts(toy.lexicon, toy.phones.disambiguation_ids)
    fast = direct_tlg(
        pronunciation_arrays_of_rows(parts.pronunciations),
        toy.grammar,
        label_of,
        blank_label=1,
        backoff_label=toy.words["#0"],
        silence_phone=parts.silence_phone,
        silence_prob=parts.silence_prob,
        topology=topology,
    )
    result = compare_paths(fast, slow, rng=np.random.default_rng(2), num_paths=60, max_arcs=60)
    assert result.num_missing == 0, result.example
    assert result.worst_per_symbol < 2e-3, result.example


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_decoding_with_letters_as_words_and_a_free_grammar_equals_the_best_alignment(seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.log(rng.dirichlet(np.full(4, 0.3), size=frames) + 1e-6).astype(np.float32)
    lexicon = Lexicon.from_pairs([("a", "A"), ("b", "B"), ("c", "C")])
    units = {"A": 1, "B": 2, "C": 3}
    free = arc_table(1, [(0, 0, word, word, 0.0) for word in (1, 2, 3)], finals={0: 0.0})
    pronunciations = pronunciation_arrays(lexicon, word_ids={"a": 1, "b": 2, "c": 3}, phone_ids=units)
    tlg = direct_tlg(pronunciations, free, LABELS, blank_label=BLANK, backoff_label=9)
    graph = make_search_graph(tlg, [-1, 0, 1, 2, 3], words=["<eps>", "a", "b", "c"])
    result = decode(graph, scores, exact_options())
    best = max(product(range(4), repeat=frames), key=lambda path: sum(scores[t, c] for t, c in enumerate(path)))
    assert result.total_cost == pytest.approx(-sum(scores[t, c] for t, c in enumerate(best)), abs=1e-4)
    assert result.text.split() == ["_abc"[unit] for unit in collapsed(tuple(c + 1 for c in best))]


def spelled_lang(folder: Path) -> Path:
    lexicon = Lexicon.from_pairs([("HELLO", "H E L L O"), ("HULLO", "H U L L O"), ("TWO", "T W O"), ("TO", "T O")])
    make_lang_dir(lexicon, folder, PhoneSet.of_lexicon(lexicon, silence=("|",), optional_silence="|"))
    return folder


TOKENS = CtcTokens(("|", "E", "H", "L", "O", "T", "U", "W", "X", "_"), 9)
ARPA = "\\data\\\nngram 1=6\n\n\\1-grams:\n-99 <s> 0\n-0.5 </s>\n-1 HELLO\n-3 HULLO\n-1 TWO\n-1 TO\n\n\\end\\\n"


def spoken(text: str) -> np.ndarray:
    scores = np.full((len(text), 10), -8.0, dtype=np.float32)
    scores[range(len(text)), [TOKENS.names.index(letter) for letter in text]] = -0.1
    return scores


@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_a_compiled_folder_decodes_letters_with_the_times_of_the_words(tmp_path: Path, method: Any) -> None:
    lang = spelled_lang(tmp_path / "lang")
    (tmp_path / "lm.arpa").write_text(ARPA)
    options = CtcGraphOptions(method=method)
    made = compile_ctc_graph(lang, read_arpa(tmp_path / "lm.arpa"), TOKENS, tmp_path / "graph", options)
    assert made.method == method
    graph = load_graph(tmp_path / "graph")
    assert graph.manifest is not None
    assert (graph.manifest.label_kind, graph.manifest.blank_column) == ("token+1", 9)
    assert (tmp_path / "graph" / "tokens.txt").read_text().split()[::2] == list(TOKENS.names)
    result = decode(graph, spoken("_HHHEE_LL_LLLOOO__|T_W__O__"))
    assert result.text == "HELLO TWO"
    assert result.times_exact
    assert [(w.start_frame, w.end_frame) for w in result.word_times] == [(1, 16), (19, 25)]
    assert result.word_times[1].start_s == pytest.approx(0.38)


def test_a_lexicon_with_a_letter_that_is_no_token_is_refused_by_name(tmp_path: Path) -> None:
    lang = spelled_lang(tmp_path / "lang")
    (tmp_path / "lm.arpa").write_text(ARPA)
    fewer = CtcTokens(("_", "|", "E", "H", "L", "O", "T", "U"), 0)
    with pytest.raises(WfstAsrError, match="'W' is no token of the network; spell the words"):
        compile_ctc_graph(lang, tmp_path / "lm.arpa", fewer, tmp_path / "graph")
    assert not (tmp_path / "graph").exists()


def test_words_spelled_alike_without_disambiguation_are_named(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, disambiguate=False)
    label_of = {number: number + 1 for name, number in toy.phones.items() if number and not name.startswith("#")}
    with pytest.raises(WfstAsrError, match="L o G could not be determinized"):
        openfst_tlg(toy.lexicon, toy.grammar, label_of, blank_label=1, unit_disambig=toy.phones.disambiguation_ids)


def test_a_homophone_keeps_its_grammars_choice(tmp_path: Path) -> None:
    lexicon = Lexicon.from_pairs([("red", "R EH D"), ("read", "R EH D")])
    make_lang_dir(lexicon, tmp_path / "lang", PhoneSet.of_lexicon(lexicon, silence=(), optional_silence=None))
    (tmp_path / "lm.arpa").write_text(
        "\\data\\\nngram 1=4\n\n\\1-grams:\n-99 <s> 0\n-0.5 </s>\n-2 red\n-1 read\n\n\\end\\\n"
    )
    tokens = CtcTokens(("<blank>", "R", "EH", "D"), 0)
    compile_ctc_graph(tmp_path / "lang", tmp_path / "lm.arpa", tokens, tmp_path / "graph")
    scores = np.log(np.eye(4)[[1, 2, 0, 3]] * 0.9 + 0.025)
    assert decode(load_graph(tmp_path / "graph"), scores).text == "read"
