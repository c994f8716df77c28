"""Posteriors of arcs, labels and words of both kinds of lattices against enumeration."""

import math

import numpy as np
import pytest
from hypothesis import given

from tests.lattice.word_lattices import all_paths, compact_lattices, either_kind, linear_compact
from wfst_asr.lattice.posteriors import (
    arc_and_final_posteriors,
    arc_posteriors,
    frame_posteriors,
    frame_word_posteriors,
    word_posteriors,
)


def shares_of(paths):
    lowest = min(cost for _, _, cost in paths)
    weights = [math.exp(lowest - cost) for _, _, cost in paths]
    return [weight / sum(weights) for weight in weights], math.log(sum(weights)) - lowest


@given(either_kind())
def test_posteriors_of_arcs_and_ends_equal_enumeration(lattice):
    paths = all_paths(lattice, scale=0.5)
    if not paths:
        return
    shares, log_likelihood = shares_of(paths)
    arcs, final = np.zeros(lattice.num_arcs), np.zeros(lattice.num_states)
    for (path, _, _), share in zip(paths, shares, strict=True):
        arcs[list(path)] += share
        final[lattice.nextstate[path[-1]] if path else 0] += share
    found, ends, total = arc_and_final_posteriors(lattice, acoustic_scale=0.5)
    assert found == pytest.approx(arcs, abs=1e-9)
    assert ends == pytest.approx(final, abs=1e-9)
    assert total == pytest.approx(log_likelihood, abs=1e-9)
    assert (arc_posteriors(lattice, acoustic_scale=0.5)[0] == found).all()


@given(compact_lattices())
def test_posteriors_of_frames_equal_enumeration_of_strings(lattice):
    paths = all_paths(lattice)
    if not paths:
        return
    labels, words, spans = {}, {}, {}
    for (path, _, _), share in zip(paths, shares_of(paths)[0], strict=True):
        frame = 0
        end = lattice.nextstate[path[-1]] if path else 0
        pieces = [
            (lattice.labels[lattice.first_label[a] : lattice.first_label[a + 1]], int(lattice.olabel[a])) for a in path
        ]
        pieces.append((lattice.final_labels[lattice.first_final_label[end] : lattice.first_final_label[end + 1]], 0))
        for string, word in pieces:
            if word:
                span = (frame, frame + len(string), word)
                spans[span] = spans.get(span, 0.0) + share
            for label in string:
                labels[frame, int(label)] = labels.get((frame, int(label)), 0.0) + share
                words[frame, word] = words.get((frame, word), 0.0) + share
                frame += 1
        assert frame == lattice.num_frames
    for found, expected in ((frame_posteriors(lattice), labels), (frame_word_posteriors(lattice), words)):
        keys = list(zip(found.frames.tolist(), found.labels.tolist(), strict=True))
        assert keys == sorted(expected)
        assert found.posteriors == pytest.approx([expected[key] for key in keys], abs=1e-9)
    found = word_posteriors(lattice)
    keys = list(zip(found.begins.tolist(), found.ends.tolist(), found.words.tolist(), strict=True))
    assert keys == sorted(keys)
    kept = {key: share for key, share in zip(keys, found.posteriors, strict=True) if share > 0}
    assert kept == pytest.approx(spans, abs=1e-9)


def test_a_word_in_two_places_has_a_posterior_in_each():
    lattice = linear_compact([((1, 2), 0.0), ((2, 2), math.log(3.0))])
    found = word_posteriors(lattice)
    assert found.words.tolist() == [1, 2, 2]
    assert found.begins.tolist() == [0, 0, 1]
    assert found.posteriors == pytest.approx([0.75, 0.25, 1.0])
