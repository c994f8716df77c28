"""Weights of a grammar as probabilities: what follows a state, in proportion to all that can come of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, identity
from scipy.sparse.linalg import MatrixRankWarning, spsolve

from wfst_asr.fst.arcs import ArcTable


@dataclass(frozen=True)
class NextWordProbabilities:
    """Probabilities of the arcs of a machine, and of ending; those of each state sum to one.

    Attributes:
        arc: (A,) of each arc.
        end: (S,) of ending at each state.
        of_sentences: the probability of a path is in proportion to exp(-cost); else the sum over all paths is infinite,
            and the probability of an arc is in proportion to its own exp(-cost) among those of its state.
    """

    arc: NDArray[np.float64]
    end: NDArray[np.float64]
    of_sentences: bool


def next_word_probabilities(table: ArcTable) -> NextWordProbabilities:
    """Make the weights of a machine probabilities.

    With b(s) the sum of exp(-cost) over all paths from s to an end, b = A b + f, an arc from s to t of cost c has the
    probability exp(-c) b(t) / b(s), and ending exp(-final cost) / b(s): weights pushed in the log semiring (Mohri,
    "Weighted automata algorithms", 2009, section 5).  The sums are finite just if the solution is positive.

    Args:
        table: a machine whose states all lie on a path from the start to an end.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> two = arc_table(2, [(0, 1, 1, 1, 0.0), (0, 1, 2, 2, 1.0986123)], finals={1: 0.0})
    >>> next_word_probabilities(two).arc.round(4).tolist()
    [0.75, 0.25]
    """
    source, nextstate = table.source(), table.arcs["nextstate"]
    arc, end = np.exp(-table.arcs["cost"].astype(np.float64)), np.exp(-table.final_cost.astype(np.float64))
    total = _sums_of_paths(table, source, arc, end)
    if total is not None:
        return NextWordProbabilities(arc * total[nextstate] / total[source], end / total, True)
    here = end + np.bincount(source, weights=arc, minlength=table.num_states)
    return NextWordProbabilities(arc / here[source], end / here, False)


def _sums_of_paths(
    table: ArcTable, source: NDArray[np.int32], arc: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return b, or None where the sums are infinite."""
    import warnings

    n = table.num_states
    steps = coo_matrix((arc, (source, table.arcs["nextstate"])), shape=(n, n))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", MatrixRankWarning)
        found: NDArray[np.float64] = np.atleast_1d(spsolve((identity(n) - steps).tocsc(), end))
    # next to the border of convergence the solution is no more than rounding
    return (
        found if np.isfinite(found).all() and (found > 0).all() and found.max() < 1e12 * max(end.max(), 1.0) else None
    )


def normalised(table: ArcTable) -> tuple[ArcTable, bool]:
    """Return the machine with `next_word_probabilities` for weights, and whether they are those of sentences."""
    weights = next_word_probabilities(table)
    arcs = table.arcs.copy()
    with np.errstate(divide="ignore"):
        arcs["cost"] = -np.log(weights.arc)
        final_cost = (-np.log(weights.end)).astype(np.float32)
    return ArcTable(table.start, table.first_arc, arcs, final_cost), weights.of_sentences
