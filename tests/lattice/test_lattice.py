"""Pruning, best paths and posteriors of random lattices against enumeration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.lattice_enumeration import enumerated_posteriors, lattice_paths, path_cost
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.best_path import best_path, best_paths
from wfst_asr.lattice.lattice import Lattice, prune
from wfst_asr.lattice.posteriors import arc_posteriors, frame_posteriors


@st.composite
def lattices(draw):
    """A start, then layers of states by frames; epsilon arcs go to higher states of the same layer."""
    costs = st.floats(-3, 9, width=32)
    frames = draw(st.integers(0, 3))
    widths = [1, *(draw(st.integers(1, 3)) for _ in range(frames))]
    frame = np.repeat(np.arange(frames + 1), widths).astype(np.int32)
    pairs = [
        (s, d, draw(st.integers(1, 3)) if frame[d] > frame[s] else 0)
        for s in range(len(frame))
        for d in range(s + 1, len(frame))
        if 0 <= frame[d] - frame[s] <= 1
    ]
    arcs = sorted(draw(st.lists(st.sampled_from(pairs), max_size=14)) if pairs else [])
    final = np.where(frame == frames, [draw(costs) for _ in frame], np.inf).astype(np.float32)
    source = np.array([a[0] for a in arcs], dtype=np.int64)
    first_arc = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=len(frame)))]).astype(np.int64)
    ilabel = np.array([a[2] for a in arcs], dtype=np.int32)
    return Lattice(
        frame=frame,
        first_arc=first_arc,
        nextstate=np.array([a[1] for a in arcs], dtype=np.int32),
        ilabel=ilabel,
        olabel=np.array([draw(st.integers(0, 2)) for _ in arcs], dtype=np.int32),
        graph_cost=np.array([draw(costs) for _ in arcs], dtype=np.float32),
        acoustic_cost=np.where(ilabel > 0, [draw(costs) for _ in arcs], 0.0).astype(np.float32),
        final_cost=final,
    )


def enumerate_paths(lattice, *, scale=1.0, penalty=0.0):
    paths = list(lattice_paths(lattice.source, lattice.nextstate, lattice.final_cost))
    costs = [
        path_cost(path, final, lattice.graph_cost, lattice.acoustic_cost, lattice.olabel, scale=scale, penalty=penalty)
        for path, final in paths
    ]
    return [path for path, _ in paths], costs


PAIRS = [(1.0, 0.0), (0.25, 0.5), (2.0, 1.0), (0.1, 0.0)]


@given(lattices())
def test_best_paths_of_all_pairs_equal_enumeration(lattice):
    if not enumerate_paths(lattice)[0]:
        return
    found = best_paths(lattice, [s for s, _ in PAIRS], [p for _, p in PAIRS])
    for (scale, penalty), path in zip(PAIRS, found, strict=True):
        paths, costs = enumerate_paths(lattice, scale=scale, penalty=penalty)
        total = path.graph_cost + scale * path.acoustic_cost + penalty * len(path.word_ids)
        assert tuple(path.arcs) in paths
        assert total == pytest.approx(min(costs), abs=1e-6)
        assert len(path.alignment) == lattice.num_frames


def test_more_pairs_than_fit_at_once_give_the_same_paths():
    rng = np.random.default_rng(1)
    states = 60_000  # 69 pairs at once
    lattice = Lattice(
        frame=np.arange(states, dtype=np.int32),
        first_arc=np.minimum(2 * np.arange(states + 1), 2 * states - 2).astype(np.int64),
        nextstate=np.repeat(np.arange(1, states, dtype=np.int32), 2),
        ilabel=np.ones(2 * states - 2, dtype=np.int32),
        olabel=np.tile(np.array([0, 1], dtype=np.int32), states - 1),
        graph_cost=rng.random(2 * states - 2).astype(np.float32),
        acoustic_cost=rng.random(2 * states - 2).astype(np.float32),
        final_cost=np.where(np.arange(states) == states - 1, 0, np.inf).astype(np.float32),
    )
    scales, penalties = rng.random(100) + 0.1, rng.random(100)
    together = best_paths(lattice, scales, penalties)
    for i in (0, 68, 69, 70, 99):
        cost = lattice.arc_costs(scales[i], penalties[i]).reshape(-1, 2)
        assert (together[i].arcs == 2 * np.arange(states - 1) + cost.argmin(axis=1)).all()


@given(lattices(), st.sampled_from([0.0, 0.5, 2.0, 5.0]))
def test_pruning_keeps_what_is_on_a_path_within_the_beam_and_no_more(lattice, beam):
    paths, costs = enumerate_paths(lattice)
    if not paths:
        return
    pruned = prune(lattice, beam)
    _, kept_costs = enumerate_paths(pruned)
    limit = min(costs) + beam
    if any(abs(cost - limit) < 1e-6 and cost != limit for cost in costs):
        return
    within = [path for path, cost in zip(paths, costs, strict=True) if cost <= limit + 1e-9]
    assert pruned.num_arcs == len({arc for path in within for arc in path})
    assert sorted(c for c in kept_costs if c <= limit + 1e-9) == pytest.approx(
        sorted(c for c in costs if c <= limit + 1e-9)
    )
    assert pruned.num_states == 1 + len({int(lattice.nextstate[arc]) for path in within for arc in path})


@given(lattices(), st.sampled_from([1.0, 0.3]))
def test_posteriors_equal_enumeration(lattice, scale):
    paths, costs = enumerate_paths(lattice, scale=scale)
    if not paths:
        with pytest.raises(WfstAsrError, match="has no path"):
            arc_posteriors(lattice)
        with pytest.raises(WfstAsrError, match="has no path"):
            best_path(lattice)
        return
    shares, log_likelihood = enumerated_posteriors(paths, costs, lattice.num_arcs)
    posteriors, found = arc_posteriors(lattice, acoustic_scale=scale)
    assert posteriors == pytest.approx(np.array(shares), abs=1e-9)
    assert found == pytest.approx(log_likelihood, abs=1e-9)
    frames = frame_posteriors(lattice, acoustic_scale=scale)
    expected = {}
    for arc, share in enumerate(shares):
        if lattice.ilabel[arc]:
            key = (int(lattice.frame[lattice.source[arc]]), int(lattice.ilabel[arc]))
            expected[key] = expected.get(key, 0.0) + share
    keys = list(zip(frames.frames.tolist(), frames.labels.tolist(), strict=True))
    assert keys == sorted(expected)
    assert frames.posteriors == pytest.approx([expected[key] for key in keys], abs=1e-9)
    sums = np.bincount(frames.frames, weights=frames.posteriors, minlength=lattice.num_frames)
    assert sums == pytest.approx(np.ones(lattice.num_frames))


@given(lattices())
def test_small_posteriors_are_left_out_and_the_rest_sums_to_one(lattice):
    if not enumerate_paths(lattice)[0]:
        return
    everything = frame_posteriors(lattice)
    kept = frame_posteriors(lattice, min_posterior=0.4)
    assert (kept.posteriors >= 0.4 - 1e-9).all() or lattice.num_frames
    sums = np.bincount(kept.frames, weights=kept.posteriors, minlength=lattice.num_frames)
    assert sums == pytest.approx(np.ones(lattice.num_frames))
    assert len(kept.frames) <= len(everything.frames)


def test_bad_scales_and_beams_are_refused():
    one = Lattice(
        frame=np.zeros(1, np.int32),
        first_arc=np.zeros(2, np.int64),
        nextstate=np.zeros(0, np.int32),
        ilabel=np.zeros(0, np.int32),
        olabel=np.zeros(0, np.int32),
        graph_cost=np.zeros(0, np.float32),
        acoustic_cost=np.zeros(0, np.float32),
        final_cost=np.array([0.5], np.float32),
    )
    assert best_path(one).graph_cost == 0.5
    assert arc_posteriors(one)[1] == -0.5
    with pytest.raises(WfstAsrError, match="acoustic scale 0"):
        best_path(one, acoustic_scale=0.0)
    with pytest.raises(WfstAsrError, match="lattice beam -1"):
        prune(one, -1.0)
    with pytest.raises(WfstAsrError, match="2 acoustic scales but 1"):
        best_paths(one, [1.0, 2.0], [0.0])
