"""Online decoding: the same words and endpoints in any chunking, and what is settled stays."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoder.graphs import COLUMNS, Case, cases
from wfst_asr.decoder.beam import BeamSearch, NoPathError
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.endpoint import EndpointOptions, EndpointRule, find_endpoint, silence_labels
from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.online import OnlineDecoder
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import LABEL_DTYPE, SearchGraph, make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.lattice.confidence import word_confidences

OFF = EndpointRule(min_utterance_length=math.inf)
SILENCE, YES, NO = 1, 2, 3
WIDE = DecodeOptions(beam=30.0)


def graph_of(case: Case) -> SearchGraph:
    return make_search_graph(case.table, COLUMNS, num_columns=3)


def yes_no_graph() -> SearchGraph:
    """A loop of silence, yes and no, a label each; it may end after silence."""
    arcs = [
        (0, 0, SILENCE, 0, 0.25),
        (0, 1, YES, 1, 1.0),
        (0, 1, NO, 2, 1.0),
        (1, 1, YES, 0, 0.25),
        (1, 1, NO, 0, 0.25),
        (1, 0, SILENCE, 0, 1.0),
    ]
    labels = np.array([(-1, 0, 0, 0), (0, 1, 0, -1), (1, 2, 0, -1), (2, 3, 0, -1)], dtype=LABEL_DTYPE)
    graph = make_search_graph(
        arc_table(2, arcs, finals={0: 0.5}), [-1, 0, 1, 2], words=["<eps>", "yes", "no"], input_labels=labels
    )
    graph.__dict__["phones"] = ("<eps>", "SIL", "Y", "N")
    return graph


def scores_of(labels: list[int]) -> np.ndarray:
    scores = np.full((len(labels), 3), -6.0, dtype=np.float32)
    scores[np.arange(len(labels)), np.array(labels, dtype=int) - 1] = -0.5
    return scores


SHORT = EndpointOptions(
    rule1=EndpointRule(False, 0.12),
    rule2=EndpointRule(True, 0.04, 2.0),
    rule3=OFF,
    rule4=EndpointRule(True, 0.07),
    rule5=EndpointRule(False, 0.0, math.inf, 0.3),
    silence_phones=("SIL",),
)


def pieces(total: int, cuts: list[int]) -> list[slice]:
    edges = [0, *sorted(min(cut, total) for cut in cuts), total]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


@st.composite
def talks(draw: st.DrawFn) -> np.ndarray:
    runs = draw(st.lists(st.tuples(st.sampled_from([SILENCE, SILENCE, YES, NO]), st.integers(1, 12)), max_size=12))
    scores = scores_of([label for label, length in runs for _ in range(length)])
    noise = np.random.default_rng(draw(st.integers(0, 99))).normal(size=scores.shape)
    return (scores + noise).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(talks(), st.lists(st.integers(0, 150), max_size=8), st.integers(1, 5), st.booleans())
def test_utterances_and_partial_results_are_the_same_in_any_chunking(
    scores: np.ndarray, cuts: list[int], every: int, ask: bool
) -> None:
    graph = yes_no_graph()
    whole = OnlineDecoder(graph, WIDE, endpoint=SHORT, check_frames=every)
    expected = [*whole.accept(scores)]
    last_partial = whole.partial()
    expected += [u for u in [whole.finish()] if u]
    chunked = OnlineDecoder(graph, WIDE, endpoint=SHORT, check_frames=every)
    found = []
    for piece in pieces(len(scores), cuts):
        found.extend(chunked.accept(scores[piece]))
        if ask:
            chunked.partial()
    assert chunked.partial() == last_partial
    found += [u for u in [chunked.finish()] if u]
    assert [u.end_frame for u in found] == [u.end_frame for u in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.endpoint == theirs.endpoint
        assert ours.word_times == theirs.word_times
        assert ours.result.total_cost == theirs.result.total_cost
        np.testing.assert_array_equal(ours.result.alignment, theirs.result.alignment)


@settings(deadline=None, max_examples=40)
@given(talks())
def test_each_utterance_is_what_decoding_its_frames_alone_gives(scores: np.ndarray) -> None:
    graph = yes_no_graph()
    decoder = OnlineDecoder(graph, WIDE, endpoint=SHORT)
    found = [*decoder.accept(scores), *filter(None, [decoder.finish()])]
    assert [u.number for u in found] == list(range(len(found)))
    at = 0
    for utterance in found:
        assert utterance.first_frame == at
        at = utterance.end_frame
        alone = decode(graph, scores[utterance.first_frame : at], WIDE)
        assert utterance.result.words == alone.words
        assert utterance.result.total_cost == pytest.approx(alone.total_cost, abs=1e-4)
        np.testing.assert_array_equal(utterance.result.alignment, alone.alignment)
        for ours, theirs in zip(utterance.word_times, alone.word_times, strict=True):
            assert ours.start_frame - utterance.first_frame == theirs.start_frame
    assert at == len(scores)


@settings(deadline=None, max_examples=60)
@given(cases(max_frames=8, min_frames=1), st.booleans())
def test_what_is_settled_is_on_the_path_of_every_living_token(case: Case, lattice: bool) -> None:
    graph = graph_of(case)
    options = DecodeOptions(beam=8.0)
    plain, cut = BeamSearch(graph, options), BeamSearch(graph, options, keep_lattice=lattice)
    settled = np.empty(0, np.int64)
    for frame in range(len(case.scores)):
        try:
            plain.advance(case.matrix[frame : frame + 1])
        except NoPathError:
            return
        cut.advance(case.matrix[frame : frame + 1])
        whole = plain.finish()
        np.testing.assert_array_equal(cut.finish().arcs, whole.arcs)
        settled = np.concatenate([settled, cut.settle()])
        np.testing.assert_array_equal(cut.finish().arcs, whole.arcs)
        assert cut.finish().cost == whole.cost
        everyone = [living_path(plain, token) for token in range(plain._count)]
        shared = 0
        while all(len(p) > shared for p in everyone) and len({int(p[shared]) for p in everyone}) == 1:
            shared += 1
        assert all(np.array_equal(p[: len(settled)], settled) for p in everyone)
        assert len(settled) == shared


def living_path(search: BeamSearch, token: int) -> np.ndarray:
    arcs, i = [], search._base + token
    while search._trace.previous[i] > 0:
        arcs.append(search._trace.arc[i])
        i = search._trace.previous[i]
    return search.graph.places(np.array(arcs[::-1], dtype=np.uint32))


def test_stable_words_never_change() -> None:
    graph = yes_no_graph()
    rng = np.random.default_rng(5)
    scores = (rng.normal(size=(300, 3)) * 2).astype(np.float32)
    decoder = OnlineDecoder(graph, DecodeOptions(beam=6.0))
    stable: tuple[str, ...] = ()
    for frame in range(len(scores)):
        decoder.accept(scores[frame : frame + 1])
        partial = decoder.partial()
        assert partial.words[: len(stable)] == stable
        stable = partial.words[: partial.num_stable]
        assert len(partial.word_times) == len(partial.words)
    last = decoder.finish()
    assert last is not None
    assert last.result.words[: len(stable)] == stable
    assert len(stable) > 20


def test_every_rule_gives_its_reason() -> None:
    def decide(frames: int, silence: int, cost: float) -> str | None:
        found = find_endpoint(
            EndpointOptions(),
            num_frames=frames,
            trailing_silence_frames=silence,
            relative_cost=lambda: cost,
            frame_shift_s=0.01,
        )
        return found.reason if found else None

    assert decide(0, 0, 0.0) is None
    assert decide(499, 499, 0.0) is None
    assert decide(500, 500, math.inf) == "rule1: 5.00 s of silence and nothing else (at least 5 s needed)"
    assert decide(300, 49, 0.0) is None
    assert decide(300, 50, 2.1) is None
    reason = decide(300, 50, 2.0)
    assert reason is not None
    assert reason.startswith("rule2: 0.50 s of silence after speech (at least 0.5 s needed), ending here costs 2.00")
    assert (decide(300, 100, 8.0) or "").startswith("rule3")
    assert (decide(300, 200, math.inf) or "").startswith("rule4")
    assert decide(2000, 0, math.inf) == "rule5: the utterance is 20.00 s long (at least 20 s needed)"
    assert decide(1999, 30, 0.0) is None


def test_a_graph_without_silence_phones_is_refused_for_endpoints() -> None:
    graph = yes_no_graph()
    np.testing.assert_array_equal(silence_labels(graph, ["SIL"]), [False, True, False, False])
    with pytest.raises(WfstAsrError, match="names no silence phones"):
        OnlineDecoder(graph, endpoint=EndpointOptions())
    with pytest.raises(WfstAsrError, match="silence phone 'X' is not in"):
        OnlineDecoder(graph, endpoint=replace(SHORT, silence_phones=("X",)))
    with pytest.raises(WfstAsrError, match="does not tell the phones"):
        OnlineDecoder(make_search_graph(arc_table(1, [(0, 0, 1, 1, 0.5)], finals={0: 0.0}), [-1, 0]), endpoint=SHORT)
    with pytest.raises(WfstAsrError, match="min_trailing_silence is -1"):
        EndpointRule(min_trailing_silence=-1)


def test_no_frames_are_no_utterance() -> None:
    decoder = OnlineDecoder(yes_no_graph(), endpoint=SHORT)
    assert decoder.accept(np.empty((0, 3), np.float32)) == ()
    assert decoder.partial().words == ()
    assert decoder.finish() is None


@settings(deadline=None, max_examples=15)
@given(talks(), st.lists(st.integers(0, 150), max_size=3))
def test_confidences_and_lattices_are_those_of_the_utterance_alone(scores: np.ndarray, cuts: list[int]) -> None:
    graph = yes_no_graph()
    decoder = OnlineDecoder(graph, WIDE, endpoint=SHORT, confidence=True, lattices=True)
    found = []
    for piece in pieces(len(scores), cuts):
        found.extend(decoder.accept(scores[piece]))
        partial = decoder.partial()
        assert partial.confidences is not None
        assert len(partial.confidences) == len(partial.words)
        assert all(0 <= c <= 1 + 1e-6 for c in partial.confidences)
    found += [u for u in [decoder.finish()] if u]
    for utterance in found:
        alone = decode_lattice(graph, scores[utterance.first_frame : utterance.end_frame], WIDE)
        assert utterance.result.words == alone.best.words
        np.testing.assert_allclose(
            utterance.confidences or (), word_confidences(alone.words, alone.best.word_ids), atol=1e-5
        )
        assert utterance.lattice is not None
        assert utterance.lattice.num_arcs == alone.words.num_arcs


def test_the_search_keeps_no_more_after_long_than_after_short() -> None:
    graph = yes_no_graph()
    scores = scores_of(([SILENCE] * 3 + [YES] * 4 + [SILENCE] * 2 + [NO] * 3) * 500)
    decoder = OnlineDecoder(graph, DecodeOptions(beam=4.0, min_active=0))
    size = len(decoder._search._trace.arc)
    rounds = 1 + size // len(scores)
    for _ in range(rounds):
        decoder.accept(scores)
    assert decoder._search.counts.tokens > size  # so that the trace would have been too small for all of them
    assert len(decoder._search._trace.arc) == size
    partial = decoder.partial()
    assert partial.num_stable >= 1000 * rounds - 2
    assert len(decoder._path.rest().ilabels) < 10
    last = decoder.finish()
    assert last is not None
    assert last.result.words == ("yes", "no") * 500 * rounds
