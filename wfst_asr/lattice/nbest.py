"""The n best word sequences of a lattice, exactly."""

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.best_path import LatticePath, paths_of_arcs
from wfst_asr.lattice.single_end import AnyLattice, with_single_end


def n_best(
    lattice: AnyLattice,
    n: int,
    *,
    acoustic_scale: float | None = None,
    insertion_penalty: float = 0.0,
    max_extra_cost: float = np.inf,
) -> tuple[LatticePath, ...]:
    """Return the best paths of the n best word sequences, by cost; sequences of equal cost by their labels.

    Every word sequence comes once, with its best path, whatever the lattice.  The search is A* over prefixes of word
    sequences; a prefix holds all states that it reaches with the best cost of reaching them (a determinization on
    demand), and the bound on what it may become is exact, by backward costs.  So a prefix is taken up only if it begins
    one of the n best sequences or one of the same cost, and time is linear in the lattice and then in the words of the
    sequences and the arcs that leave their states.  Costs are told apart in steps of 1e-9.

    A determinized lattice has one state a prefix.  A state-level lattice has very many: determinize it first.
    Mohri and Riley 2002, "An efficient algorithm for the n-best-strings problem"; Kaldi: `lattice-to-nbest`.

    Args:
        lattice: of either kind, with at least one path.
        n: at least 1; fewer are returned where the lattice has fewer.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.
        max_extra_cost: leave out what costs more than this above the best.

    Raises:
        WfstAsrError: n below 1, a negative extra cost, a scale that is no number above 0, or a lattice without a path.
    """
    from wfst_asr.lattice._nbest_kernels import n_best as search

    if n < 1:
        raise WfstAsrError(f"{n} best word sequences were asked for; expected a number of at least 1")
    if not max_extra_cost >= 0:
        raise WfstAsrError(f"extra cost {max_extra_cost}, expected a number of at least 0")
    joined = with_single_end(lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty)
    _, to_end = joined.costs(soft=False)
    limit = to_end[0] + max_extra_cost + 1e-10 * max(1.0, abs(to_end[0]))
    limit = min(limit, np.finfo(np.float64).max)  # what is on no path has infinite cost
    arcs, begins = search(joined.first_arc, joined.nextstate, joined.word, joined.cost, to_end, n, limit)
    old = joined.arc[arcs]
    return paths_of_arcs(lattice, old[old >= 0], begins - np.arange(len(begins)))  # the last arc is that of ending
