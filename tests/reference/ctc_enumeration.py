"""CTC by enumeration: every alignment of T frames over V labels, each on its own."""

import itertools
import math


def said_by(alignment, blank):
    """Return what an alignment collapses to."""
    labels, before = [], None
    for label in alignment:
        if label != before and label != blank:
            labels.append(label)
        before = label
    return tuple(labels)


def all_transcripts(log_probs, blank):
    """Return {labels: log probability} of everything that the frames can say, summed over alignments."""
    num_frames = len(log_probs)
    num_labels = len(log_probs[0]) if num_frames else 1
    sums = {}
    for alignment in itertools.product(range(num_labels), repeat=num_frames):
        labels = said_by(alignment, blank)
        log_prob = sum(log_probs[t][label] for t, label in enumerate(alignment))
        sums[labels] = sums.get(labels, 0.0) + math.exp(log_prob)
    return {labels: math.log(total) if total > 0 else -math.inf for labels, total in sums.items()}


def label_shares(log_probs, labels, blank):
    """Return rows of the share of the alignments of the labels that have label k at frame t."""
    num_frames, num_labels = len(log_probs), len(log_probs[0])
    shares = [[0.0] * num_labels for _ in range(num_frames)]
    total = 0.0
    for alignment in itertools.product(range(num_labels), repeat=num_frames):
        if said_by(alignment, blank) != tuple(labels):
            continue
        prob = math.exp(sum(log_probs[t][label] for t, label in enumerate(alignment)))
        total += prob
        for t, label in enumerate(alignment):
            shares[t][label] += prob
    return [[share / total for share in row] for row in shares] if total > 0 else shares
