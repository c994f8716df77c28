"""Determinization of random lattices against enumeration, of hopeless ones within limits, and of Kaldi's own."""

import gzip
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoder.test_golden import SCALE, golden  # noqa: F401
from tests.lattice.test_lattice import lattices
from tests.reference.word_sequences import compact_paths, lowest_costs, word_sequences
from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.io.archives import read_matrices
from wfst_asr.lattice import determinize as determinize_module
from wfst_asr.lattice import subset_construction
from wfst_asr.lattice._kernels import forward_backward
from wfst_asr.lattice.best_path import best_path
from wfst_asr.lattice.determinize import determinize
from wfst_asr.lattice.lattice import Lattice, prune


def naive_arcs(lattice):
    """Return a lattice of words as the naive twin reads it: arcs by source, finals by state."""
    arcs, finals = {}, {}
    for a in range(lattice.num_arcs):
        labels = lattice.labels[lattice.first_label[a] : lattice.first_label[a + 1]].tolist()
        costs = (float(lattice.graph_cost[a]), float(lattice.acoustic_cost[a]))
        arcs.setdefault(int(lattice.source[a]), []).append(
            (int(lattice.nextstate[a]), int(lattice.olabel[a]), *costs, labels)
        )
    for s in np.flatnonzero(np.isfinite(lattice.final_cost)).tolist():
        labels = lattice.final_labels[lattice.first_final_label[s] : lattice.first_final_label[s + 1]].tolist()
        finals[s] = (float(lattice.final_cost[s]), float(lattice.final_acoustic_cost[s]), labels)
    return arcs, finals


def sequences_of(lattice, *, scale=1.0):
    """Return words -> (cost, graph cost, acoustic cost, alignment) of a lattice of words, each once."""
    if lattice.num_states == 0:
        return {}
    found = {}
    for words, graph, acoustic, alignment in compact_paths(*naive_arcs(lattice), scale=scale):
        assert words not in found
        found[words] = (graph + scale * acoustic, graph, acoustic, alignment)
    return found


def expected_of(lattice, *, scale=1.0):
    return word_sequences(
        lattice.source,
        lattice.nextstate,
        lattice.ilabel,
        lattice.olabel,
        lattice.graph_cost,
        lattice.acoustic_cost,
        lattice.final_cost,
        scale=scale,
    )


def check_form(lattice):
    """Check what the record promises: order, exact frames, no word twice, every state on a path."""
    assert (lattice.nextstate > lattice.source).all()
    assert (lattice.olabel > 0).all()
    frames = lattice.frame[lattice.source] + np.diff(lattice.first_label)
    assert (frames == lattice.frame[lattice.nextstate]).all()
    assert (np.diff(lattice.frame) >= 0).all()
    ends = np.isfinite(lattice.final_cost)
    assert (lattice.frame + np.diff(lattice.first_final_label) == lattice.num_frames)[ends].all()
    assert not np.diff(lattice.first_final_label)[~ends].any()
    pairs = list(zip(lattice.source.tolist(), lattice.olabel.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert set(lattice.nextstate.tolist()) | {0} == set(range(lattice.num_states))
    assert set(lattice.source.tolist()) | set(np.flatnonzero(ends).tolist()) == set(range(lattice.num_states))
    for costs in (lattice.graph_cost, lattice.acoustic_cost, lattice.final_cost, lattice.final_acoustic_cost):
        assert costs.dtype == np.float32


def random_lattice(seed, *, frames=5, width=3, words=2, labels=2, word_share=0.4, step=0.0):
    """Return a lattice of layers that are densely linked, for many subsets that are equal; costs in steps, or any."""
    rng = np.random.default_rng(seed)
    sizes = [1, *rng.integers(1, width + 1, frames)]
    frame = np.repeat(np.arange(frames + 1), sizes)
    arcs = []
    for s in range(len(frame)):
        for d in range(s + 1, len(frame)):
            step_on = frame[d] - frame[s]
            if step_on == 1 or (step_on == 0 and rng.random() < 0.3):
                arcs += [(s, d, step_on)] * (1 + (rng.random() < 0.2))
    source = np.array([arc[0] for arc in arcs], dtype=np.int64)
    emitting = np.array([arc[2] for arc in arcs], dtype=np.int64)
    costs = rng.exponential(1.0, (3, len(arcs) + len(frame)))
    if step:
        costs = np.round(costs / step) * step
    return Lattice(
        frame=frame.astype(np.int32),
        first_arc=np.concatenate([[0], np.cumsum(np.bincount(source, minlength=len(frame)))]).astype(np.int64),
        nextstate=np.array([arc[1] for arc in arcs], dtype=np.int32),
        ilabel=(emitting * rng.integers(1, labels + 1, len(arcs))).astype(np.int32),
        olabel=((rng.random(len(arcs)) < word_share) * rng.integers(1, words + 1, len(arcs))).astype(np.int32),
        graph_cost=costs[0, : len(arcs)].astype(np.float32),
        acoustic_cost=(emitting * costs[1, : len(arcs)]).astype(np.float32),
        final_cost=np.where(frame == frames, costs[2, : len(frame)], np.inf).astype(np.float32),
    )


BEAMS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0, np.inf])


