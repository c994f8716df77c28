"""Alignments read as phones, and carried over to another tree, against a naive twin."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.reference.phone_segments import converted, phones_of_frames, window_around
from tests.synthetic_speech import Spoken
from tests.train.stages import MONO, read_corpus, stages
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train.lang import TrainingLang
from wfst_asr.train.phone_segments import convert_alignments, phone_segments
from wfst_asr.train.stage import StageResult


@pytest.fixture(scope="module")
def trained(spoken: Spoken) -> dict[str, StageResult]:
    found: dict[str, Callable[..., StageResult]] = stages(*read_corpus(spoken))
    return {name: found[name]() for name in ("mono", "deltas")}


@pytest.fixture(scope="module")
def lang(spoken: Spoken) -> TrainingLang:
    return read_corpus(spoken)[1]


def as_phones(ids: np.ndarray, model: TransitionModel) -> tuple[list[int], list[int]]:
    rows = zip(model.phone[ids].tolist(), model.is_self_loop[ids].tolist(), model.is_final[ids].tolist(), strict=True)
    return phones_of_frames(list(rows))


@pytest.mark.parametrize("name", ["mono", "deltas"])
@pytest.mark.parametrize("padding", [1, 2, 4])
def test_phones_of_alignments_equal_the_naive_ones(trained: dict[str, StageResult], name: str, padding: int) -> None:
    model, alignments = trained[name].transitions, list(trained[name].alignments.values())
    found = phone_segments(alignments, model, padding=padding)
    phones: list[int] = []
    segment: list[int] = []
    windows: list[tuple[int, ...]] = []
    for ids in alignments:
        own, places = as_phones(ids, model)
        segment += [len(phones) + place for place in places]
        windows += [window_around(own, at, padding + 1, padding // 2) for at in range(len(own))]
        phones += [*own, *[0] * padding]
    np.testing.assert_array_equal(found.phone, phones)
    np.testing.assert_array_equal(found.segment, segment)
    whole = found.windows(padding + 1, padding // 2)
    np.testing.assert_array_equal(whole[found.phone > 0], windows)


def test_alignments_carried_over_equal_the_naive_ones(trained: dict[str, StageResult]) -> None:
    old, new = trained["mono"].transitions, trained["deltas"].transitions
    tree = trained["deltas"].tree
    alignments = list(trained["mono"].alignments.values())
    ids_of: dict[tuple[int, int, int, int], int] = {}
    for number in range(1, new.num_transition_ids + 1):
        state = new.transition_state[number]
        key = (new.phone[number], new.hmm_state[number], new.pdf_id[number], number - new.first_id[state])
        assert key not in ids_of
        ids_of[key] = number
    expected = []
    for ids in alignments:
        phones, segment = as_phones(ids, old)
        arcs = ids - old.first_id[old.transition_state[ids]]
        classes = [
            old.topology.states(phone)[state].forward_pdf_class
            for phone, state in zip(old.phone[ids].tolist(), old.hmm_state[ids].tolist(), strict=True)
        ]
        frames = list(zip(old.hmm_state[ids].tolist(), classes, arcs.tolist(), strict=True))
        expected.append(converted(frames, phones, segment, tree.pdf_id, lambda *key: ids_of[key]))
    found = convert_alignments(alignments, old, new, tree)
    assert [part.tolist() for part in found] == expected
    assert all(part.dtype == np.int32 for part in found)


def test_alignments_carried_over_are_paths_of_the_new_training_graphs(
    trained: dict[str, StageResult], lang: TrainingLang, spoken: Spoken
) -> None:
    corpus, _ = read_corpus(spoken)
    old, new = trained["mono"], trained["deltas"]
    compiler = TrainingGraphCompiler(lang.lexicon, new.tree, new.transitions)
    found = convert_alignments(list(old.alignments.values()), old.transitions, new.transitions, new.tree)
    words = dict(zip(corpus.utterances, corpus.words or (), strict=True))
    for utterance, ids in zip(old.alignments, found, strict=True):
        graph = compiler.compile(lang.word_ids(words[utterance]))
        assert set(ids.tolist()) <= set(graph.ilabel.tolist())
    back = convert_alignments(found, new.transitions, old.transitions, old.tree)
    for ids, again in zip(old.alignments.values(), back, strict=True):
        np.testing.assert_array_equal(ids, again)


def test_alignments_of_another_model_are_refused(trained: dict[str, StageResult]) -> None:
    old, new = trained["mono"].transitions, trained["deltas"].transitions
    ids = next(iter(trained["mono"].alignments.values()))
    with pytest.raises(WfstAsrError, match="does not begin with a forward transition"):
        phone_segments([ids[np.flatnonzero(old.is_self_loop[ids])[0] :]], old)
    with pytest.raises(WfstAsrError, match="does not begin with a forward transition"):
        phone_segments([ids[:0]], old)
    rng = np.random.default_rng(0)
    for _ in range(20):  # in range, and nonsense
        mixed = ids.copy()
        rng.shuffle(mixed)
        mixed[0] = ids[0]
        with pytest.raises(WfstAsrError, match="align again"):
            convert_alignments([mixed], old, new, trained["deltas"].tree)
    assert convert_alignments([], old, new, trained["deltas"].tree) == []
    assert MONO.schedule.num_iterations == 8
