"""HCL and G composed while the search goes on: what is reached is laid out, and kept for the searches that follow.

The blocks are those of `decoder/layout.py`, so that the search is the same; before a frame is expanded, the states that
its tokens stand in are linked to the states behind them (`_lazy_kernels.py`).  `graph/on_the_fly_definition.py` says
what the composition is.
"""

import threading
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable

DEFAULT_MEMORY_MB = 2048.0
_LEAST_MEMORY_MB = 64.0
_RENEW_ABOVE = 0.75  # of the memory is in use: the next search begins anew
_MIN_CODE_BITS, _MAX_CODE_BITS = 2, 8
_FIRST_SLOTS = 1 << 18
_MARGIN = 1 << 15
# bytes: a numbered state, an arc, a word of a block with its share of `pending`
_STATE_BYTES, _ARC_BYTES, _WORD_BYTES = 32, 16, 5
_FACTS = ("marker", "levels", "last_code", "shift", "margin", "start", "g_start")
_TARGET = 3
_STATE_DTYPE = np.dtype(
    {
        "names": ["final_cost", "first_arc", "num_arcs"],
        "formats": ["<f4", "<u4", "<u4"],
        "offsets": [0, 4, 8],
        "itemsize": 32,
    }
)


@dataclass(frozen=True)
class OnTheFlyParts:
    """HCL and G, as `graph/on_the_fly.py` makes them; fields as of its LookAheadHcl and BackoffEntries.

    Attributes:
        table: HCL.
        marker, set_of, set_first, low, high, word, word_cost: look-ahead of HCL.
        g_start, g_first, g_final, g_backoff, g_backoff_cost, g_backoffs: G.
        g_entries: (E, 6) int32 rank, nextstate, cost (float32), word (0 for ending), total (float64); a row is what is
            read together.
        name: where they came from, for messages.
    """

    table: ArcTable
    marker: int
    set_of: NDArray[np.int32]
    set_first: NDArray[np.int64]
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    word: NDArray[np.int32]
    word_cost: NDArray[np.float32]
    g_start: int
    g_first: NDArray[np.int64]
    g_entries: NDArray[np.int32]
    g_final: NDArray[np.float32]
    g_backoff: NDArray[np.int32]
    g_backoff_cost: NDArray[np.float32]
    g_backoffs: NDArray[np.int32]
    name: str = "graph"


