"""Clusters of single Gaussians: halves that gain most, trees of halves from the top, merging from the bottom."""

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from wfst_asr.tree.stats import FloatArray, gaussian_log_likelihood

# Points are rows [count, sums (D), sums of squares (D)].
_TIE = 1e-11


@dataclass(frozen=True)
class Merge:
    """Two clusters that became one: `other` (now gone) was added to `kept`, at a loss of log-likelihood `cost`."""

    kept: int
    other: int
    cost: float


def refine_halves(
    points: FloatArray, side: NDArray[np.bool_], *, floor: float, max_moves: int, min_count: float = 0.0
) -> NDArray[np.bool_]:
    """Move points (n, 1 + 2D) between two halves, the most gaining move first, while that gains log-likelihood.

    Neither half is emptied or brought below `min_count` frames.  Kaldi `RefineClusters` makes the first gaining move.

    >>> points = np.array([[9.0, 0.0, 9.0], [9.0, 0.9, 9.0], [9.0, 90.0, 909.0], [9.0, 89.0, 890.0]])
    >>> refine_halves(points, np.array([True, False, True, False]), floor=0.01, max_moves=9).tolist()
    [False, False, True, True]
    """
    refined = _refine_many(points, side[None], floor=floor, max_moves=max_moves, min_count=min_count)
    return np.asarray(refined[0])


def best_halves(points: FloatArray, *, floor: float, tries: int = 10) -> tuple[NDArray[np.bool_], float]:
    """Part points (n, 1 + 2D), n >= 2, in two clusters by k-means from several starts; return the sides and the gain.

    Starts are those of Kaldi's `ClusterKMeans`, points dealt out in turn along a stride that is coprime to n; the
    strides are the smallest such and not random.
    """
    count = len(points)
    strides = [stride for stride in range(1, count) if gcd(stride, count) == 1][:tries] or [1]
    starts = np.zeros((len(strides), count), dtype=np.bool_)
    for number, stride in enumerate(strides):
        starts[number, (np.arange(count) * stride) % count] = np.arange(count) % 2 == 1
    sides = _refine_many(points, starts, floor=floor, max_moves=20 * count, min_count=0.0)
    halves = np.concatenate((sides.astype(np.float64) @ points, (~sides).astype(np.float64) @ points))
    totals = _log_likelihood(halves, floor).reshape(2, len(sides)).sum(axis=0)
    whole = float(_log_likelihood(points.sum(axis=0, keepdims=True), floor)[0])
    gains = totals - whole
    best = int(np.argmax(gains >= gains.max() - _TIE * (1.0 + abs(whole))))
    return sides[best], float(gains[best])


def halving_clusters(points: FloatArray, *, floor: float, tries: int = 10) -> list[NDArray[np.int64]]:
    """Halve all points, the halves, and so on down to single points; return every cluster met, as ascending indices.

    The first is that of all points (Kaldi `TreeCluster` with as many leaves as points: the order in which clusters are
    halved does not matter then).
    """
    clusters: list[NDArray[np.int64]] = []
    waiting = [np.arange(len(points))]
    while waiting:
        members = waiting.pop()
        clusters.append(members)
        if len(members) > 1:
            side, _ = best_halves(points[members], floor=floor, tries=tries)
            waiting += [members[side], members[~side]]
    return clusters


def merge_bottom_up(points: FloatArray, *, floor: float, max_cost: float) -> list[Merge]:
    """Merge the two clusters whose merging costs least log-likelihood, again and again below `max_cost`.

    Args:
        points: (n, 1 + 2D), each a cluster at first; a point without frames is left alone.
        floor: of the variances.
        max_cost: log-likelihood.

    O(n^2 D) time, O(n^2) memory (Kaldi `ClusterBottomUp`).
    """
    points = points.copy()
    alive = points[:, 0] > 0.0
    own = _log_likelihood(points, floor)
    costs = np.full((len(points), len(points)), np.inf)
    for index in range(1, len(points)):
        costs[index, :index] = _merge_costs(points, own, index, floor)[:index]
    costs[~alive] = np.inf
    costs[:, ~alive] = np.inf
    merges: list[Merge] = []
    while len(points):
        index = int(np.argmin(costs))
        second, first = divmod(index, len(points))
        cost = float(costs[second, first])
        if not cost < max_cost:
            break
        merges.append(Merge(first, second, cost))
        points[first] += points[second]
        own[first] = _log_likelihood(points[first : first + 1], floor)[0]
        alive[second] = False
        costs[second] = np.inf
        costs[:, second] = np.inf
        new = np.where(alive, _merge_costs(points, own, first, floor), np.inf)
        costs[first, :first] = new[:first]
        costs[first + 1 :, first] = new[first + 1 :]
    return merges


def _merge_costs(points: FloatArray, own: FloatArray, index: int, floor: float) -> FloatArray:
    together = _log_likelihood(points + points[index], floor)
    costs: FloatArray = np.maximum(own + own[index] - together, 0.0)
    return costs


def _refine_many(
    points: FloatArray, starts: NDArray[np.bool_], *, floor: float, max_moves: int, min_count: float
) -> NDArray[np.bool_]:
    """Refine several starts (S, n) side by side."""
    sides = starts.copy()
    num_starts, count = sides.shape
    active = np.arange(num_starts)
    whole = points.sum(axis=0)
    for _ in range(max_moves):
        side = sides[active]
        yes = side.astype(np.float64) @ points  # (S, 1 + 2D)
        sign = np.where(side, -1.0, 1.0)[:, :, None]
        moved_yes = yes[:, None, :] + sign * points  # what the halves are after one move
        both = np.stack((moved_yes, whole - moved_yes))
        after = _log_likelihood(both.reshape(-1, points.shape[1]), floor).reshape(2, len(active), count).sum(axis=0)
        now = _log_likelihood(np.concatenate((yes, whole - yes)), floor).reshape(2, len(active)).sum(axis=0)
        gains = after - now[:, None]
        gains[_emptied(side)] = -np.inf
        if min_count > 0.0:
            gains[np.any(both[..., 0] < min_count - 1e-6, axis=0)] = -np.inf
        tie = _TIE * (1.0 + np.abs(now))
        best = gains.max(axis=1)
        chosen = np.argmax(gains >= (best - tie)[:, None], axis=1)
        going = best > 10.0 * tie
        sides[active[going], chosen[going]] ^= True
        active = active[going]
        if not len(active):
            break
    return sides


def _emptied(side: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(S, n) whether moving the point would leave its half empty."""
    number = np.where(side, side.sum(axis=1, keepdims=True), (~side).sum(axis=1, keepdims=True))
    result: NDArray[np.bool_] = number == 1
    return result


def _log_likelihood(sums: FloatArray, floor: float) -> FloatArray:
    end = 1 + (sums.shape[1] - 1) // 2
    return gaussian_log_likelihood(np.maximum(sums[:, 0], 0.0), sums[:, 1:end], sums[:, end:], floor=floor)
