"""The naive way to a phonetic decision tree: from lists of frames, every Gaussian estimated and every frame scored anew.

A frame is (window, pdf_class, vector).  Imports nothing of the package.
"""

import math

PDF_CLASS = -1


def gaussian(vectors, floor):
    """Return means and floored variances of a list of vectors."""
    dim, count = len(vectors[0]), len(vectors)
    means = [sum(vector[d] for vector in vectors) / count for d in range(dim)]
    variances = [sum((vector[d] - means[d]) ** 2 for vector in vectors) / count for d in range(dim)]
    return means, [max(variance, floor) for variance in variances]


def log_density(vector, means, variances):
    return sum(
        -0.5 * (math.log(2 * math.pi * variance) + (value - mean) ** 2 / variance)
        for value, mean, variance in zip(vector, means, variances, strict=True)
    )


def log_likelihood(frames, floor):
    """Return the log-likelihood of frames under the Gaussian that is estimated from them."""
    if not frames:
        return 0.0
    vectors = [vector for _, _, vector in frames]
    means, variances = gaussian(vectors, floor)
    return sum(log_density(vector, means, variances) for vector in vectors)


def tied_log_likelihood(frames, pdf_of, floor):
    """Return the log-likelihood of frames under a Gaussian a pdf; `pdf_of(window, pdf_class)`."""
    tied = {}
    for frame in frames:
        tied.setdefault(pdf_of(frame[0], frame[1]), []).append(frame)
    return sum(log_likelihood(group, floor) for group in tied.values())


def answer(frame, key, values):
    return (frame[1] if key == PDF_CLASS else frame[0][key]) in values


def parted(frames, key, values):
    yes = [frame for frame in frames if answer(frame, key, values)]
    return yes, [frame for frame in frames if not answer(frame, key, values)]


def best_split(frames, questions, floor, min_count):
    """Return (gain, key, values) of the best of all questions, a list of (key, values); the first of equals."""
    before = log_likelihood(frames, floor)
    best = None
    for key, values in questions:
        yes, no = parted(frames, key, values)
        if not yes or not no or min(len(yes), len(no)) < min_count:
            continue
        gain = log_likelihood(yes, floor) + log_likelihood(no, floor) - before
        if gain > 1e-7 and (best is None or gain > best[0] + 1e-7):
            best = (gain, key, values)
    return best


def grow(stubs, questions, *, max_leaves, min_gain, min_count, max_depth, floor):
    """Split the best leaf again and again.

    Args:
        stubs: (name, frames, may be split) of every root.

    Returns:
        splits (name, path, key, values, gain, frames of yes, frames of no), and leaves {(name, path): frames}.
    """
    leaves = {(name, ""): frames for name, frames, _ in stubs}
    found = {(name, ""): None for name, _, may in stubs if may}
    for place in found:
        found[place] = best_split(leaves[place], questions, floor, min_count)
    splits = []
    while len(leaves) < max_leaves:
        best = None
        for place, split in found.items():
            allowed = split is not None and split[0] > min_gain and (max_depth is None or len(place[1]) < max_depth)
            if allowed and (best is None or split[0] > found[best][0]):
                best = place
        if best is None:
            break
        name, path = best
        gain, key, values = found.pop(best)
        parts = parted(leaves.pop(best), key, values)
        splits.append((name, path, key, values, gain, len(parts[0]), len(parts[1])))
        for step, part in zip("yn", parts, strict=True):
            leaves[name, path + step] = part
            found[name, path + step] = best_split(part, questions, floor, min_count)
    return splits, leaves


def merge(groups, floor, max_cost):
    """Merge the cheapest pair of a list of lists of frames while it costs less; return the groups that are left."""
    groups = [list(group) for group in groups if group]
    while True:
        best = None
        for i in range(len(groups)):
            for j in range(i):
                apart = log_likelihood(groups[i], floor) + log_likelihood(groups[j], floor)
                cost = apart - log_likelihood(groups[i] + groups[j], floor)
                if cost < max_cost and (best is None or cost < best[0]):
                    best = (cost, j, i)
        if best is None:
            return groups
        groups[best[1]] += groups.pop(best[2])
