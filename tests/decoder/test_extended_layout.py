"""A layout that was extended is that of the whole graph, but for the places of its blocks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wfst_asr.decoder.extended_layout import extend_prepared
from wfst_asr.decoder.layout import SearchLayout, lay_out
from wfst_asr.decoder.prepared_file import fingerprint, read_prepared
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.fst.arcs import ArcTable, arc_table, read_const_fst, write_const_fst

Arc = tuple[int, int, int, int, float]  # source, next state, ilabel, olabel, cost
COLUMNS = np.array([-1, 0, 1, 2, 3], dtype=np.int32)
BEFORE: list[Arc] = [
    (0, 1, 0, 0, 0.5), (0, 2, 1, 1, 0.25), (1, 1, 2, 0, 0.1), (1, 2, 3, 2, 0.3), (2, 3, 0, 0, 0.2), (2, 2, 1, 0, 0.7),
    (3, 1, 4, 3, 0.9), (3, 0, 2, 0, 1.5),
]  # fmt: skip


def blocks(layout: SearchLayout) -> Iterator[tuple[int, tuple]]:
    """Yield (state, block) of the blocks that the start leads to, targets as (state, code)."""
    mask = (1 << layout.code_shift) - 1
    state_at = dict(zip(layout.block_start.tolist(), layout.state.tolist(), strict=True))
    waiting, seen = [layout.start], {layout.start & mask}
    while waiting:
        target = waiting.pop()
        at, code = target & mask, target >> layout.code_shift
        column, cost, emitting, epsilon = layout.words[at : at + 4].tolist()
        arcs = layout.words[at + 4 : at + 4 + 3 * emitting].reshape(-1, 3).tolist()
        silent = layout.words[at + 4 + 3 * emitting :][: 2 * epsilon].reshape(-1, 2).tolist()
        assert (code > 0) == (epsilon > 0)
        for there, _ in silent:
            assert there >> layout.code_shift == 0 or there >> layout.code_shift > code
        for there in [arc[1] for arc in arcs] + [arc[0] for arc in silent]:
            if there & mask not in seen:
                seen.add(there & mask)
                waiting.append(there)
        ways = [(a, state_at[b & mask], c) for a, b, c in arcs], [(state_at[b & mask], c) for b, c in silent]
        yield state_at[at], (column, cost, *ways)


def extended(folder: Path, before: list[Arc], more: list[Arc], num_states: int) -> tuple[bool, ArcTable]:
    """Write before.fst with its prepared file, and after.fst; extend the one to the other."""
    count = 1 + max(max(arc[:2]) for arc in before)
    write_const_fst(arc_table(count, before, finals={2: 0.0}), folder / "before.fst")
    load_graph(folder / "before.fst", columns=COLUMNS)
    (folder / "before.fst.search").rename(folder / "HCLG.search")
    write_const_fst(arc_table(num_states, [*before, *more], finals={2: 0.0}), folder / "after.fst")
    (folder / "old").mkdir()
    for name in ("before.fst", "HCLG.search"):
        (folder / name).rename(folder / "old" / name)
    added: dict[int, list] = {state: [] for state in range(count, num_states)}
    for source, target, ilabel, olabel, cost in more:
        added.setdefault(source, []).append((ilabel, olabel, cost, target))
    done = extend_prepared(folder / "old" / "before.fst", folder / "after.fst", COLUMNS, added)
    return done, read_const_fst(folder / "after.fst")


def assert_same(folder: Path, table: ArcTable) -> None:
    mark = fingerprint(folder / "after.fst", COLUMNS)
    found = read_prepared(folder / "HCLG.search", folder / "after.fst", mark=mark)
    assert found is not None
    assert dict(blocks(found.layout)) == dict(blocks(lay_out(table, COLUMNS)))


@pytest.mark.parametrize(
    "more",
    [
        [(1, 4, 1, 5, 0.3), (4, 4, 2, 0, 0.1), (4, 2, 3, 0, 0.4)],
        [(2, 4, 1, 5, 0.3), (4, 5, 0, 0, 0.5), (5, 1, 4, 0, 0.1), (5, 5, 3, 0, 0.2)],
        [(0, 4, 0, 5, 0.3), (4, 5, 0, 0, 0.5), (5, 3, 4, 0, 0.1)],
        [(3, 4, 1, 0, 0.5), (4, 4, 1, 0, 0.5), (1, 4, 2, 5, 0.5), (4, 3, 2, 0, 1.0)],
        [(1, 4, 1, 5, 0.3), (4, 3, 0, 0, 0.5)],
    ],
)
def test_an_extended_layout_has_the_blocks_of_the_whole_graph(tmp_path: Path, more: list[Arc]) -> None:
    num_states = 1 + max(max(arc[:2]) for arc in more)
    done, table = extended(tmp_path, BEFORE, more, num_states)
    assert done
    assert_same(tmp_path, table)


@pytest.mark.parametrize(
    "more",
    [
        [(1, 4, 0, 5, 0.3), (4, 2, 3, 0, 0.4)],  # state 1 had no epsilon arcs, and arcs lead to it
        [(1, 4, 1, 5, 0.3), (4, 0, 0, 0, 0.5)],  # epsilon arcs before the first level
    ],
)
def test_where_levels_would_change_nothing_is_written(tmp_path: Path, more: list[Arc]) -> None:
    done, _ = extended(tmp_path, BEFORE, more, 5)
    assert not done
    assert not (tmp_path / "HCLG.search").exists()


def test_without_a_prepared_file_nothing_is_written(tmp_path: Path) -> None:
    write_const_fst(arc_table(4, BEFORE, finals={2: 0.0}), tmp_path / "before.fst")
    assert not extend_prepared(tmp_path / "before.fst", tmp_path / "before.fst", COLUMNS, {})


@pytest.mark.parametrize("seed", range(20))
def test_random_extensions_are_those_of_the_whole_graph(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before: list[Arc] = [(s, s + 1, int(rng.integers(1, 5)), 0, 0.5) for s in range(11)]
    for _ in range(30):
        source, label = int(rng.integers(12)), int(rng.integers(5))
        target = int(rng.integers(source + 1, 13)) if label == 0 and source < 12 else int(rng.integers(12))
        if target < 12:
            before.append((source, target, label, int(rng.integers(4)), float(rng.integers(1, 9)) / 8))
    more: list[Arc] = [(int(rng.integers(12)), 12 + k, int(rng.integers(1, 5)), 4, 0.25) for k in range(4)]
    for _ in range(12):
        source, label = 12 + int(rng.integers(4)), int(rng.integers(5))
        target = int(rng.integers(source + 1, 17)) if label == 0 else int(rng.integers(16))
        if target < 16:
            more.append((source, target, label, 0, float(rng.integers(1, 9)) / 8))
    done, table = extended(tmp_path, before, more, 16)
    assert done
    assert_same(tmp_path, table)
