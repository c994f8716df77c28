"""Plots of what a text offers a language model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.diagnose import Diagnosis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_diagnosis(diagnosis: Diagnosis, path: str | os.PathLike[str]) -> None:
    """Draw the coverage of vocabularies, and the counts of counts with Gale's log-linear fit, into an image file.

    Args:
        diagnosis: of `diagnose_text`.
        path: the file; its suffix says its kind (.png, .svg, .pdf).

    Raises:
        WfstAsrError: matplotlib is not installed, or cannot write this kind of file.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    _draw_coverage(diagnosis, figure.add_subplot(1, 2, 1))
    _draw_counts_of_counts(diagnosis, figure.add_subplot(1, 2, 2))
    with written_aside(path) as aside:
        figure.savefig(aside, format=_kind(path), dpi=150)


def check_plot(path: str | os.PathLike[str]) -> None:
    """Refuse a plot that cannot be written, before the work is done and not after.

    Raises:
        WfstAsrError: matplotlib is not installed, or cannot write this kind of file.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise WfstAsrError("plots need matplotlib; install it with: pip install 'wfst-asr[plots]'") from error
    if _kind(path) not in Figure().canvas.get_supported_filetypes():
        raise WfstAsrError(f"{path}: no kind of image that matplotlib writes; end the name in .png, .svg or .pdf")


def _kind(path: str | os.PathLike[str]) -> str:
    return Path(path).suffix.lstrip(".").lower()


def _draw_coverage(diagnosis: Diagnosis, axes: "Axes") -> None:
    sizes = [c.size for c in diagnosis.coverage]
    axes.plot(sizes, [100 * c.covered for c in diagnosis.coverage], "o-", label="of the text, its commonest words")
    new = [(c.size, 100 * (1 - c.oov_rate)) for c in diagnosis.coverage if c.oov_rate is not None]
    if new:
        axes.plot(*zip(*new, strict=True), "s--", label="of the second half, the first half's")
    axes.set_xscale("log")
    axes.set(xlabel="words in the vocabulary", ylabel="running words covered (%)", title="Coverage")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()


def _draw_counts_of_counts(diagnosis: Diagnosis, axes: "Axes") -> None:
    for found in diagnosis.orders:
        r, n = found.counts.r, found.counts.n
        if not len(r):
            continue
        (dots,) = axes.plot(r, n, ".", markersize=4, alpha=0.6, label=f"{found.order}-grams")
        if found.fit is not None:
            ends = np.array([r[0], r[-1]], dtype=np.float64)
            fitted = np.exp(found.fit.intercept + found.fit.slope * np.log(ends))
            axes.plot(ends, fitted, "-", color=dots.get_color(), linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)
    axes.set(xlabel="count r", ylabel="n-grams with this count, n_r", title="Counts of counts and log-linear fit")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
