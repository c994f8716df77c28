"""Pictures of lattices of words: states at their times, arcs with their words, as thick as they are probable."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.plots.language_model import check_plot
from wfst_asr.plots.lattice_layout import DrawnArc, LatticePicture, lattice_picture
from wfst_asr.plots.picture_file import save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES_A_LETTER = 0.09
_BEND = 0.3  # share of an arc's length in which it reaches its lane


def draw_lattice(
    lattice: CompactLattice,
    path: str | os.PathLike[str],
    *,
    words: Sequence[str] = (),
    acoustic_scale: float | None = None,
    insertion_penalty: float = 0.0,
    frame_shift_ms: float = 10.0,
    max_arcs: int = 60,
    title: str = "Lattice",
) -> LatticePicture:
    """Draw a lattice of words over time into an image file, and return what was drawn.

    The best path is red and straight; arcs are the thicker and darker the more probable they are, and tell word and
    posterior; those without a word are dashed.  Of a large lattice only the best paths are drawn, as the title says
    then; posteriors are those in the whole lattice.  Times are where arcs begin and end: exact if the words have been
    aligned (`decoder.word_lattice`).

    Args:
        lattice: with at least one path.
        path: the file; its suffix says its kind (.png, .svg, .pdf).
        words: their names, by label; without them words are numbers.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.
        frame_shift_ms: time from a frame to the next.
        max_arcs: so many arcs are drawn at most, unless the best path has more.
        title: above the picture, such as the utterance-id.

    Raises:
        WfstAsrError: a word without a name; max_arcs below 1, a scale that is no number above 0, or a lattice without a
            path; no matplotlib, or it cannot write this kind of file.
    """
    check_plot(path)
    picture = lattice_picture(
        lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty, max_arcs=max_arcs
    )
    largest = max((arc.word for arc in picture.arcs), default=0)
    if words and largest >= len(words):
        raise WfstAsrError(f"word {largest} has no name; there are names for {len(words)} labels")
    texts = [_text(arc, words) for arc in picture.arcs]
    lanes = [lane for _, lane in picture.states] + [arc.lane for arc in picture.arcs]
    low, high = min(lanes, default=0), max(lanes, default=0)
    last = max([1.0, *(time for time, _ in picture.states)])
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_width(picture, texts, last), 0.55 * (high - low) + 1.6), layout="constrained")
    axes = figure.add_subplot()
    for arc, text in zip(picture.arcs, texts, strict=True):
        _draw_arc(axes, picture, arc, text, frame_shift_ms / 1000)
    for place, (time, lane) in enumerate(picture.states):
        is_end = place == len(picture.states) - 1
        axes.plot(
            [time * frame_shift_ms / 1000],
            [lane],
            marker="o",
            markersize=8 if is_end else 5,
            markerfacecolor="white" if is_end else "black",
            markeredgecolor="black",
            zorder=4,
        )
    seconds = last * frame_shift_ms / 1000
    axes.set(xlim=(-0.02 * seconds, 1.02 * seconds), ylim=(low - 0.4, high + 0.4), xlabel="time (s)")
    axes.yaxis.set_visible(False)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_title(_title(picture, title), fontsize=10, parse_math=False)
    save_picture(figure, path)
    return picture


def _text(arc: DrawnArc, words: Sequence[str]) -> str:
    if arc.word == 0:
        return ""
    return f"{words[arc.word] if words else arc.word} {arc.posterior:.2f}"


def _title(picture: LatticePicture, title: str) -> str:
    if picture.num_drawn == picture.num_arcs:
        return f"{title}: {picture.num_arcs:,} arcs"
    return (
        f"{title}: {picture.num_drawn:,} of {picture.num_arcs:,} arcs, those on paths costing at most "
        f"{picture.beam:.2f} more than the best"
    )


def _width(picture: LatticePicture, texts: Sequence[str], last: float) -> float:
    """Return inches in which texts are not wider than their arcs, if that is not too wide for a picture."""
    widths = [6.0]
    for arc, text in zip(picture.arcs, texts, strict=True):
        length = picture.states[arc.dest][0] - picture.states[arc.source][0]
        widths.append((_INCHES_A_LETTER * len(text) + 0.2) * last / length if text else 0.0)
    return min(24.0, max(widths))


def _draw_arc(axes: "Axes", picture: LatticePicture, arc: DrawnArc, text: str, frame_shift_s: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    (begin, from_lane), (end, to_lane) = picture.states[arc.source], picture.states[arc.dest]
    begin, end = begin * frame_shift_s, end * frame_shift_s
    bend = _BEND * (end - begin)
    points = [(begin, from_lane), (begin + bend, arc.lane), (end - bend, arc.lane), (end, to_lane)]
    strength = math.sqrt(min(1.0, max(0.0, arc.posterior)))  # so that the improbable ones are seen
    color = (0.8, 0.1, 0.1) if arc.is_best else (0.75 * (1 - strength),) * 3
    axes.add_patch(
        FancyArrowPatch(
            path=Curve(points, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]),
            arrowstyle="-|>",
            mutation_scale=9,
            color=color,
            linewidth=0.6 + 2.4 * strength,
            linestyle="-" if arc.word else "--",
            shrinkA=0,
            shrinkB=3,
            zorder=3 if arc.is_best else 2,
        )
    )
    middle = (from_lane + 6 * arc.lane + to_lane) / 8  # of the curve
    if text:
        letters = color if arc.is_best else tuple(0.6 * part for part in color)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
        axes.text(
            (begin + end) / 2, middle, text, ha="center", va="center", fontsize=8, color=letters, zorder=5, bbox=box,
            parse_math=False,
        )  # fmt: skip
