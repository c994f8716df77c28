"""The first model, from nothing but words: frames spread evenly over the states, and quiet frames told from loud ones.

Even alignment alone (Kaldi `align-equal`) gives silence as much speech as any phone, and training on little speech can
end where silence and a phone have changed places.  There frames that are quiet count for the states of silence, loud
ones for the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.gmm.accumulate import accumulate
from wfst_asr.gmm.acoustic_model import AcousticModel, single_gaussians
from wfst_asr.gmm.estimate import EstimateOptions
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.training_split import Statistics, TrainingSplit

_BINS = 256
_ROUNDS = 50
_LEAST_WEIGHT = 1e-3  # of a frame that is loud in silence or quiet in speech


@dataclass(frozen=True)
class LoudnessClasses:
    """Two Gaussians over the loudness of frames (c0 or log energy, mean-normalised): the quiet one and the loud one.

    Attributes:
        shares: of the two, quiet first.
        means: likewise.
        variances: likewise.
    """

    shares: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]

    def quiet(self, loudness: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (T,) posterior probabilities of the quiet Gaussian; beyond the two means it stays as it is there."""
        values = np.clip(loudness.astype(np.float64), *self.means)[:, None]
        logs = np.log(self.shares) - 0.5 * np.log(self.variances) - 0.5 * (values - self.means) ** 2 / self.variances
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(logs[:, 1] - logs[:, 0], -50.0, 50.0))))


def loudness_classes(loudness: NDArray[np.floating]) -> LoudnessClasses:
    """Fit two Gaussians to the loudness of frames by EM, on a histogram.

    >>> classes = loudness_classes(np.array([0.0, 0.1, -0.1, 8.0, 8.1, 7.9]))
    >>> classes.quiet(np.array([-1.0, 0.0, 8.0])).round(3).tolist()
    [1.0, 1.0, 0.0]
    """
    low, high = (float(value) for value in np.percentile(loudness, (10, 90)))
    spread = max(float(np.var(loudness)), 1e-6)
    counts, edges = np.histogram(loudness, bins=_BINS)
    centres = 0.5 * (edges[:-1] + edges[1:])
    shares, means, variances = np.full(2, 0.5), np.array([low, max(high, low + 1e-3)]), np.full(2, spread / 4)
    floor = max(1e-3 * spread, 1e-9)
    for _ in range(_ROUNDS):
        logs = np.log(shares) - 0.5 * np.log(variances) - 0.5 * (centres[:, None] - means) ** 2 / variances
        posteriors = np.exp(logs - logs.max(axis=1, keepdims=True))
        posteriors *= (counts / posteriors.sum(axis=1))[:, None]
        mass = np.maximum(posteriors.sum(axis=0), 1e-6)
        shares = mass / mass.sum()
        means = (posteriors * centres[:, None]).sum(axis=0) / mass
        variances = (posteriors * (centres[:, None] - means) ** 2).sum(axis=0) / mass + floor
    order = np.argsort(means)
    return LoudnessClasses(shares[order], means[order], variances[order])


def corpus_loudness(corpus: Corpus, column: int, cmvn: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the loudness of all frames of a corpus, less the mean of their speaker.

    Args:
        corpus: raw cepstra.
        column: of c0 or log energy.
        cmvn: normalisation statistics of every speaker.
    """
    loudness = corpus.features[:, column].astype(np.float64)
    for index, speaker in enumerate(corpus.speakers):
        stats = cmvn[speaker]
        loudness[corpus.first[index] : corpus.first[index + 1]] -= stats[0, column] / stats[0, -1]
    return loudness


def moments(split: TrainingSplit) -> NDArray[np.float64]:
    """Return (3, D): the number of frames (in every column), their sum, and the sum of their squares."""
    wide = split.features.astype(np.float64)
    return np.stack([np.full(wide.shape[1], float(len(wide))), wide.sum(axis=0), (wide**2).sum(axis=0)])


def flat_model(parts: list[NDArray[np.float64]], num_pdfs: int) -> AcousticModel:
    """Return the model in which every pdf is the Gaussian of all frames.

    Args:
        parts: the `moments` of every split.
        num_pdfs: P.
    """
    count, first, second = np.sum(parts, axis=0)
    only = np.zeros((num_pdfs, len(first)))
    counts = np.zeros(num_pdfs)
    counts[0], rows, squares = count[0], only.copy(), only.copy()
    rows[0], squares[0] = first, second
    return single_gaussians(counts, rows, squares, variance_floor=EstimateOptions().min_variance)


def first_statistics(
    split: TrainingSplit,
    gmm: AcousticModel,
    transitions: TransitionModel,
    silence: frozenset[int],
    classes: LoudnessClasses,
    column: int,
    cmvn: Mapping[str, NDArray[np.float64]],
) -> Statistics:
    """Sum up frames that are spread evenly, each weighed by how well its loudness fits its phone.

    Args:
        split: with even alignments.
        gmm: the flat model.
        transitions: transition model.
        silence: ids of the phones of silence.
        classes: quiet and loud.
        column: of the loudness in the raw cepstra.
        cmvn: normalisation statistics of every speaker.
    """
    frames, ids, _ = split.entries()
    quiet = classes.quiet(corpus_loudness(split.corpus, column, cmvn)[frames])
    weights = np.where(np.isin(transitions.phone[ids], sorted(silence)), quiet, 1.0 - quiet)
    weights = np.maximum(weights, _LEAST_WEIGHT)
    pdfs = transitions.pdf_id[ids]
    return Statistics(
        accumulate(gmm, split.features, pdfs, weights=weights, frames=frames),
        np.bincount(ids, minlength=transitions.num_transition_ids + 1).astype(np.float64),
        np.bincount(pdfs, minlength=gmm.num_pdfs).astype(np.float64),
    )
