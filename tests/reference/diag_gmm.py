"""Mixtures of diagonal Gaussians by their formulas, a Gaussian and a frame at a time, in double precision.

A model is a list, a pdf an entry, of lists of (weight, mean, variance).
"""

import heapq
import math

import numpy as np


def log_density(frame, weight, mean, variance):
    total = math.log(weight) if weight > 0 else -math.inf
    for x, m, v in zip(frame, mean, variance, strict=True):
        total -= 0.5 * (math.log(2.0 * math.pi * v) + (x - m) ** 2 / v)
    return total


def log_sum(values):
    best = max(values)
    return best + math.log(sum(math.exp(value - best) for value in values))


def log_likelihood(frame, mixture):
    return log_sum([log_density(frame, *gaussian) for gaussian in mixture])


def statistics(model, frames, entries, observed=None):
    """Sum over entries (frame index, pdf, weight): per pdf and Gaussian [occupancy, first, second]; and the likelihood."""
    observed = frames if observed is None else observed
    width = len(observed[0]) if len(observed) else len(model[0][0][1])
    sums = [[[0.0, np.zeros(width), np.zeros(width)] for _ in mixture] for mixture in model]
    total = 0.0
    for at, pdf, weight in entries:
        scores = [log_density(frames[at], *gaussian) for gaussian in model[pdf]]
        whole = log_sum(scores)
        total += weight * whole
        for entry, score in zip(sums[pdf], scores, strict=True):
            posterior = weight * math.exp(score - whole)
            entry[0] += posterior
            entry[1] += posterior * observed[at]
            entry[2] += posterior * observed[at] ** 2
    return sums, total


def update(mixture, sums, *, min_variance=0.001, min_occupancy=10.0, min_weight=1e-5, remove=True):
    """One pdf's M step as Kaldi's `MleDiagGmmUpdate` does it."""
    frames = sum(entry[0] for entry in sums)
    result, removed = [], []
    for g, ((weight, mean, variance), (occupancy, first, second)) in enumerate(zip(mixture, sums, strict=True)):
        share = occupancy / frames if frames else 1.0 / len(mixture)
        if occupancy > min_occupancy and share > min_weight:
            mean = first / occupancy
            result.append((share, mean, np.maximum(second / occupancy - mean**2, min_variance)))
        elif remove and len(removed) < len(mixture) - 1:
            removed.append(g)
            result.append((weight, mean, variance))
        else:
            result.append((max(share, min_weight), mean, variance))
    if removed:
        result = [gaussian for g, gaussian in enumerate(result) if g not in removed]
        total = sum(weight for weight, _, _ in result)
        result = [(weight / total, mean, variance) for weight, mean, variance in result]
    return result


def split_targets(occupancy, wanted, *, power, min_count):
    """Gaussians a pdf, as Kaldi's `GetSplitTargets` shares them out."""
    queue = [(-(count**power), pdf, 1) for pdf, count in enumerate(occupancy)]
    heapq.heapify(queue)
    total, result = len(occupancy), [1] * len(occupancy)
    while total < wanted:
        key, pdf, size = heapq.heappop(queue)
        if key == 0.0:
            break
        if (size + 1) * min_count >= occupancy[pdf]:
            key = 0.0
        else:
            size += 1
            total += 1
            key = -(occupancy[pdf] ** power) / size
        result[pdf] = size
        heapq.heappush(queue, (key, pdf, size))
    return result


def merge(mixture, wanted):
    """Merge the two Gaussians whose union loses the least likelihood, until `wanted` are left."""
    mixture = [tuple(gaussian) for gaussian in mixture]
    while len(mixture) > wanted:
        best = None
        for i in range(len(mixture)):
            for j in range(i):
                union = _union(mixture[i], mixture[j])
                loss = sum(
                    sign * weight * np.log(variance).sum()
                    for sign, (weight, _, variance) in ((1, union), (-1, mixture[i]), (-1, mixture[j]))
                )
                if best is None or loss < best[0]:
                    best = (loss, i, j, union)
        _, i, j, union = best
        mixture[i] = union
        del mixture[j]
    return mixture


def _union(one, other):
    weight = one[0] + other[0]
    mean = (one[0] * one[1] + other[0] * other[1]) / weight
    second = (one[0] * (one[2] + one[1] ** 2) + other[0] * (other[2] + other[1] ** 2)) / weight
    return weight, mean, second - mean**2
