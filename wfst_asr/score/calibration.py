"""Calibration: make confidences the probabilities that words are right, and measure how far they are.

A calibration is fitted on pairs (confidence, whether the word was right) of words whose reference is known, and applied
to others.  Posteriors of lattices are usually too high: the lattice lacks what the search has left out.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.score.wer import align

CLIP = 1e-6
_STEPS = 100


@dataclass(frozen=True)
class IsotonicCalibration:
    """A rising line through points, level before the first and after the last.

    Attributes:
        confidences: ascending.
        probabilities: never falling, above 0 and below 1.

    >>> IsotonicCalibration((0.25, 0.75), (0.125, 0.625))([0.0, 0.5, 1.0]).tolist()
    [0.125, 0.375, 0.625]
    """

    confidences: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, confidences: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities for (N,) confidences."""
        return np.interp(np.asarray(confidences, dtype=np.float64), self.confidences, self.probabilities)


@dataclass(frozen=True)
class LogisticCalibration:
    """p = 1 / (1 + exp(-(intercept + slope * log(c / (1 - c))))), the confidence c kept within `clip` and 1 - `clip`.

    >>> LogisticCalibration(slope=1.0, intercept=0.0)([0.25]).tolist()
    [0.25]
    """

    slope: float
    intercept: float
    clip: float = CLIP

    def __call__(self, confidences: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities for (N,) confidences."""
        z = self.intercept + self.slope * _log_odds(np.asarray(confidences, dtype=np.float64), self.clip)
        return _logistic(z)


Calibration = IsotonicCalibration | LogisticCalibration


def fit_isotonic(confidences: ArrayLike, correct: ArrayLike) -> IsotonicCalibration:
    """Return the rising steps of least squared error, by pooling neighbours that fall (pool adjacent violators).

    Words of the same confidence make one step.  N words do not show that something is certain: the probabilities are
    kept within 1 / (N + 2) and (N + 1) / (N + 2).  Between steps the line is straight.  Zadrozny and Elkan 2002; Ayer
    and others 1955.

    Args:
        confidences: (N,) from 0 to 1.
        correct: (N,) whether each word is right.

    Raises:
        WfstAsrError: no words, lengths that differ, or a confidence outside 0 to 1.

    >>> fitted = fit_isotonic([0.2, 0.4, 0.6, 0.9, 0.9], [False, True, False, True, True])
    >>> fitted.confidences, [round(p, 3) for p in fitted.probabilities]
    ((0.2, 0.4, 0.6, 0.9), [0.143, 0.5, 0.5, 0.857])
    """
    given, right = _checked(confidences, correct)
    values, place = np.unique(given, return_inverse=True)
    blocks: list[tuple[float, float, int, int]] = []  # right words, words, first and last of the values
    for i, (rights, words) in enumerate(
        zip(np.bincount(place, weights=right).tolist(), np.bincount(place).tolist(), strict=True)
    ):
        block = (rights, float(words), i, i)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2], i)
        blocks.append(block)
    low, high = 1 / (len(given) + 2), (len(given) + 1) / (len(given) + 2)
    points: dict[float, float] = {}
    for rights, words, first, last in blocks:
        points[float(values[first])] = points[float(values[last])] = min(high, max(low, rights / words))
    return IsotonicCalibration(tuple(points), tuple(points.values()))


def fit_logistic(confidences: ArrayLike, correct: ArrayLike, *, clip: float = CLIP) -> LogisticCalibration:
    """Return the logistic curve of the log odds of highest likelihood, by Newton's method.

    The targets are (R + 1) / (R + 2) and 1 / (W + 2) for R right and W wrong words, so that the curve stays finite
    where confidence tells all of them apart.  Platt 1999; Lin, Lin and Weng 2007.

    Args:
        confidences: (N,) from 0 to 1.
        correct: (N,) whether each word is right.
        clip: confidences are kept within this and 1 - this.

    Raises:
        WfstAsrError: no words, lengths that differ, or a confidence outside 0 to 1.
    """
    given, right = _checked(confidences, correct)
    x = _log_odds(given, clip)
    rights = float(right.sum())
    target = np.where(right, (rights + 1) / (rights + 2), 1 / (len(right) - rights + 2))
    parameters = np.array([0.0, math.log((rights + 1) / (len(right) - rights + 1))])

    def loss(at: NDArray[np.float64]) -> float:
        z = at[0] * x + at[1]
        return float((np.logaddexp(0.0, z) - target * z).sum())

    now = loss(parameters)
    for _ in range(_STEPS):
        p = _logistic(parameters[0] * x + parameters[1])
        gradient = np.array([((p - target) * x).sum(), (p - target).sum()])
        weight = p * (1 - p)
        cross = (weight * x).sum()
        curvature = np.array([[(weight * x * x).sum() + 1e-9, cross], [cross, weight.sum() + 1e-9]])
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (after := loss(parameters - size * step)) > now and size > 1e-10:
            size /= 2
        if not after < now - 1e-12 * max(1.0, now):
            break
        parameters, now = parameters - size * step, after
    return LogisticCalibration(float(parameters[0]), float(parameters[1]), clip)


def save_calibration(calibration: Calibration, path: str | os.PathLike[str]) -> None:
    """Write a calibration as JSON.

    Raises:
        WfstAsrError: the place cannot be written.
    """
    if isinstance(calibration, IsotonicCalibration):
        record: dict[str, Any] = {
            "kind": "isotonic",
            "confidences": calibration.confidences,
            "probabilities": calibration.probabilities,
        }
    else:
        record = {
            "kind": "logistic",
            "slope": calibration.slope,
            "intercept": calibration.intercept,
            "clip": calibration.clip,
        }
    with written_aside(path) as aside:
        aside.write_text(json.dumps(record) + "\n", encoding="utf-8")


def load_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read what `save_calibration` wrote.

    Raises:
        WfstAsrError: no such file, or another content.
    """
    try:
        record = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); give a calibration of confidences") from error
    except ValueError as error:
        raise WfstAsrError(f"{path}: no JSON; expected a calibration of confidences") from error
    try:
        if record["kind"] == "isotonic":
            points = tuple(map(float, record["confidences"])), tuple(map(float, record["probabilities"]))
            if len(points[0]) != len(points[1]) or not points[0] or (np.diff(points, axis=1) < 0).any():
                raise ValueError
            return IsotonicCalibration(*points)
        if record["kind"] == "logistic":
            return LogisticCalibration(float(record["slope"]), float(record["intercept"]), float(record["clip"]))
        raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise WfstAsrError(
            f"{path}: no calibration of confidences; expected the kind isotonic or logistic with its numbers"
        ) from error


