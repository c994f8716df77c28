"""HCL composed with G state by state, against the static HCLG."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.graph.toy_graph import Toy, make_toy
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.paths import compare_paths
from wfst_asr.graph.direct import direct_hclg
from wfst_asr.graph.lexical_tree import PronunciationArrays, pronunciation_arrays_of_rows
from wfst_asr.graph.lexicon_parts import lexicon_parts
from wfst_asr.graph.on_the_fly import BackoffEntries, LookAheadHcl, backoff_entries, compile_hcl
from wfst_asr.graph.on_the_fly_definition import OnTheFlyDefinition
from wfst_asr.graph.window_hmms import WindowHmms, window_hmms


def parts_of(toy: Toy, *, silence: bool) -> tuple[PronunciationArrays, WindowHmms, int, float]:
    parts = lexicon_parts(toy.lexicon, toy.phones.disambiguation_ids)
    rng = np.random.default_rng(1)
    rows = [(phones, word, round(float(rng.uniform(0, 2)), 2)) for phones, word, _ in parts.pronunciations]
    hmms = window_hmms(toy.tree, toy.model, phones=parts.phones, transition_scale=1.0, self_loop_scale=0.1)
    silence_phone = parts.silence_phone if silence else 0
    return pronunciation_arrays_of_rows(rows), hmms, silence_phone, parts.silence_prob


def both(toy: Toy, *, silence: bool = True) -> tuple[ArcTable, LookAheadHcl, BackoffEntries]:
    pronunciations, hmms, phone, prob = parts_of(toy, silence=silence)
    backoff = toy.words["#0"]
    static = direct_hclg(
        pronunciations, toy.grammar, hmms, backoff_label=backoff, silence_phone=phone, silence_prob=prob or 0.5
    )
    hcl = compile_hcl(pronunciations, hmms, silence_phone=phone, silence_prob=prob or 0.5)
    return static, hcl, backoff_entries(toy.grammar, pronunciations, backoff_label=backoff)


@pytest.mark.parametrize(("width", "central", "seed", "silence"), [(3, 1, 5, True), (1, 0, 6, True), (3, 1, 7, False)])
def test_what_is_composed_has_the_path_costs_of_the_static_graph(
    tmp_path: Path, width: int, central: int, seed: int, silence: bool
) -> None:
    static, hcl, entries = both(make_toy(tmp_path, width=width, central=central, seed=seed), silence=silence)
    composed = OnTheFlyDefinition(hcl, entries).graph()
    for use_log in (False, True):
        told = compare_paths(
            static, composed, rng=np.random.default_rng(seed), num_paths=100, max_arcs=60, use_log=use_log
        )
        assert told.num_missing == 0
        assert told.worst_per_symbol < 2e-3


def grammar(*rows: tuple[int, int, int, int, float]) -> ArcTable:
    return arc_table(3, list(rows), finals={2: 0.5})


ONE_WORD = pronunciation_arrays_of_rows([((1, 2), 1, 0.0), ((2,), 2, 0.25), ((1,), 2, 1.0)])


def test_entries_are_the_pronunciations_of_each_state_by_rank_and_then_its_end() -> None:
    entries = backoff_entries(
        grammar((0, 1, 2, 2, 1.0), (0, 2, 1, 1, 0.5), (0, 1, 9, 0, 0.75), (1, 2, 7, 7, 0.0)), ONE_WORD, backoff_label=9
    )
    assert entries.first.tolist() == [0, 3, 3, 4]
    assert entries.rank.tolist() == [0, 1, 2, 3]  # (1), (1 2), (2), the end
    assert entries.cost.tolist() == [2.0, 0.5, 1.25, 0.5]
    assert entries.nextstate.tolist() == [1, 2, 1, -1]
    assert entries.total[:3] == pytest.approx(np.cumsum(np.exp([-2.0, -0.5, -1.25])))
    assert (entries.backoff_state.tolist(), entries.backoffs.tolist()) == ([1, -1, -1], [1, 0, 0])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, 1, 9, 0, 0.5), (0, 2, 9, 0, 0.5)], "state 0 has 2 arcs without a word, where a back-off model has one"),
        ([(0, 1, 1, 2, 0.5)], "reads word 1 and gives word 2; a grammar that is composed .* must be an acceptor"),
        ([(0, 1, 9, 0, 0.5), (1, 0, 0, 0, 0.5)], "backs off more than 255 times, or in a circle"),
    ],
)
def test_grammars_of_another_form_are_refused(rows: list[tuple[int, int, int, int, float]], message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        backoff_entries(grammar(*rows), ONE_WORD, backoff_label=9)


def test_grammars_with_two_arcs_for_a_word_and_without_backoff_are_composed(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    words = toy.words
    rows = [
        (0, 1, "a", 0.5),
        (0, 2, "a", 0.25),
        (0, 1, "red", 1.0),
        (1, 2, "read", 0.5),
        (1, 2, "", 2.0),
        (2, 0, "at", 1.0),
    ]
    table = grammar(*((s, t, words[w] if w else 0, words[w] if w else 0, cost) for s, t, w, cost in rows))
    static, hcl, entries = both(replace(toy, grammar=table))
    composed = OnTheFlyDefinition(hcl, entries).graph()
    told = compare_paths(static, composed, rng=np.random.default_rng(3), num_paths=60, max_arcs=40, use_log=True)
    assert told.num_missing == 0
    assert told.worst_per_symbol < 2e-3
