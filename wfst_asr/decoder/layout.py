"""The graph as the beam search reads it: one block of 4-byte words a state, and nothing else in its way.

    block   self-loop column + 1 (0: none) | self-loop cost | number of emitting arcs | number of epsilon arcs
            emitting arcs, three words each: column | target | cost
            epsilon arcs, two words each:    target | cost

A state is named by the address of its block, so that following an arc needs no table of states.  A target is an
address with an epsilon code in its high bits: 0 says that the state has no epsilon arcs; 1, 2, ... are levels such
that every epsilon arc leads to a higher one; the highest code marks states on or behind an epsilon cycle, which are
relaxed until nothing changes.  Blocks stand in depth-first order, since the states that are active together lie close
together on paths.  Labels are not in the blocks: back-tracing finds an arc in the const FST by its place in its block.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable

HEADER_WORDS, EMITTING_WORDS, EPSILON_WORDS = 4, 3, 2
_MIN_CODE_BITS, _MAX_CODE_BITS = 2, 8


@dataclass(frozen=True)
class SearchLayout:
    """A graph laid out for the search.

    Attributes:
        words: (W,) uint32 blocks; costs are float32 in the same words.
        block_start: (N,) uint32 address of each block, rising; N reachable states in depth-first order.
        state: (N,) int32 state of the const FST that a block holds.
        start: target (address and epsilon code) of the start state.
        code_shift: number of address bits in a target.
    """

    words: NDArray[np.uint32]
    block_start: NDArray[np.uint32]
    state: NDArray[np.int32]
    start: int
    code_shift: int


def lay_out(table: ArcTable, columns: NDArray[np.int32], *, name: str = "graph") -> SearchLayout:
    """Lay a graph out for the search; linear in its arcs.

    Args:
        table: the graph; states that the start state does not reach are left out.
        columns: (L,) score column of each input label; entry 0 (epsilon) is not read.
        name: where the graph came from, for messages.

    Raises:
        WfstAsrError: an empty graph, an arc to a state that does not exist, a label without a column, a cost that is
            not a number or minus infinity, an epsilon cycle of negative cost, or a graph beyond 2^30 words (4 GB).
    """
    from wfst_asr.decoder import _layout_kernels as kernels

    if table.start < 0:
        raise WfstAsrError(f"{name}: has no start state; the graph is empty: compile it again")
    ilabel, cost, nextstate = (np.array(table.arcs[field]) for field in ("ilabel", "cost", "nextstate"))
    problem, arc = kernels.check_arcs(ilabel, cost, nextstate, table.num_states, len(columns))
    if problem:
        told = {
            1: f"leads to state {nextstate[arc]} of {table.num_states} states; the file is damaged",
            2: f"has input label {ilabel[arc]}, expected 0 or more",
            3: f"has input label {ilabel[arc]}, but the labels told are 0 to {len(columns) - 1}; "
            "take the label table of this graph",
            4: f"has cost {cost[arc]}, expected a number above minus infinity",
        }[problem]
        raise WfstAsrError(f"{name}: arc {arc} {told}")
    if (table.arcs["olabel"] < 0).any():
        raise WfstAsrError(f"{name}: has an output label below 0; the file is damaged: make it again")
    if not (table.final_cost > -np.inf).all():
        raise WfstAsrError(f"{name}: has a final cost that is no number above minus infinity; make it again")
    order = kernels.depth_first_order(table.start, table.first_arc, nextstate)
    level, cyclic = kernels.epsilon_levels(order, table.first_arc, ilabel, nextstate)
    if cyclic:
        state = kernels.negative_cycle_state(level, table.first_arc, ilabel, cost, nextstate)
        if state >= 0:
            raise WfstAsrError(
                f"{name}: state {state} lies on a cycle of input-epsilon arcs with negative total cost, so that no "
                "best path exists; look for back-off or disambiguation arcs that form a loop"
            )
    starts = kernels.block_starts(order, table.first_arc, ilabel, nextstate)
    address_bits = max(1, int(starts[-1] - 1).bit_length())
    code_bits = min(32 - address_bits, _MAX_CODE_BITS)
    if code_bits < _MIN_CODE_BITS:
        raise WfstAsrError(
            f"{name}: {table.num_arcs} arcs are more than the decoder's 4 GB layout holds; prune the graph"
        )
    last_code = (1 << code_bits) - 1
    code = np.where((level < 0) | (level >= last_code), last_code, level)
    words = np.empty(int(starts[-1]), dtype=np.uint32)
    shift = 32 - code_bits
    kernels.fill_blocks(
        words, words.view(np.float32), order, starts, code, shift, table.first_arc, ilabel, cost, nextstate, columns
    )
    words.setflags(write=False)
    start = int(code[table.start]) << shift
    return SearchLayout(words, starts[:-1].astype(np.uint32), order, start, shift)
