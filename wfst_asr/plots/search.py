"""Plot of what a search did in each frame: tokens, arcs, the beam, and where max_active cut it."""

import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.search_counts import FrameStatistics
from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.language_model import check_plot
from wfst_asr.plots.picture_file import save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_search(statistics: FrameStatistics, path: str | os.PathLike[str], *, title: str = "Search") -> None:
    """Draw tokens and arcs of each frame, and below the beam used, into an image file; limited frames are shaded.

    Frames in which all tokens were followed, since there were no more than min_active, have no beam.

    Args:
        statistics: of `decode(..., keep_statistics=True)`, or of `decoder.statistics_file.read_statistics`.
        path: the file; its suffix says its kind (.png, .svg, .pdf).
        title: above the plot, such as the utterance-id.

    Raises:
        WfstAsrError: statistics without frames; no matplotlib, or it cannot write this kind of file.
    """
    check_plot(path)
    count = len(statistics.tokens)
    if count == 0:
        raise WfstAsrError("statistics without frames; there is nothing to draw")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    frames, marker = np.arange(count), "." if count <= 100 else ""
    upper.plot(frames, statistics.arcs, marker=marker, color="C1", linewidth=1, label="arcs followed")
    upper.plot(frames, statistics.tokens, marker=marker, color="C0", linewidth=1, label="tokens")
    beam = np.where(np.isfinite(statistics.beam), statistics.beam, np.nan)
    lower.plot(frames, beam, marker=marker, color="C2", linewidth=1)
    if np.isnan(beam).all():
        lower.text(0.5, 0.5, "all tokens were followed", transform=lower.transAxes, ha="center", va="center")
    limited = int(np.count_nonzero(statistics.limited))
    for axes in (upper, lower):
        _shade(axes, statistics.limited, f"cut by max_active: {limited:,} of {count:,} frames")
        axes.grid(visible=True, alpha=0.3)
    upper.set(yscale="log", ylabel="a frame")
    upper.set_title(title, parse_math=False)
    upper.legend(loc="best")
    lower.set(xlabel="frame", ylabel="beam used", xlim=(-0.5, count - 0.5))
    lower.set_ylim(bottom=0)
    save_picture(figure, path)


def _shade(axes: "Axes", limited: NDArray[np.bool_], label: str) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], limited, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    if len(begins):
        spans = list(zip((begins - 0.5).tolist(), (ends - begins).tolist(), strict=True))
        axes.broken_barh(
            spans, (0, 1), transform=axes.get_xaxis_transform(), color="C3", alpha=0.15, linewidth=0, label=label
        )