class OnTheFlyGraph:
    """Composes for the searches of a SearchGraph; it owns what is composed, and the limit of its memory.

    Args:
        parts: HCL and G.
        columns: (L,) score column of each input label.
        max_memory_mb: of what is composed.  A search that begins when three quarters of it are in use begins anew;
            one that needs more stops with an error.
    """

    def __init__(
        self, parts: OnTheFlyParts, columns: NDArray[np.int32], *, max_memory_mb: float = DEFAULT_MEMORY_MB
    ) -> None:
        if not max_memory_mb >= _LEAST_MEMORY_MB:
            raise WfstAsrError(f"max_graph_memory_mb {max_memory_mb:g}, expected at least {_LEAST_MEMORY_MB:g}")
        self.parts = parts
        self.max_memory_mb = max_memory_mb
        self._columns = columns
        self._lock = threading.Lock()
        self._current: Any = None  # the SearchGraph of the newest ComposedPart

    def __getstate__(self) -> tuple[Any, ...]:
        return self.parts, self.max_memory_mb, self._columns

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.parts, self.max_memory_mb, self._columns = state
        self._lock = threading.Lock()
        self._current = None

    def for_search(self, graph: Any) -> Any:
        """Return a SearchGraph with what is composed so far, or where that is much, with a new beginning."""
        with self._lock:
            if self._current is None or self._current.composed.used_mb > _RENEW_ABOVE * self.max_memory_mb:
                part = ComposedPart(self._kernel_parts, self.max_memory_mb, self.parts.name)
                bound = copy(graph)
                for name, value in (("composed", part), ("layout", part), ("states", part.states), ("arcs", part.arcs)):
                    object.__setattr__(bound, name, value)  # buffers and counts are the graph's own
                self._current = bound
            return self._current

    def forget(self) -> None:
        """Let the next search begin with nothing composed."""
        with self._lock:
            self._current = None

    @cached_property
    def _kernel_parts(self) -> Any:
        from wfst_asr.decoder import _composed_kernels, _layout_kernels

        p, table = self.parts, self.parts.table
        check: Any = _layout_kernels.check_arcs
        problem, arc = check(
            *(np.array(table.arcs[name]) for name in ("ilabel", "cost", "nextstate")),
            table.num_states,
            len(self._columns),
        )
        if problem:
            raise WfstAsrError(f"{p.name}: arc {arc} of HCL is not in order; the file is damaged: compile it again")
        # back-off arcs lead to the same state: for the levels they lead to one of their own
        is_marker = table.arcs["olabel"] == p.marker
        behind = np.where(is_marker, table.num_states, table.arcs["nextstate"])
        first_arc = np.append(table.first_arc, table.first_arc[-1])
        order = np.arange(table.num_states + 1, dtype=np.int32)
        level, cyclic = _layout_kernels.epsilon_levels(
            order, first_arc, np.ascontiguousarray(table.arcs["ilabel"]), behind
        )
        if cyclic:
            raise WfstAsrError(f"{p.name}: HCL has a cycle of epsilon arcs; compile it again")
        levels = int(p.g_backoffs.max(initial=0)) + 1
        highest = int(level.max(initial=1)) * levels + levels
        code_bits = min(max(_MIN_CODE_BITS, highest.bit_length()), _MAX_CODE_BITS)
        margin = _MARGIN + 64 * int(np.diff(table.first_arc).max(initial=0))
        states = np.zeros((table.num_states + 1, 4), dtype=np.int32)
        states[:, 0] = table.first_arc
        states[:-1, 1] = p.set_of
        states[:-1, 2] = np.maximum(level[:-1] - 1, 0)
        states.view(np.float32)[:-1, 3] = table.final_cost
        g_states = np.zeros((len(p.g_final) + 1, 5), dtype=np.int32)
        g_states[:, 0] = p.g_first
        g_states[:-1, 1], g_states[:-1, 2] = p.g_backoff, p.g_backoffs
        g_states.view(np.float32)[:-1, 3], g_states.view(np.float32)[:-1, 4] = p.g_final, p.g_backoff_cost
        arcs = np.ascontiguousarray(table.arcs)
        facts = (p.marker, levels, (1 << code_bits) - 1, 32 - code_bits, margin, table.start, p.g_start)
        return _composed_kernels.Parts(
            facts=np.array(facts, dtype=np.int64),
            h_states=states,
            h_states_real=states.view(np.float32),
            h_arcs=_plain(arcs.view(np.int32).reshape(-1, 4)),
            h_arcs_real=_plain(arcs.view(np.float32).reshape(-1, 4)),
            columns=_plain(self._columns),
            set_first=_plain(p.set_first),
            ranges=np.stack((p.low, p.high), axis=1),
            word_cost=_plain(p.word_cost),
            of_word_first=np.concatenate(([0], np.cumsum(np.bincount(p.word)))),
            of_word=np.argsort(p.word, kind="stable").astype(np.int32),
            g_states=g_states,
            g_states_real=g_states.view(np.float32),
            entries=_plain(p.g_entries),
            entries_real=_plain(p.g_entries.view(np.float32)),
            entries_total=_plain(p.g_entries.view(np.float64)),
        )


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array such that all graphs' have one type for the kernels: read-only, mapped or not."""
    plain = np.ascontiguousarray(array).view(np.ndarray)[:]
    plain.setflags(write=False)
    return plain


