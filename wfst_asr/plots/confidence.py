"""Plots of confidences: a reliability diagram, and a confusion network."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.confusion import ConfusionNetwork
from wfst_asr.plots.language_model import check_plot
from wfst_asr.score.calibration import Calibration, reliability_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_reliability(
    confidences: ArrayLike,
    correct: ArrayLike,
    path: str | os.PathLike[str],
    *,
    calibration: Calibration | None = None,
    bins: int = 10,
) -> None:
    """Draw how many words of each confidence are right, and how many words there are, into an image file.

    Args:
        confidences: (N,) from 0 to 1.
        correct: (N,) whether each word is right.
        path: the file; its suffix says its kind (.png, .svg, .pdf).
        calibration: is drawn as a line.
        bins: equal ranges of confidence.

    Raises:
        WfstAsrError: no matplotlib, or it cannot write this kind of file; or as `reliability_table`.
    """
    check_plot(path)
    rows = reliability_table(confidences, correct, bins=bins)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 6.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    some = [row for row in rows if row.words]
    upper.plot([0, 1], [0, 1], ":", color="0.5", label="confidence = share of right words")
    upper.plot([row.mean_confidence for row in some], [row.share_correct for row in some], "o-", label="as they are")
    if calibration is not None:
        grid = np.linspace(0, 1, 201)
        upper.plot(grid, calibration(grid), "-", label="calibration")
    upper.set(ylabel="share of right words", ylim=(-0.02, 1.02), title="Reliability of confidences")
    upper.grid(visible=True, alpha=0.3)
    upper.legend(loc="upper left")
    lower.bar([row.low for row in rows], [row.words for row in rows], width=1 / bins, align="edge", edgecolor="white")
    lower.set(xlabel="confidence", ylabel="words", xlim=(0, 1), yscale="log")
    _save(figure, path)


def draw_confusion_network(
    network: ConfusionNetwork,
    names: Sequence[str],
    path: str | os.PathLike[str],
    *,
    frame_shift_ms: float = 10.0,
    min_posterior: float = 0.01,
) -> None:
    """Draw the bins of a confusion network side by side: words stacked by posterior, into an image file.

    Bins without any word of at least `min_posterior` are left out, and what is below is white.

    Args:
        network: of `confusion_network`.
        names: of the words by label.
        path: the file; its suffix says its kind (.png, .svg, .pdf).
        frame_shift_ms: time from a frame to the next.
        min_posterior: words below are not drawn.

    Raises:
        WfstAsrError: no matplotlib, or it cannot write this kind of file; or a word without a name.
    """
    check_plot(path)
    if len(network.words) and int(network.words.max()) >= len(names):
        raise WfstAsrError(f"word {int(network.words.max())} has no name; there are names for {len(names)} labels")
    shown = [
        number
        for number in range(network.num_bins)
        if any(word != 0 and posterior >= min_posterior for word, posterior in network.bin(number))
    ]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(4.0, 1.1 * len(shown) + 1.0), 4.5), layout="constrained")
    axes = figure.add_subplot()
    for column, number in enumerate(shown):
        _draw_bin(axes, column, network.bin(number), names, min_posterior)
    axes.set_xticks(
        range(len(shown)),
        [f"{network.bin_begins[number] * frame_shift_ms / 1000:.2f} s" for number in shown],
        rotation=45 if len(shown) > 12 else 0,
    )
    axes.set(
        xlim=(-0.6, max(0.6, len(shown) - 0.4)),
        ylim=(0, 1),
        ylabel="posterior",
        title=f"Confusion network: {network.bayes_risk:.2f} errors expected in {len(network.hypothesis)} words",
    )
    _save(figure, path)


def _draw_bin(
    axes: "Axes", column: int, entries: Sequence[tuple[int, float]], names: Sequence[str], min_posterior: float
) -> None:
    bottom = 0.0
    for rank, (word, posterior) in enumerate(entries):
        if posterior < min_posterior:
            break
        color = "0.85" if word == 0 else f"C{min(rank, 9)}"
        axes.bar(column, posterior, bottom=bottom, width=0.9, color=color, alpha=0.6, edgecolor="white")
        if posterior > 0.04:
            text = "-" if word == 0 else names[word]
            axes.text(column, bottom + posterior / 2, text, ha="center", va="center", fontsize=8, parse_math=False)
        bottom += posterior


def _save(figure: "Figure", path: str | os.PathLike[str]) -> None:
    with written_aside(path) as aside:
        figure.savefig(aside, format=Path(path).suffix.lstrip(".").lower(), dpi=150)
