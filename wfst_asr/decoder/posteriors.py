"""From what a network gives to scores: log-softmax, and posteriors divided by priors.

A hybrid network tells p(pdf | frame); an HMM wants p(frame | pdf), which is p(pdf | frame) / p(pdf) up to
a factor that all pdfs of a frame share and the search does not see:
    score = log p(pdf | frame) - prior_scale * log p(pdf)
CTC networks are taken as they are: their graph has no states whose priors would count twice.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.errors import WfstAsrError

PRIOR_FLOOR = 1e-5


def log_softmax(logits: ArrayLike) -> NDArray[np.float32]:
    """Return log-probabilities, (T, P), of what a network gave before its softmax.

    >>> log_softmax([[0.0, 0.0]]).round(3).tolist()
    [[-0.6930000185966492, -0.6930000185966492]]
    """
    rows = np.asarray(logits, dtype=np.float64)
    return (rows - row_log_sums(rows)[:, None]).astype(np.float32)


def row_log_sums(rows: ArrayLike) -> NDArray[np.float64]:
    """Return the (T,) logarithms of the sums of exp over each row; -infinity for a row of -infinity.

    >>> row_log_sums([[0.0, 0.0], [-1.0, -np.inf]]).round(3).tolist()
    [0.693, -1.0]
    """
    values = np.asarray(rows, dtype=np.float64)
    best = values.max(axis=1, initial=-np.inf)
    finite = np.where(np.isfinite(best), best, 0.0)
    with np.errstate(divide="ignore"):
        sums: NDArray[np.float64] = np.log(np.exp(values - finite[:, None]).sum(axis=1))
    return sums + finite


def log_priors(counts: ArrayLike, *, floor: float = PRIOR_FLOOR) -> NDArray[np.float64]:
    """Return log priors of the columns from counts of frames, probabilities, or log-probabilities.

    A prior below `floor` is raised to it, so that a pdf that training hardly saw, or never, is not lifted above all
    others by dividing by next to nothing.  The raised ones are not taken from the rest.

    Args:
        counts: (P,) counts or probabilities (none below 0), or log-probabilities (none above 0, their sum 1).
        floor: least prior; the mean prior is 1 / P.

    Raises:
        WfstAsrError: numbers that are none of these, or a floor that is not between 0 and 1.

    >>> np.exp(log_priors([3, 1, 0])).round(5).tolist()
    [0.75, 0.25, 1e-05]
    """
    values = np.asarray(counts, dtype=np.float64)
    if not 0 < floor < 1:
        raise WfstAsrError(f"floor of priors {floor}, expected a number between 0 and 1; usual is {PRIOR_FLOOR}")
    if values.ndim != 1 or not values.size or np.isnan(values).any() or np.isposinf(values).any():
        raise WfstAsrError("priors: expected a vector of numbers, one for each column of the scores")
    if (values <= 0).all() and (values < 0).any():
        values = np.exp(values)
        if abs(values.sum() - 1) > 0.01:
            raise WfstAsrError(
                f"priors: numbers below 0 whose exponentials sum to {values.sum():.4g}, expected 1, as of natural "
                "logarithms of probabilities; counts do as well"
            )
    if (values < 0).any() or not values.sum() > 0:
        raise WfstAsrError("priors: expected counts, probabilities or their logarithms, not numbers of both signs")
    floored: NDArray[np.float64] = np.log(np.maximum(values / values.sum(), floor))
    return floored


def divide_by_priors(log_posteriors: Any, log_prior: ArrayLike, *, prior_scale: float = 1.0) -> NDArray[np.float32]:
    """Return scaled log likelihoods: log posteriors - prior_scale * log priors.

    Bourlard, Morgan: Connectionist Speech Recognition (1994), chapter 7; Kaldi: `DecodableAmNnet`.

    Args:
        log_posteriors: (T, P) natural logarithms, as `decode` takes them.
        log_prior: (P,) natural logarithms, from `log_priors`.
        prior_scale: 1 is Bayes' rule; less where the network is unsure of rare pdfs.

    Raises:
        WfstAsrError: another number of priors than of columns, priors that are no finite logarithms, or scores that are
            not in order.

    >>> divide_by_priors(np.log([[0.6, 0.4]]), log_priors([3, 1])).round(3).tolist()
    [[-0.22300000488758087, 0.4699999988079071]]
    """
    prior = np.asarray(log_prior, dtype=np.float64)
    if prior.ndim != 1 or not np.isfinite(prior).all() or (prior > 0).any():
        raise WfstAsrError("log priors: expected a vector of finite natural logarithms, none above 0; use log_priors")
    if not (prior_scale >= 0 and np.isfinite(prior_scale)):
        raise WfstAsrError(f"prior_scale {prior_scale}, expected a number of at least 0; usual is 1")
    checked = check_scores(log_posteriors, len(prior), column_names="one for each prior")
    return checked - (prior_scale * prior).astype(np.float32)
