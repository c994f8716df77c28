"""Posterior probabilities of a lattice's arcs, labels and words, by forward-backward in the log semiring."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.lattice import Lattice
from wfst_asr.lattice.single_end import AnyLattice, with_single_end


@dataclass(frozen=True)
class FramePosteriors:
    """Which labels (transition-ids, or words) a frame may have been, sorted by frame, then by label.

    Attributes:
        frames: (K,) int32.
        labels: (K,) int32 labels; each occurs at most once a frame.
        posteriors: (K,) float64; those of a frame sum to 1.
        log_likelihood: log of the sum over the lattice's paths of exp(-cost).
    """

    frames: NDArray[np.int32]
    labels: NDArray[np.int32]
    posteriors: NDArray[np.float64]
    log_likelihood: float


@dataclass(frozen=True)
class WordPosteriors:
    """The probability that a word lies from one frame to another, sorted by frames, then by word.

    Attributes:
        begins: (K,) int32 first frames.
        ends: (K,) int32 frames after the last.
        words: (K,) int32 labels, without 0; each (begin, end, word) occurs once.
        posteriors: (K,) float64.
    """

    begins: NDArray[np.int32]
    ends: NDArray[np.int32]
    words: NDArray[np.int32]
    posteriors: NDArray[np.float64]


def arc_posteriors(
    lattice: AnyLattice, *, acoustic_scale: float | None = None, insertion_penalty: float = 0.0
) -> tuple[NDArray[np.float64], float]:
    """Return the (A,) probability that a path drawn by its cost takes an arc, and the log of the sum of all paths.

        p(arc) = exp(-(forward(source) + cost(arc) + backward(nextstate) - total))

    Linear in the arcs.  Rabiner 1989, section III.A; Kaldi: `LatticeForwardBackward`.

    Args:
        lattice: of either kind, with at least one path.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    arcs, _, log_likelihood = arc_and_final_posteriors(
        lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty
    )
    return arcs, log_likelihood


def arc_and_final_posteriors(
    lattice: AnyLattice, *, acoustic_scale: float | None = None, insertion_penalty: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return what `arc_posteriors` does, and between them the (S,) probability that a path ends in a state.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    joined = with_single_end(lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty)
    forward, backward = joined.costs(soft=True)
    total = float(backward[0])
    posteriors = np.exp(total - forward[joined.source] - joined.cost - backward[joined.nextstate])
    ending = joined.arc < 0
    final = np.zeros(lattice.num_states)
    final[joined.source[ending]] = posteriors[ending]
    return posteriors[~ending], final, -total


def frame_posteriors(
    lattice: AnyLattice, *, acoustic_scale: float | None = None, min_posterior: float = 0.0
) -> FramePosteriors:
    """Return the posteriors of the input labels in every frame (Kaldi: `lattice-to-post`).

    Args:
        lattice: of either kind, with at least one path; of a compact one the strings of arcs and ends are counted.
        acoustic_scale: that of the search, if not given.
        min_posterior: entries below are left out, and those that stay are scaled to sum to 1 in their frame.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    posteriors, final, log_likelihood = arc_and_final_posteriors(lattice, acoustic_scale=acoustic_scale)
    if isinstance(lattice, Lattice):
        emitting = np.flatnonzero(lattice.ilabel)
        frames, labels, shares = lattice.frame[lattice.source[emitting]], lattice.ilabel[emitting], posteriors[emitting]
    else:
        starts = np.concatenate([lattice.frame[lattice.source], lattice.frame])
        first = np.concatenate([lattice.first_label, lattice.first_label[-1] + lattice.first_final_label[1:]])
        lengths = np.diff(first)
        frames = np.repeat(starts - first[:-1], lengths) + np.arange(first[-1])
        labels = np.concatenate([lattice.labels, lattice.final_labels])
        shares = np.repeat(np.concatenate([posteriors, final]), lengths)
        used = shares > 0  # on no path
        frames, labels, shares = frames[used], labels[used], shares[used]
    frames, labels, summed = _summed(frames, labels, shares)
    if min_posterior > 0 and len(frames):
        best = np.zeros(lattice.num_frames)
        np.maximum.at(best, frames, summed)
        keep = summed >= np.minimum(min_posterior, best[frames])
        frames, labels, summed = frames[keep], labels[keep], summed[keep]
    total = np.bincount(frames, weights=summed, minlength=lattice.num_frames)
    return FramePosteriors(frames, labels, summed / total[frames], log_likelihood)


def word_posteriors(
    lattice: CompactLattice, *, acoustic_scale: float | None = None, insertion_penalty: float = 0.0
) -> WordPosteriors:
    """Return the posteriors of words by begin and end, those of arcs that agree in all three summed.

    The times are where the strings of the arcs begin and end: exact if the words of the lattice have been aligned.

    Args:
        lattice: with at least one path.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    posteriors, _ = arc_posteriors(lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty)
    arcs = np.flatnonzero(lattice.olabel)
    table = np.stack(
        [lattice.frame[lattice.source[arcs]], lattice.frame[lattice.nextstate[arcs]], lattice.olabel[arcs]]
    )
    rows, place = np.unique(table, axis=1, return_inverse=True)
    summed = np.bincount(place.ravel(), weights=posteriors[arcs], minlength=rows.shape[1])
    return WordPosteriors(rows[0], rows[1], rows[2], np.asarray(summed, dtype=np.float64))


def frame_word_posteriors(lattice: CompactLattice, *, acoustic_scale: float | None = None) -> FramePosteriors:
    """Return the posteriors of the words in every frame, 0 for no word: on arcs without one and in strings of ending.

    Args:
        lattice: with at least one path; the times of words are as for `word_posteriors`.
        acoustic_scale: that of the search, if not given.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    posteriors, final, log_likelihood = arc_and_final_posteriors(lattice, acoustic_scale=acoustic_scale)
    begins = np.concatenate([lattice.frame[lattice.source], lattice.frame])
    ends = np.concatenate([lattice.frame[lattice.nextstate], np.full(lattice.num_states, lattice.num_frames)])
    shares = np.concatenate([posteriors, final])
    words = np.concatenate([lattice.olabel, np.zeros(lattice.num_states, dtype=np.int32)])
    used = shares > 0
    begins, ends, shares, words = begins[used], ends[used], shares[used], words[used]
    lengths = (ends - begins).astype(np.int64)
    frames = np.repeat(begins - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    return FramePosteriors(*_summed(frames, np.repeat(words, lengths), np.repeat(shares, lengths)), log_likelihood)


def _summed(
    frames: NDArray[np.integer], labels: NDArray[np.integer], shares: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Return the entries by frame, then label, those that agree in both summed."""
    width = int(labels.max(initial=0)) + 1
    cells, place = np.unique(frames.astype(np.int64) * width + labels, return_inverse=True)
    summed = np.bincount(place, weights=shares, minlength=len(cells))
    return (cells // width).astype(np.int32), (cells % width).astype(np.int32), np.asarray(summed, dtype=np.float64)
