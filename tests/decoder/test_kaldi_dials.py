"""The dials of the search against a naive search written after Kaldi's."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoder.graphs import COLUMNS, Case, cases
from tests.reference.kaldi_beam import beam_search
from wfst_asr.decoder.beam import BeamSearch, NoPathError
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import make_search_graph


def in_quarters(case: Case) -> Case:
    """Round the scores, so that no cost is rounded anywhere."""
    return replace(case, scores=[[s if s == -math.inf else round(4 * s) / 4 for s in row] for row in case.scores])


dials = st.tuples(
    st.sampled_from([0.5, 1.0, 2.0, 4.0, 8.0, 1e4]),
    st.sampled_from([None, 1, 2, 3, 4]),
    st.sampled_from([0.25, 0.5, 2.0]),
)
large_cases = cases(max_frames=8, max_arcs=16, min_frames=1).map(in_quarters)


def ours(case, **given_dials):
    search = BeamSearch(make_search_graph(case.table, COLUMNS), DecodeOptions(**given_dials))
    search.advance(case.matrix)
    return search


def self_loops_first(case: Case) -> Case:
    """Put one self-loop of each state before its other arcs and leave epsilon arcs out: the order of the search."""
    arcs = [arc for arc in case.sorted_arcs if arc[2]]
    first = [next((arc for arc in arcs if arc[:2] == (s, s)), None) for s in range(case.num_states)]
    for loop in filter(None, first):
        arcs.remove(loop)
    return replace(case, arcs=[*filter(None, first), *arcs])


def naive(case, **given_dials):
    return beam_search(0, case.sorted_arcs, case.finals, COLUMNS, case.scores, **given_dials)


@settings(max_examples=800, deadline=None)
@given(large_cases, dials, st.integers(0, 4))
def test_the_search_is_kaldis_in_the_order_in_which_tokens_are_made(case, chosen, min_active):
    beam, max_active, beam_delta = chosen
    case = self_loops_first(case)
    given_dials = {"beam": beam, "max_active": max_active, "beam_delta": beam_delta}
    given_dials["min_active"] = least = min_active if max_active is None else min(min_active, max_active)
    expected = naive(case, near=lambda chosen: 0.75 if chosen > 2 * least else 0.0, **given_dials)
    if expected is None:
        with pytest.raises(NoPathError):
            ours(case, **given_dials)
        return
    search = ours(case, **given_dials)
    found = search.finish()
    assert (found.cost, found.reached_final) == (expected.cost, expected.reached_final)
    assert search.counts.tokens == sum(frame.tokens for frame in expected.frames)
    assert search.counts.emitting_arcs == sum(frame.emitting for frame in expected.frames)
    assert search.counts.frames_limited == sum(frame.limited for frame in expected.frames)


@settings(max_examples=500, deadline=None)
@given(large_cases, st.sampled_from([0.5, 2.0, 4.0, 8.0]), st.integers(0, 6), st.randoms(use_true_random=False))
def test_a_best_path_within_the_beam_is_found_by_both_in_any_order_of_kaldis_tokens(case, beam, min_active, random):
    everything = naive(case, beam=1e4)
    if everything is None or max(everything.gaps) >= beam:
        return
    kaldi = naive(case, beam=beam, min_active=min_active, order=lambda tokens: random.sample(tokens, len(tokens)))
    found = ours(case, beam=beam, min_active=min_active, max_active=None).finish()
    assert (kaldi.cost, kaldi.reached_final) == (everything.cost, everything.reached_final)
    assert (found.cost, found.reached_final) == (everything.cost, everything.reached_final)


def test_the_first_frame_is_held_to_the_beam_as_well():
    case = Case(3, [(0, 1, 0, 3.0), (0, 2, 0, 6.0), (1, 1, 1, 0.0), (2, 2, 2, 0.0)], {}, [[-5.0, 0.0, 0.0]])
    wide, narrow = (ours(case, beam=beam, min_active=0) for beam in (7.0, 5.0))
    assert (wide.counts.emitting_arcs, narrow.counts.emitting_arcs) == (2, 1)
    assert np.isfinite(narrow.finish().cost)
