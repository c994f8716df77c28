import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import tree_building as naive
from tests.tree.speech import Speech, make_speech
from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import kaldi_topology, write_topology
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.kaldi.tree import read_tree, write_tree
from wfst_asr.tree.built_tree import BuiltTree, statistics_by_pdf, tied_log_likelihood
from wfst_asr.tree.decision_tree import PDF_CLASS
from wfst_asr.tree.questions import cluster_questions
from wfst_asr.tree.roots import Root, roots_of_sets
from wfst_asr.tree.split import build_tree
from wfst_asr.tree.stats import TreeStatistics, gaussian_log_likelihood

SILENCE = frozenset({1})
CLASSES = dict.fromkeys(range(1, 7), 3)
QUESTIONS = [frozenset(q) for q in ({1}, {2}, {3}, {2, 3}, {4}, {4, 5}, {5}, {2, 3, 4, 5}, {1, 2}, {6})]
ROOTS = (Root((1,), False, False), Root((2, 3)), Root((4,), True, True), Root((5,), False, True), Root((6,)))
REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "kaldi_tree.py"


def build(stats: TreeStatistics, **options: Any) -> BuiltTree:
    chosen = {"roots": ROOTS, "questions": QUESTIONS, "max_leaves": 40, "min_gain": 2.0, "min_count": 2, **options}
    return build_tree(stats, num_pdf_classes=CLASSES, **chosen)


def naive_stubs(speech: Speech, roots: Sequence[Root] = ROOTS) -> list[Any]:
    frames = speech.frames(SILENCE)
    stubs = []
    for number, root in enumerate(roots):
        own = [frame for frame in frames if frame[0][1] in root.phones]
        for pdf_class in (-1,) if root.shared else range(3):
            reached = [frame for frame in own if pdf_class in (-1, frame[1])]
            stubs.append(((number, pdf_class), reached, root.split))
    return stubs


ASKED = [(PDF_CLASS, {0}), (PDF_CLASS, {0, 1})] + [(key, question) for key in range(3) for question in QUESTIONS]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "limits",
    [
        {"max_leaves": 40, "min_gain": 2.0, "min_count": 2, "max_depth": None},
        {"max_leaves": 16, "min_gain": 0.0, "min_count": 0, "max_depth": None},
        {"max_leaves": 99, "min_gain": 1.0, "min_count": 5, "max_depth": 2},
    ],
)
def test_every_split_and_gain_is_that_of_the_naive_twin(seed: int, limits: dict[str, Any]) -> None:
    speech = make_speech(seed)
    built = build(speech.statistics(context_free=SILENCE), merge_threshold=0.0, **limits)
    splits, leaves = naive.grow(naive_stubs(speech), ASKED, floor=0.01, **limits)
    assert [(s.path, s.key, s.values) for s in built.splits] == [(s[1], s[2], s[3]) for s in splits]
    assert [(s.root, s.root_pdf_class) for s in built.splits] == [s[0] for s in splits]
    assert [s.gain for s in built.splits] == pytest.approx([s[4] for s in splits], rel=1e-6)
    assert [(s.yes_count, s.no_count) for s in built.splits] == [(s[5], s[6]) for s in splits]
    logged = {((leaf.root, leaf.root_pdf_class), leaf.path): leaf.count for leaf in built.leaves}
    assert logged == {place: len(frames) for place, frames in leaves.items()}


