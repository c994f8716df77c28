"""A compiled graph with states and arcs added, which is written without being made in memory."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.fst.arcs import ARC_DTYPE, STATE_DTYPE, ArcTable, const_fst_header, map_const_fst, state_records
from wfst_asr.graph.unit_reading import Row

_PIECE = 1 << 20  # states a time


@dataclass(frozen=True)
class ExtendedGraph:
    """A graph and what is added to it: new arcs stand behind those of their states, new states behind all others.

    Attributes:
        table: the graph.
        rows: (ilabel, olabel, cost, next state) of the arcs that are added, by state; every new state has an entry.
        final_cost: of the new states.
        source: the const FST file that `table` was read from, for speed.
    """

    table: ArcTable
    rows: Mapping[int, Sequence[Row]]
    final_cost: NDArray[np.float32]
    source: Path | None = None

    @property
    def num_states(self) -> int:
        return self.table.num_states + len(self.final_cost)

    @property
    def num_arcs(self) -> int:
        return self.table.num_arcs + sum(map(len, self.rows.values()))

    @property
    def largest_ilabel(self) -> int:
        return max(int(self.table.arcs["ilabel"].max(initial=0)), int(self._new.arcs["ilabel"].max(initial=0)))

    @cached_property
    def _changed(self) -> list[int]:
        """Old states with new arcs, in order."""
        return sorted(state for state in self.rows if state < self.table.num_states and self.rows[state])

    @cached_property
    def _new(self) -> ArcTable:
        """New states and their arcs, which lead to states as they are numbered in the whole."""
        states = range(self.table.num_states, self.num_states)
        counts = [len(self.rows.get(state, ())) for state in states]
        first_arc = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        return ArcTable(0, first_arc, _records([row for s in states for row in self.rows.get(s, ())]), self.final_cost)

    def whole(self) -> ArcTable:
        """Return all of it in memory."""
        old, new = self.table, self._new
        more = np.zeros(old.num_states + 1, dtype=np.int64)
        for state in self._changed:
            more[state + 1] = len(self.rows[state])
        first_arc = old.first_arc + np.cumsum(more)
        pieces, begin = [], 0
        for state in self._changed:
            end = int(old.first_arc[state + 1])
            pieces += [old.arcs[begin:end], _records(self.rows[state])]
            begin = end
        arcs = np.concatenate([*pieces, old.arcs[begin:], new.arcs])
        firsts = np.concatenate((first_arc[:-1], first_arc[-1] + new.first_arc))
        return ArcTable(old.start, firsts, arcs, np.concatenate((old.final_cost, new.final_cost)))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the whole as a const FST file: the bytes that `write_const_fst` would write of it."""
        states = map_const_fst(self.source)[1] if self.source else state_records(self.table)
        arcs = self.table.arcs
        with written_aside(path) as aside, aside.open("wb") as file:
            file.write(const_fst_header(self.table.start, self.num_states, self.num_arcs))
            self._write_states(file, states)
            begin = 0
            for state in self._changed:
                end = int(self.table.first_arc[state + 1])
                file.write(arcs[begin:end].view(np.uint8).data)
                file.write(_records(self.rows[state]).tobytes())
                begin = end
            file.write(arcs[begin:].view(np.uint8).data)
            file.write(self._new.arcs.tobytes())

    def _write_states(self, file: BinaryIO, states: NDArray[np.void]) -> None:
        changed = np.array(self._changed, dtype=np.int64)
        counts = np.array([len(self.rows[state]) for state in self._changed], dtype=np.int64)
        before = np.concatenate(([0], np.cumsum(counts)))
        for low in range(0, len(states), _PIECE):
            piece = np.array(states[low : low + _PIECE], dtype=STATE_DTYPE)
            inside = slice(*np.searchsorted(changed, [low, low + len(piece)]).tolist())
            at = changed[inside] - low
            edges = np.concatenate(([0], at + 1, [len(piece)]))
            piece["first_arc"] += np.repeat(before[inside.start : inside.stop + 1], np.diff(edges)).astype(np.uint32)
            piece["num_arcs"][at] += counts[inside].astype(np.uint32)
            for place, state in zip(at.tolist(), changed[inside].tolist(), strict=True):
                piece["num_iepsilons"][place] += sum(row[0] == 0 for row in self.rows[state])
                piece["num_oepsilons"][place] += sum(row[1] == 0 for row in self.rows[state])
            file.write(piece.tobytes())
        new = state_records(self._new)
        new["first_arc"] += np.uint32(self.table.num_arcs + int(before[-1]))
        file.write(new.tobytes())


def _records(rows: Sequence[Row]) -> NDArray[np.void]:
    return np.array([tuple(row) for row in rows], dtype=ARC_DTYPE)