def check_sequences(lattice, found, *, beam, scale):
    """Check a result within the beam against enumeration, and that what costs more is not told to cost less."""
    expected = expected_of(lattice, scale=scale) if lattice.num_states else {}
    if not expected:
        assert found.num_states == 0
        return
    check_form(found)
    got = sequences_of(found, scale=scale)
    limit = min(paths[0][0] for paths in expected.values()) + beam
    assert {w for w, paths in expected.items() if paths[0][0] <= limit - 1e-4} <= got.keys() <= expected.keys()
    for words, (cost, graph, acoustic, alignment) in got.items():
        best = expected[words][0][0]
        if best > limit - 1e-4:
            assert cost >= limit - 1e-3
            continue
        assert cost == pytest.approx(best, abs=1e-4)
        near = [path for path in expected[words] if path[0] <= best + 1e-4]
        assert any(path[3] == alignment and path[1:3] == pytest.approx((graph, acoustic), abs=1e-4) for path in near)


@settings(max_examples=300)
@given(lattices(), BEAMS, st.sampled_from([1.0, 0.25]))
def test_every_word_sequence_within_the_beam_has_one_path_its_best(lattice, beam, scale):
    found = determinize(lattice, lattice_beam=beam, acoustic_scale=scale)
    assert (found.lattice_beam, found.acoustic_scale) == (beam, scale)
    check_sequences(lattice, found, beam=beam, scale=scale)


@settings(max_examples=300)
@given(
    st.integers(0, 1 << 30), BEAMS, st.sampled_from([0.0, 0.5, 10.0]), st.integers(1, 3), st.sampled_from([0.2, 0.5])
)
def test_dense_lattices_where_subsets_meet_again(seed, beam, step, words, word_share):
    lattice = random_lattice(seed, words=words, step=step, word_share=word_share)
    found = determinize(lattice, lattice_beam=beam)
    check_sequences(lattice, found, beam=beam, scale=1.0)
    again = determinize(lattice, lattice_beam=beam)
    for name in ("nextstate", "olabel", "labels", "graph_cost", "acoustic_cost", "final_cost", "final_labels"):
        assert getattr(again, name).tobytes() == getattr(found, name).tobytes()


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), BEAMS)
def test_forgetting_what_was_passed_changes_nothing(seed, beam):
    lattice = random_lattice(seed, frames=7, word_share=0.5)
    kept = determinize(lattice, lattice_beam=beam)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subset_construction, "_CROWDED", 1)
        forgotten = determinize(lattice, lattice_beam=beam)
    for name in ("frame", "nextstate", "olabel", "labels", "graph_cost", "acoustic_cost", "final_cost", "final_labels"):
        assert getattr(forgotten, name).tobytes() == getattr(kept, name).tobytes()


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.sampled_from([1, 30, 100, 300]), st.sampled_from([0.0, 0.5]))
def test_where_a_limit_is_met_the_result_is_complete_to_the_beam_that_it_tells(seed, max_steps, step):
    lattice = random_lattice(seed, word_share=0.6, step=step)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = determinize(lattice, lattice_beam=5.0, max_steps=max_steps)
    assert bool(told) == (found.lattice_beam < 5.0)
    check_sequences(lattice, found, beam=found.lattice_beam, scale=1.0)
    expected = expected_of(lattice)
    best = min(paths[0][0] for paths in expected.values())
    assert min(cost for cost, *_ in sequences_of(found).values()) == pytest.approx(best, abs=1e-4)