@pytest.mark.parametrize("seed", range(6))
def test_likelihoods_are_those_of_the_frames_under_the_tied_states(seed: int) -> None:
    speech = make_speech(seed)
    stats = speech.statistics(context_free=SILENCE)
    for threshold in (0.0, None, 30.0):
        built = build(stats, merge_threshold=threshold)
        expected = naive.tied_log_likelihood(speech.frames(SILENCE), built.tree.pdf_id, 0.01)
        assert built.log_likelihood == pytest.approx(expected, rel=1e-6)
        assert tied_log_likelihood(built, stats) == pytest.approx(expected, rel=1e-6)
        roots = sum(naive.log_likelihood(frames, 0.01) for _, frames, _ in naive_stubs(speech))
        assert built.root_log_likelihood == pytest.approx(roots, rel=1e-6)
        gained = sum(split.gain for split in built.splits)
        assert built.split_log_likelihood == pytest.approx(built.root_log_likelihood + gained)
        lost = sum(merge.cost for merge in built.merges)
        assert built.log_likelihood == pytest.approx(built.split_log_likelihood - lost)


@pytest.mark.parametrize("seed", range(4))
def test_leaves_are_merged_as_by_the_naive_twin(seed: int) -> None:
    speech = make_speech(seed)
    stats = speech.statistics(context_free=SILENCE)
    threshold = 30.0
    built = build(stats, merge_threshold=threshold)
    limits: dict[str, Any] = {"max_leaves": 40, "min_gain": 2.0, "min_count": 2, "max_depth": None}
    leaves = naive.grow(naive_stubs(speech), ASKED, floor=0.01, **limits)[1]
    expected = set()
    for name, _, _ in naive_stubs(speech):
        groups = naive.merge([frames for place, frames in leaves.items() if place[0] == name], 0.01, threshold)
        expected |= {frozenset((window, pdf_class) for window, pdf_class, _ in group) for group in groups}
    ours: dict[int, set[Any]] = {}
    for row, pdf in enumerate(built.pdf_of_row.tolist()):
        ours.setdefault(pdf, set()).add((tuple(stats.windows[row].tolist()), int(stats.pdf_class[row])))
    assert built.merges
    assert {frozenset(group) for group in ours.values()} == expected


@given(
    st.integers(0, 50),
    st.integers(1, 60),
    st.floats(0.0, 100.0),
    st.integers(0, 20),
    st.integers(0, 4),
    st.sampled_from([None, 0.0, 5.0, 50.0]),
    st.sampled_from([0, 8]),
)
def test_limits_hold_and_likelihoods_only_move_the_right_way(
    seed: int, leaves: int, gain: float, count: int, depth: int, threshold: float | None, moves: int
) -> None:
    stats = make_speech(seed).statistics(context_free=SILENCE)
    built = build(
        stats,
        max_leaves=leaves,
        min_gain=gain,
        min_count=count,
        max_depth=depth,
        merge_threshold=threshold,
        refine_moves=moves,
    )
    stubs = sum(1 if root.shared else 3 for root in ROOTS)
    assert len(built.leaves) == stubs + len(built.splits) <= max(leaves, stubs)
    assert all(len(leaf.path) <= depth for leaf in built.leaves)
    assert all(split.gain > gain and min(split.yes_count, split.no_count) >= count for split in built.splits)
    assert built.num_pdfs == len(built.leaves) - len(built.merges)
    assert all(0.0 <= merge.cost < built.merge_threshold for merge in built.merges)
    assert built.log_likelihood <= built.split_log_likelihood + 1e-9
    assert built.root_log_likelihood <= built.split_log_likelihood
    assert built.log_likelihood == pytest.approx(tied_log_likelihood(built, stats), rel=1e-9)
    # pdf-ids: every row of the statistics gets from the tree what the record says, and no pdf is of two roots
    for window, pdf_class, pdf in zip(stats.windows.tolist(), stats.pdf_class, built.pdf_of_row, strict=True):
        assert built.tree.pdf_id(window, int(pdf_class)) == pdf
    owners = {(leaf.pdf_id, leaf.root, leaf.root_pdf_class) for leaf in built.leaves}
    assert sorted(pdf for pdf, _, _ in owners) == list(range(built.num_pdfs))