def word_correctness(reference: Sequence[str], hypothesis: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each word of the hypothesis whether the word of the reference aligned with it is the same.

    >>> word_correctness("the cat sat".split(), "a cat sat down".split()).tolist()
    [False, True, True, False]
    """
    return np.array([left == right for left, right in align(reference, hypothesis) if right is not None], dtype=bool)


def normalized_cross_entropy(confidences: ArrayLike, correct: ArrayLike, *, clip: float = 0.0) -> float:
    """Return NIST's measure of confidences: 1 for perfect ones, 0 for the share of right words given to all of them.

        NCE = (H + sum over right words of log2 c + sum over wrong words of log2 (1 - c)) / H,
        H = -R log2 (R / N) - W log2 (W / N)

    for R right and W wrong of N words.  Not a number if all are right or all wrong; minus infinity if a confidence of 1
    is wrong, or one of 0 right.

    Args:
        confidences: (N,) from 0 to 1.
        correct: (N,) whether each word is right.
        clip: confidences are kept within this and 1 - this.

    Raises:
        WfstAsrError: no words, lengths that differ, or a confidence outside 0 to 1.

    >>> normalized_cross_entropy([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
    0.0
    """
    given, right = _checked(confidences, correct)
    given = np.clip(given, clip, 1 - clip)
    rights, words = int(right.sum()), len(right)
    if rights in (0, words):
        return math.nan
    share = rights / words
    entropy = -rights * math.log2(share) - (words - rights) * math.log2(1 - share)
    with np.errstate(divide="ignore"):
        found = float(np.log2(np.where(right, given, 1 - given)).sum())
    return (entropy + found) / entropy


@dataclass(frozen=True)
class ReliabilityRow:
    """The words whose confidence lies from `low` up to `high`.

    Attributes:
        low: lowest confidence.
        high: confidence below which they are (1 itself is in the last row).
        words: how many.
        mean_confidence: their mean confidence; not a number if there are none.
        share_correct: how many of them are right, as a share.
    """

    low: float
    high: float
    words: int
    mean_confidence: float
    share_correct: float


def reliability_table(confidences: ArrayLike, correct: ArrayLike, *, bins: int = 10) -> tuple[ReliabilityRow, ...]:
    """Return how many words are right in each of some equal ranges of confidence.

    Raises:
        WfstAsrError: no words, lengths that differ, a confidence outside 0 to 1, or less than one range.
    """
    given, right = _checked(confidences, correct)
    if bins < 1:
        raise WfstAsrError(f"{bins} ranges of confidence, expected at least 1")
    place = np.minimum((given * bins).astype(np.int64), bins - 1)
    words = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(place, weights=given, minlength=bins) / words
        shares = np.bincount(place, weights=right, minlength=bins) / words
    return tuple(
        ReliabilityRow(i / bins, (i + 1) / bins, int(words[i]), float(means[i]), float(shares[i])) for i in range(bins)
    )


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, *, bins: int = 10) -> float:
    """Return the mean over words of |mean confidence - share of right words| of the range each lies in.

    Raises:
        WfstAsrError: as `reliability_table`.

    >>> expected_calibration_error([0.9, 0.9], [True, False])
    0.4
    """
    rows = [row for row in reliability_table(confidences, correct, bins=bins) if row.words]
    total = sum(row.words for row in rows)
    return sum(row.words * abs(row.mean_confidence - row.share_correct) for row in rows) / total


def _checked(confidences: ArrayLike, correct: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    given, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=bool)
    if given.ndim != 1 or given.shape != right.shape:
        raise WfstAsrError(f"confidences of shape {given.shape} for words of shape {right.shape}; expected one a word")
    if not len(given):
        raise WfstAsrError("no words with confidences; give utterances with a reference")
    bad = np.flatnonzero(~((given >= 0) & (given <= 1)))
    if len(bad):
        raise WfstAsrError(f"confidence {given[bad[0]]:g} of word {bad[0]}; expected a number from 0 to 1")
    return given, right


def _log_odds(confidences: NDArray[np.float64], clip: float) -> NDArray[np.float64]:
    kept = np.clip(confidences, clip, 1 - clip)
    return np.log(kept) - np.log1p(-kept)


def _logistic(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -z))