def noisy_loop(*, frames=300, words=11, states=3, seed=0, spread=1.0):
    """Return the lattice of every path through a loop of words of some states, with scores that tell nothing apart."""
    rng = np.random.default_rng(seed)
    per_frame = 1 + words * states
    at = np.arange(frames)[:, None] * per_frame
    inner = at + 1 + np.arange(words * states)[None]
    hub, start = at[:, 0], 1 + np.arange(words) * states
    arcs = [(hub, hub + per_frame + s, 1 + s, w + 1, 0.7) for w, s in enumerate(start)]
    for w in range(words):
        for k in range(states):
            here = inner[:, w * states + k]
            arcs.append((here, here + per_frame, 1 + w * states + k, 0, 0.7))
            if k < states - 1:
                arcs.append((here, here + per_frame + 1, 2 + w * states + k, 0, 0.7))
            else:
                arcs.append((here, hub + per_frame, 100 + w, 0, 0.7))
    source = np.concatenate([np.broadcast_to(a[0], frames) for a in arcs])
    order = np.argsort(source, kind="stable")
    size = per_frame * (frames + 1)
    raw = [np.concatenate([np.broadcast_to(a[i], frames) for a in arcs])[order] for i in (1, 2, 3, 4)]
    final = np.full(size, np.inf, dtype=np.float32)
    final[frames * per_frame] = 0.0
    return Lattice(
        frame=np.repeat(np.arange(frames + 1), per_frame).astype(np.int32),
        first_arc=np.concatenate([[0], np.cumsum(np.bincount(source, minlength=size))]).astype(np.int64),
        nextstate=raw[0].astype(np.int32),
        ilabel=raw[1].astype(np.int32),
        olabel=raw[2].astype(np.int32),
        graph_cost=raw[3].astype(np.float32),
        acoustic_cost=rng.normal(0.0, spread, len(source)).astype(np.float32),
        final_cost=final,
    )


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_loop_of_words_with_noise_for_scores_ends_at_the_limit_with_the_best_part(spread):
    lattice = prune(noisy_loop(spread=spread), 30.0)
    with pytest.warns(WfstAsrWarning, match=r"cut from lattice beam 30 to .* met its limit of 2 MB"):
        found = determinize(lattice, max_memory_mb=2.0)
    check_form(found)
    assert 0 <= found.lattice_beam < 30
    best = best_path(lattice)
    ends = np.isfinite(found.final_cost)
    _, backward = forward_backward(found.first_arc, found.nextstate, found.arc_costs(), found.final_costs(), False)
    assert backward[0] == pytest.approx(best.graph_cost + best.acoustic_cost, abs=1e-2)
    assert ends.any()


def test_larger_beams_are_tried_after_one_that_does_with_the_limit(monkeypatch):
    lattice = prune(noisy_loop(), 30.0)
    with pytest.warns(WfstAsrWarning, match="met its limit"):
        found = determinize(lattice, max_memory_mb=2.0)
    monkeypatch.setattr(determinize_module, "_TRIES_BACK", 0)
    with pytest.warns(WfstAsrWarning, match="met its limit"):
        first = determinize(lattice, max_memory_mb=2.0)
    assert first.lattice_beam < found.lattice_beam < 30