@pytest.mark.parametrize("seed", range(3))
def test_refined_questions_gain_at_least_as_much_at_first(seed: int) -> None:
    stats = make_speech(seed).statistics(context_free=SILENCE)
    options: dict[str, Any] = {"roots": [Root((1, 2, 3, 4, 5, 6))], "questions": QUESTIONS[:1], "max_leaves": 2}
    plain, refined = build(stats, **options), build(stats, **options, refine_moves=20)
    assert refined.splits[0].gain > plain.splits[0].gain


def test_the_same_statistics_give_the_same_tree() -> None:
    first, second = (build(make_speech(3).statistics(context_free=SILENCE)) for _ in range(2))
    assert (first.tree, first.splits, first.merges) == (second.tree, second.splits, second.merges)


def test_what_gains_the_same_is_decided_by_the_order_of_the_questions() -> None:
    stats = make_speech(5, phones=3).statistics(context_free=SILENCE)
    both = [frozenset({2}), frozenset({1, 3}), frozenset({1, 3, 4})]  # one and the same split beside phones 1, 2, 3
    for questions in (both, both[::-1]):
        built = build(stats, questions=questions, max_leaves=30)
        assert {split.values for split in built.splits if split.key == 2} == {questions[0]}


def test_a_phone_that_never_occurs_has_leaves_and_is_named() -> None:
    built = build(make_speech(0).statistics(context_free=SILENCE))
    assert built.unseen_phones == (6,)
    pdf = built.tree.pdf_id((2, 6, 3), 0)
    assert [leaf.count for leaf in built.leaves if leaf.pdf_id == pdf] == [0.0]
    count, first, second = statistics_by_pdf(built, make_speech(0).statistics(context_free=SILENCE))
    assert count[pdf] == 0.0
    assert first.shape == second.shape == (built.num_pdfs, 2)


def test_a_variant_that_never_occurs_goes_where_its_root_leads() -> None:
    speech = make_speech(0)
    stats = speech.statistics(context_free=SILENCE)
    roots = (*ROOTS[:-2], Root((5, 6)))
    built = build(stats, roots=roots)
    assert built.unseen_phones == (6,)
    seen = {built.tree.pdf_id((2, 5, 3), c) for c in range(3)} | {
        leaf.pdf_id for leaf in built.leaves if leaf.root == len(roots) - 1
    }
    assert {built.tree.pdf_id((2, 6, 3), c) for c in range(3)} <= seen


def test_the_p_of_spin_and_of_pin_part_by_the_phone_before() -> None:
    """The article's example: P without its puff of air after S, with it elsewhere (word begin, after other phones).

    Twelve frames of P, one dimension.  After S (two contexts) three frames each of 0 +- 1, elsewhere three each of
    4 +- 1, that is variance 2/3 within and 4 more (half the distance squared) for all together.  The right question
    gains 12/2 log((2/3 + 4) / (2/3)) = 6 log 7; asking for the vowel behind gains nothing.
    """
    s, p, i, a = 1, 2, 3, 4
    windows = np.array([[0, p, i], [s, p, a], [s, p, i], [a, p, a]], np.int32)
    low, high = np.array([-1.0, 0.0, 1.0]), np.array([3.0, 4.0, 5.0])
    frames = [high, low, low, high]
    order = np.lexsort(windows.T[::-1])
    stats = TreeStatistics(
        windows[order],
        1,
        np.zeros(4, np.int32),
        np.full(4, 3.0),
        np.array([[frames[k].sum()] for k in order]),
        np.array([[(frames[k] ** 2).sum()] for k in order]),
    )
    built = build_tree(
        stats,
        questions=[frozenset({i}), frozenset({a}), frozenset({s}), frozenset({i, a})],
        roots=roots_of_sets([(s,), (p,), (i,), (a,)]),
        num_pdf_classes=dict.fromkeys((s, p, i, a), 1),
        max_leaves=9,
        min_gain=0.5,
        min_count=3,
    )
    (split,) = built.splits
    assert (split.key, split.values) == (0, frozenset({s}))
    assert split.gain == pytest.approx(6 * np.log(7))
    assert built.tree.pdf_id((s, p, 9), 0) != built.tree.pdf_id((0, p, 9), 0) == built.tree.pdf_id((i, p, i), 0)