class ComposedPart:
    """What of HCL o G is laid out so far; searches that hold one go on with it whatever becomes of the others.

    It stands in for SearchLayout: `words`, `block_start`, `state`, `start`, `code_shift`.

    Attributes:
        lock: held while a search advances, since it may lay out more.
    """

    def __init__(self, parts: Any, max_memory_mb: float, name: str) -> None:
        from wfst_asr.decoder import _composed_kernels, _lazy_kernels

        self.lock = threading.Lock()
        self._name, self._most = name, max_memory_mb
        self._parts = parts
        facts = dict(zip(_FACTS, parts.facts.tolist(), strict=True))
        self.code_shift, margin = facts["shift"], facts["margin"]
        # each array would hold all of the memory alone; what is not touched takes none
        size = max_memory_mb * 1e6
        num_words = min(int(size / 2 / _WORD_BYTES) + 4 * margin, 1 << self.code_shift)
        num_states = int(size / _STATE_BYTES) + margin
        words = np.empty(num_words, np.uint32)
        states = np.empty((num_states, 8), np.int32)
        arcs = np.empty((int(size / 2 / _ARC_BYTES) + margin, 4), np.int32)
        self._laid = _composed_kernels.Laid(
            words=words,
            costs=words.view(np.float32),
            block_start=np.empty(num_states, np.uint32),
            block_state=np.empty(num_states, np.int32),
            states=states,
            states_real=states.view(np.float32),
            arcs=arcs,
            arcs_real=arcs.view(np.float32),
            pending=np.zeros(num_words // 4 + 1, np.int32),
            slots=np.full(max(_FIRST_SLOTS, 1 << (4 * margin).bit_length()), -1, np.int32),
            numbers=np.zeros(4, np.int64),
        )
        self._waiting = np.empty(margin, np.int64)
        self.words = words
        laid = self._laid
        start = _composed_kernels.number_of(
            facts["start"], facts["g_start"], 0, 0.0, laid.states, laid.states_real, laid.slots, laid.numbers
        )
        lay: Any = _lazy_kernels.lay
        lay(start, *parts, *laid, self._waiting)
        self.start = int(np.uint32(laid.states[start, _TARGET]))

    @property
    def expansion(self) -> Any:
        """What the kernel of the search lays out more with."""
        from wfst_asr.decoder import _composed_kernels

        return _composed_kernels.Expansion(self._parts, self._laid, self._waiting)

    @property
    def block_start(self) -> NDArray[np.uint32]:
        """As of SearchLayout, of the blocks so far."""
        starts: NDArray[np.uint32] = self._laid.block_start[: self._laid.numbers[2]]
        return starts

    @property
    def state(self) -> NDArray[np.int32]:
        """As of SearchLayout, of the blocks so far."""
        states: NDArray[np.int32] = self._laid.block_state[: self._laid.numbers[2]]
        return states

    @property
    def states(self) -> NDArray[np.void]:
        """Records that begin like STATE_DTYPE, by composed state."""
        records: NDArray[np.void] = self._laid.states.view(_STATE_DTYPE).reshape(-1)
        return records

    @property
    def arcs(self) -> NDArray[np.void]:
        """Arcs of the states so far, and room behind them."""
        records: NDArray[np.void] = self._laid.arcs.view(ARC_DTYPE).reshape(-1)
        return records

    @property
    def num_states(self) -> int:
        """States that are laid out."""
        return int(self._laid.numbers[2])

    @property
    def num_arcs(self) -> int:
        """Their arcs."""
        return int(self._laid.numbers[3])

    @property
    def used_mb(self) -> float:
        """Memory of what is composed."""
        states, words, blocks, arcs = (int(number) for number in self._laid.numbers)
        used = _STATE_BYTES * states + _WORD_BYTES * words + 8 * blocks + _ARC_BYTES * arcs
        return float(used + self._laid.slots.nbytes) / 1e6

    def make_room(self, missing: int, frame: int) -> WfstAsrError | None:
        """Make room for what a search found missing, or return why there is none; the lock must be held."""
        from wfst_asr.decoder import _composed_kernels, _lazy_kernels

        laid = self._laid
        if missing != _lazy_kernels.MORE_SLOTS:
            return WfstAsrError(
                f"{self._name}: what is composed of HCL and G needs more than {self._most:g} MB at frame {frame}; "
                "raise max_graph_memory_mb, lower beam or max_active, or cut long recordings"
            )
        slots = np.full(2 * len(laid.slots), -1, np.int32)
        _composed_kernels.fill_slots(slots, laid.states, laid.numbers[0])
        self._laid = laid._replace(slots=slots)
        return None