def test_limits_and_beams_that_make_no_sense_are_refused():
    lattice = random_lattice(1)
    with pytest.raises(WfstAsrError, match="lattice beam -1"):
        determinize(lattice, lattice_beam=-1.0)
    with pytest.raises(WfstAsrError, match="max_memory_mb 0"):
        determinize(lattice, max_memory_mb=0.0)
    with pytest.raises(WfstAsrError, match="max_steps 0"):
        determinize(lattice, max_steps=0)
    with pytest.raises(WfstAsrError, match="acoustic scale 0"):
        determinize(lattice, acoustic_scale=0.0)


def test_a_lattice_of_one_state_and_one_without_words():
    one = random_lattice(3, frames=0)
    assert determinize(one).final_cost.tolist() == one.final_cost.tolist()
    silent = random_lattice(4, word_share=0.0)
    found = determinize(silent)
    assert (found.num_states, found.num_arcs, len(found.final_labels)) == (1, 0, 5)
    assert found.num_frames == 5


def test_a_smaller_beam_than_the_raw_lattice_has_is_the_beam_of_the_result():
    lattice = prune(random_lattice(5), 2.0)
    assert determinize(lattice).lattice_beam == 2.0
    assert determinize(lattice, lattice_beam=1.0).lattice_beam == 1.0
    assert determinize(lattice, lattice_beam=9.0).lattice_beam == 2.0


def kaldi_lattices(path):
    """Return utterance -> (arcs, finals) of Kaldi's CompactLattice text, as the naive twin reads lattices."""
    found = {}
    with gzip.open(path, "rt") as lines:
        for block in lines.read().split("\n\n"):
            if not block.strip():
                continue
            name, *rows = block.strip().split("\n")
            arcs, finals = found[name.strip()] = ({}, {})
            for row in map(str.split, rows):
                weight = (row[3] if len(row) > 3 else "0,0,") if len(row) > 2 else (row[1] if len(row) > 1 else "0,0,")
                graph, acoustic, labels = weight.split(",")
                entry = (float(graph), float(acoustic), [int(x) for x in labels.split("_")] if labels else [])
                if len(row) > 2:
                    arcs.setdefault(int(row[0]), []).append((int(row[1]), int(row[2]), *entry))
                else:
                    finals[int(row[0])] = entry
    return found


def within(arcs, finals, beam):
    """Return words -> (cost, alignment) of the best path for each sequence that costs at most the best + beam."""
    to_end = lowest_costs(arcs, finals, scale=SCALE)
    limit = to_end[0] + beam
    found = {}
    for words, graph, acoustic, alignment in compact_paths(arcs, finals, limit=limit, scale=SCALE, to_end=to_end):
        cost = graph + SCALE * acoustic
        assert words not in found
        found[words] = (cost, alignment)
    return found


def test_word_sequences_and_their_costs_are_those_of_kaldis_lattices(golden):  # noqa: F811
    source, graph, _ = golden
    kaldis = kaldi_lattices(source / "lattices" / "clat.txt.gz")
    options = DecodeOptions(beam=13.0, max_active=7000, acoustic_scale=SCALE, lattice_beam=6.0)
    same_alignments = 0
    sequences = 0
    for name, scores in read_matrices(source / "loglikes.ark"):
        found = decode_lattice(graph, scores, options).words
        check_form(found)
        ours, theirs = within(*naive_arcs(found), 6.0), within(*kaldis[name], 6.0)
        assert ours.keys() == theirs.keys(), name
        for words, (cost, alignment) in ours.items():
            assert cost == pytest.approx(theirs[words][0], abs=1e-2), name
            same_alignments += alignment == theirs[words][1]
        sequences += len(ours)
    assert len(kaldis) == 20
    assert sequences > 30
    assert same_alignments / sequences > 0.9  # others have paths of the same cost