def test_kaldi_reads_the_tree_and_agrees(tmp_path: Path) -> None:
    speech = make_speech(8, phones=6, utterances=20, dim=3)
    stats = speech.statistics(context_free=SILENCE)
    topology = kaldi_topology(range(2, 8), [1], num_silence_states=3)
    sets = [(2, 3), (4,), (5, 6), (7,)]
    built = build_tree(
        stats,
        questions=cluster_questions(stats, [(1,), *sets]),
        roots=roots_of_sets(sets, unsplit=[(1,)]),
        num_pdf_classes={phone: topology.num_pdf_classes(phone) for phone in topology.phones},
        max_leaves=60,
        min_gain=10.0,
        min_count=5,
    )
    write_tree(built.tree, tmp_path / "tree")
    write_topology(topology, tmp_path / "topo")
    assert read_tree(tmp_path / "tree") == built.tree
    rng = np.random.default_rng(0)
    windows = [[int(rng.integers(8)), int(rng.integers(1, 8)), int(rng.integers(8))] for _ in range(300)]
    classes = [int(rng.integers(3)) for _ in windows]
    sums = [array.tolist() for array in statistics_by_pdf(built, stats)]
    gaussians = [list(row) for row in zip(*sums, strict=True) if row[0] > 0.0]
    queries = {"windows": windows, "classes": classes, "gaussians": gaussians, "floor": 1.2}
    (tmp_path / "queries.json").write_text(json.dumps(queries))
    subprocess.run([sys.executable, REFERENCE, tmp_path, tmp_path / "answer.json"], check=True, cwd=REFERENCE.parent)
    answer = json.loads((tmp_path / "answer.json").read_text())
    model = transition_model_from_tree(built.tree, topology)
    assert answer["num_pdfs"] == answer["model_pdfs"] == built.num_pdfs == model.num_pdfs > 20
    assert answer["pdfs"] == [built.tree.pdf_id(w, c) for w, c in zip(windows, classes, strict=True)]
    count, first, second = (np.array(part) for part in zip(*gaussians, strict=True))
    own = gaussian_log_likelihood(count, first, second, floor=1.2)
    both = gaussian_log_likelihood(count[1:] + count[:-1], first[1:] + first[:-1], second[1:] + second[:-1], floor=1.2)
    assert answer["distances"] == pytest.approx((own[1:] + own[:-1] - both).tolist(), rel=1e-4, abs=0.02)
    assert answer["likelihoods"] == pytest.approx(own.tolist(), rel=1e-4)


def test_what_cannot_be_built_is_told() -> None:
    stats = make_speech(0).statistics(context_free=SILENCE)
    with pytest.raises(WfstAsrError, match="phone 5 is in the data but in no root"):
        build(stats, roots=ROOTS[:3])
    with pytest.raises(WfstAsrError, match="phone 2 is in two roots"):
        build(stats, roots=[*ROOTS, Root((2,))])
    with pytest.raises(WfstAsrError, match="pdf-class 2 of phone"):
        build_tree(stats, questions=[], roots=ROOTS, num_pdf_classes=dict.fromkeys(CLASSES, 2), max_leaves=9)
    with pytest.raises(WfstAsrError, match="phone 6 of the roots has no HMM topology"):
        build_tree(stats, questions=[], roots=ROOTS, num_pdf_classes=dict.fromkeys(range(1, 6), 3), max_leaves=9)
    with pytest.raises(WfstAsrError, match="a floor above 0"):
        build(stats, variance_floor=0.0)
    empty = TreeStatistics(
        stats.windows[:0], 1, stats.pdf_class[:0], stats.count[:0], stats.first[:0], stats.second[:0]
    )
    with pytest.raises(WfstAsrError, match="no statistics"):
        build(empty)
