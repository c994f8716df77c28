"""Picture of what a CTC network heard: the recording's spectrogram, the letters' posteriors, the greedy letters."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.ctc.greedy import GreedyResult, greedy_search
from wfst_asr.ctc.log_probs import check_log_probs
from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.language_model import check_plot
from wfst_asr.plots.picture_file import save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEP_MS = 5.0
_RANGE_DB = 70.0
_INCHES_A_LETTER = 0.19


def draw_letters(
    log_probs: ArrayLike,
    tokens: CtcTokens,
    path: str | os.PathLike[str],
    *,
    frame_shift_ms: float = 20.0,
    samples: ArrayLike | None = None,
    sample_rate_hz: float = 16000.0,
    min_posterior: float = 0.05,
    max_rows: int = 40,
    title: str = "",
) -> None:
    """Draw spectrogram, posteriors of the letters and the greedy letters over time into an image file.

    Args:
        log_probs: (T, V) natural-log probabilities, or logits.
        tokens: the columns by name.
        path: the file; its suffix says its kind (.png, .svg, .pdf).
        frame_shift_ms: from row to row of the scores.
        samples: (N,) the recording, for the spectrogram; None leaves it out.
        sample_rate_hz: of the recording.
        min_posterior: letters that never reach it have no row.
        max_rows: letters at most, those of the highest posteriors.
        title: above the picture.

    Raises:
        WfstAsrError: no frames; scores or samples that are none; no matplotlib, or it cannot write this kind of file.
    """
    check_plot(path)
    checked = check_log_probs(log_probs, blank=tokens.blank, normalised=False)
    if not len(checked):
        raise WfstAsrError("scores without frames; there is nothing to draw")
    from matplotlib.figure import Figure

    probs = np.exp(checked - np.logaddexp.reduce(checked, axis=1, keepdims=True))
    best = greedy_search(checked, blank=tokens.blank)
    rows = _rows(probs, best, tokens.blank, min_posterior, max_rows)
    shift_s = frame_shift_ms / 1000
    length_s = len(probs) * shift_s
    heights = [2.2] if samples is not None else []
    heights += [0.7 + 0.2 * (len(rows) + 1), 0.55]
    width = min(40.0, max(8.0, 1.5 + _INCHES_A_LETTER * len(best.tokens)))
    figure = Figure(figsize=(width, sum(heights) + 1.0), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    if samples is not None:
        _draw_spectrogram(axes[0], samples, sample_rate_hz)
    _draw_posteriors(axes[-2], probs, rows, tokens, length_s)
    _draw_greedy(axes[-1], best, tokens, shift_s)
    axes[-1].set(xlabel="seconds", xlim=(0, length_s))
    if title:
        axes[0].set_title(title, parse_math=False)
    save_picture(figure, path)


def _rows(probs: NDArray[np.float64], best: GreedyResult, blank: int, min_posterior: float, max_rows: int) -> list[int]:
    """Return the letters to show, in the order of columns; blank is not among them."""
    highest = probs.max(axis=0)
    highest[blank] = 0.0
    highest[best.labels] += 1.0
    shown = [int(column) for column in np.argsort(-highest, kind="stable") if highest[column] >= min_posterior]
    return sorted(shown[:max_rows])


def _draw_spectrogram(axes: "Axes", samples: ArrayLike, sample_rate_hz: float) -> None:
    from wfst_asr.features.slice_spectrogram import SliceOptions, slice_spectrogram

    bands = slice_spectrogram(samples, SliceOptions(sample_rate_hz=sample_rate_hz, step_ms=_STEP_MS, scale="decibel"))
    if not len(bands):
        raise WfstAsrError("a recording shorter than a slice of 20 ms; there is no spectrogram to draw")
    end_s = (len(bands) - 1) * _STEP_MS / 1000 + 0.010 + _STEP_MS / 2000
    axes.imshow(
        bands.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0.010 - _STEP_MS / 2000, end_s, 0, sample_rate_hz / 2000),
        vmin=float(bands.max()) - _RANGE_DB,
        interpolation="nearest",
    )
    axes.set(ylabel="kHz")


def _draw_posteriors(
    axes: "Axes", probs: NDArray[np.float64], rows: list[int], tokens: CtcTokens, length_s: float
) -> None:
    shown = [tokens.blank, *rows]
    axes.imshow(
        probs[:, shown].T,
        aspect="auto",
        cmap="Blues",
        extent=(0, length_s, len(shown) - 0.5, -0.5),
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    axes.set_yticks(range(len(shown)), ["blank", *(tokens.names[column] for column in rows)], fontsize=8)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set(ylabel="posterior")
    axes.axhline(0.5, color="0.7", linewidth=0.8)


def _draw_greedy(axes: "Axes", best: GreedyResult, tokens: CtcTokens, shift_s: float) -> None:
    named: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False, "fontsize": 9}
    for number, token in enumerate(best.tokens):
        begin, end = token.first_frame * shift_s, (token.last_frame + 1) * shift_s
        axes.axvspan(begin, end, color=f"C{number % 2}", alpha=0.25, linewidth=0)
        axes.text((begin + end) / 2, 0.5, tokens.names[token.label], **named)
    axes.set(ylim=(0, 1), yticks=[], ylabel="greedy")
