"""The nearest path to a reference against enumeration and the Levenshtein distance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lattice.word_lattices import all_paths, either_kind, linear_compact
from tests.reference.levenshtein import levenshtein
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.oracle import OracleCounts, oracle, total_counts

REFERENCES = st.lists(st.sampled_from([1, 2, 3, -1]), max_size=5)


@given(either_kind(), REFERENCES, st.sampled_from([(), (2,)]))
def test_the_oracle_is_the_nearest_path_of_the_lowest_cost(lattice, reference, ignored):
    paths = [(arcs, [w for w in words if w not in ignored], cost) for arcs, words, cost in all_paths(lattice)]
    if not paths:
        with pytest.raises(WfstAsrError, match="has no path"):
            oracle(lattice, reference)
        return
    kept = [w for w in reference if w not in ignored]
    ranked = [(levenshtein(kept, words), cost) for _, words, cost in paths]
    found = oracle(lattice, reference, ignored=ignored)
    cost = found.path.graph_cost + found.path.acoustic_cost
    assert (found.counts.errors, cost) == pytest.approx(min(ranked), abs=1e-6)
    assert found.counts.errors == levenshtein(kept, [w for w in found.path.word_ids if w not in ignored])
    assert [r for r, _ in found.alignment if r] == kept
    assert tuple(w for _, w in found.alignment if w) == tuple(w for w in found.path.word_ids if w not in ignored)
    assert found.counts.reference_length == len(kept)


def test_counts_of_a_set_are_those_of_all_words_together():
    lattice = linear_compact([((1, 2, 3), 0.0), ((1, 2, 2, 3), 1.0)])
    first, second = oracle(lattice, [1, 2, 2, 3]), oracle(lattice, [1, 5])
    assert (first.counts.errors, first.path.word_ids) == (0, (1, 2, 2, 3))
    assert (second.counts.substitutions, second.counts.insertions, second.counts.hits) == (1, 1, 1)
    total = total_counts([first, second])
    assert (total.errors, total.reference_length, total.error_rate) == (2, 6, pytest.approx(1 / 3))
    assert total.density == pytest.approx(lattice.density)
    assert OracleCounts().error_rate == 0.0
    assert OracleCounts(insertions=1).error_rate == float("inf")


def test_a_reference_with_epsilon_is_refused():
    with pytest.raises(WfstAsrError, match="label 0"):
        oracle(linear_compact([((1,), 0.0)]), [1, 0])
