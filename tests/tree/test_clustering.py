from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import tree_building as naive
from wfst_asr.tree.clustering import best_halves, halving_clusters, merge_bottom_up, refine_halves

FLOOR = 0.01


def make_points(seed: int, count: int) -> tuple[np.ndarray, list[list[list[float]]]]:
    """Points [count, sums, sums of squares], and the vectors behind each."""
    rng = np.random.default_rng(seed)
    vectors = [rng.normal(size=(int(rng.integers(1, 6)), 2)) + 3.0 * rng.normal(size=2) for _ in range(count)]
    points = [np.concatenate(([len(rows)], rows.sum(axis=0), (rows**2).sum(axis=0))) for rows in vectors]
    return np.array(points), [rows.tolist() for rows in vectors]


def naive_gain(vectors: list[list[list[float]]], side: list[bool]) -> float:
    frames = [[((), 0, row) for rows in chosen for row in rows] for chosen in halves(vectors, side)]
    return sum(naive.log_likelihood(part, FLOOR) for part in frames) - naive.log_likelihood(
        frames[0] + frames[1], FLOOR
    )


def halves(items: list[list[list[float]]], side: list[bool]) -> list[list[list[list[float]]]]:
    return [[item for item, yes in zip(items, side, strict=True) if yes is answer] for answer in (True, False)]


@pytest.mark.parametrize("seed", range(8))
def test_halves_gain_what_they_say_and_nearly_the_most_there_is(seed: int) -> None:
    points, vectors = make_points(seed, 6)
    side, gain = best_halves(points, floor=FLOOR)
    assert gain == pytest.approx(naive_gain(vectors, side.tolist()))
    every = [naive_gain(vectors, list(bits)) for bits in product((False, True), repeat=6)]
    assert gain > 0.9 * max(every)


@given(st.integers(0, 100), st.integers(2, 9), st.data())
def test_refining_never_loses_and_ends_where_no_move_gains(seed: int, count: int, data: st.DataObject) -> None:
    points, vectors = make_points(seed, count)
    start = np.array([True, False, *data.draw(st.lists(st.booleans(), min_size=count - 2, max_size=count - 2))])
    side = refine_halves(points, start, floor=FLOOR, max_moves=100)
    assert 0 < side.sum() < count
    gain = naive_gain(vectors, side.tolist())
    assert gain >= naive_gain(vectors, start.tolist()) - 1e-9
    for point in range(count):
        moved = side.copy()
        moved[point] ^= True
        assert naive_gain(vectors, moved.tolist()) <= gain + 1e-6


def test_refining_keeps_the_frames_that_each_half_must_have() -> None:
    points = np.array([[9.0, 0.0, 9.0], [9.0, 0.9, 9.0], [9.0, 0.0, 9.0], [9.0, 900.0, 90009.0]])
    start = np.array([True, True, False, False])
    assert refine_halves(points, start, floor=FLOOR, max_moves=9, min_count=18).tolist() == start.tolist()
    assert refine_halves(points, start, floor=FLOOR, max_moves=9).tolist() == [True, True, True, False]


@given(st.integers(0, 50), st.integers(1, 12))
def test_halving_ends_with_single_points(seed: int, count: int) -> None:
    points, _ = make_points(seed, count)
    clusters = halving_clusters(points, floor=FLOOR)
    assert clusters[0].tolist() == list(range(count))
    assert len(clusters) == 2 * count - 1
    assert sorted(cluster[0] for cluster in clusters if len(cluster) == 1) == list(range(count))


@given(st.integers(0, 60), st.integers(1, 9), st.floats(0.0, 40.0))
def test_merging_is_the_naive_cheapest_pair_first(seed: int, count: int, max_cost: float) -> None:
    points, vectors = make_points(seed, count)
    merges = merge_bottom_up(points, floor=FLOOR, max_cost=max_cost)
    groups = [[((), index, row) for row in rows] for index, rows in enumerate(vectors)]
    expected = naive.merge(groups, FLOOR, max_cost)
    owner = list(range(count))
    for merge in merges:
        assert merge.kept < merge.other
        owner = [merge.kept if own == merge.other else own for own in owner]
    ours = {frozenset(i for i in range(count) if owner[i] == own) for own in owner}
    assert ours == {frozenset(index for _, index, _ in group) for group in expected}
    before = sum(naive.log_likelihood(group, FLOOR) for group in groups)
    after = sum(naive.log_likelihood(group, FLOOR) for group in expected)
    assert sum(merge.cost for merge in merges) == pytest.approx(before - after, abs=1e-6)


def test_a_point_without_frames_is_left_alone() -> None:
    points = np.array([[0.0, 0.0, 0.0], [5.0, 1.0, 5.0], [5.0, 1.0, 5.0]])
    assert [(merge.kept, merge.other) for merge in merge_bottom_up(points, floor=FLOOR, max_cost=9.0)] == [(1, 2)]
