"""Conversion between the two forms of lattices keeps every path."""

from hypothesis import given

from tests.lattice.test_determinize import expected_of, naive_arcs
from tests.lattice.test_lattice import lattices
from tests.reference.word_sequences import compact_paths
from wfst_asr.lattice.convert import compact_of, state_level
from wfst_asr.lattice.determinize import determinize


def rounded(paths):
    return sorted((w, round(g, 3), round(a, 3), labels) for w, g, a, labels in paths)


def raw_paths(lattice):
    if lattice.num_states == 0:
        return []
    return rounded((w, g, a, labels) for w, paths in expected_of(lattice).items() for _, g, a, labels in paths)


def word_paths(lattice):
    return rounded(compact_paths(*naive_arcs(lattice))) if lattice.num_states else []


@given(lattices())
def test_state_level_has_the_paths_of_the_lattice_of_words_and_keeps_the_promises_of_lattices(lattice):
    for words in (determinize(lattice), compact_of(lattice)):
        states = state_level(words)
        assert raw_paths(states) == word_paths(words)
        assert (states.nextstate > states.source).all()
        consumed = states.frame[states.nextstate] - states.frame[states.source]
        assert (consumed == (states.ilabel != 0)).all()
        assert states.num_frames == words.num_frames or not raw_paths(states)
        assert (states.frame[:1] == 0).all()


@given(lattices())
def test_compact_form_of_a_raw_lattice_has_its_paths(lattice):
    assert word_paths(compact_of(lattice)) == raw_paths(lattice)
