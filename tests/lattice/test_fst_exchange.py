"""Lattices as machines of pynini, and back."""

import numpy as np
import pynini
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lattice.whole_paths import check_form, check_same_paths, whole_paths
from tests.lattice.word_lattices import either_kind, word_sequences
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compose import compose
from wfst_asr.lattice.fst_exchange import from_pynini, to_pynini, word_acceptor, word_lattice


def pynini_sequences(fst, side="output"):
    """Return the lowest cost of each sequence of labels that an acyclic machine has."""
    best = {}
    fst = pynini.connect(fst)
    if fst.num_states():
        paths = fst.paths()
        while not paths.done():
            labels = paths.olabels() if side == "output" else paths.ilabels()
            key = tuple(label for label in labels if label)
            best[key] = min(float(paths.weight()), best.get(key, np.inf))
            paths.next()
    return best


@given(either_kind(), st.sampled_from([(1.0, 0.0), (0.25, 0.5)]))
def test_paths_in_pynini_are_those_of_the_lattice(lattice, dials):
    scale, penalty = dials
    expected = word_sequences(lattice, scale=scale, penalty=penalty)
    fst = to_pynini(lattice, acoustic_scale=scale, insertion_penalty=penalty)
    assert pynini_sequences(fst) == pytest.approx(expected, abs=1e-4)
    labelled = to_pynini(lattice, labels=True, acoustic_scale=scale, insertion_penalty=penalty)
    assert pynini_sequences(labelled) == pytest.approx(expected, abs=1e-4)
    frames = {key[1] for key in whole_paths(lattice)}
    assert set(pynini_sequences(labelled, side="input")) == frames


@given(either_kind())
def test_a_lattice_goes_to_pynini_and_back(lattice):
    back = from_pynini(to_pynini(lattice, labels=True), labels=True)
    check_form(back)
    summed = {
        key: sorted((graph + acoustic, 0.0) for graph, acoustic in costs) for key, costs in whole_paths(lattice).items()
    }
    check_same_paths(whole_paths(back), summed)
    words = from_pynini(to_pynini(lattice))
    check_form(words)
    assert word_sequences(words) == pytest.approx(word_sequences(lattice), abs=1e-4)


@given(either_kind(), either_kind())
def test_composition_is_that_of_openfst(lattice, other):
    acceptor = word_acceptor(other)
    if acceptor.start < 0:
        return
    ours = word_sequences(compose(lattice, acceptor))
    one, two = to_pynini(lattice), to_pynini(other)
    theirs = pynini.compose(one.arcsort("olabel"), two.arcsort("ilabel"))
    assert ours == pytest.approx(pynini_sequences(theirs), abs=1e-4)


def test_machines_of_another_semiring_are_refused():
    with pytest.raises(WfstAsrError, match="expected 'standard'"):
        from_pynini(pynini.accep("a", arc_type="log"))
    assert from_pynini(pynini.accep("ab")).olabel.tolist() == [97, 98]
    assert word_lattice(word_acceptor(from_pynini(pynini.Fst()))).num_states == 0
