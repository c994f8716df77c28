"""Pictures of HMMs: states as circles, arcs with their probabilities."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfst_asr.atomic_files import written_aside
from wfst_asr.hmm.topology import NO_PDF, HmmTopology
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.plots.language_model import check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Circle

_RADIUS = 0.27
_MOST_PDFS = 3


@dataclass(frozen=True)
class HmmPicture:
    """What a picture of an HMM shows.

    Attributes:
        title: the phone, and where the probabilities are from.
        state_notes: a line under each state but the final one, such as its pdf-ids.
        arcs: (state, next state, probability); a loop leads to its own state, the last state is the final one.
    """

    title: str
    state_notes: tuple[str, ...]
    arcs: tuple[tuple[int, int, float], ...]

    @property
    def summary(self) -> str:
        """Tell the numbers of states and arcs in a few words."""
        loops = sum(source == dest for source, dest, _ in self.arcs)
        skips = sum(dest > source + 1 for source, dest, _ in self.arcs)
        sizes = f"states: {len(self.state_notes)}, arcs: {len(self.arcs)}, self-loops: {loops}, skips: {skips}"
        return f"{self.title}; {sizes}"


def hmm_picture(topology: HmmTopology, phone: int, name: str) -> HmmPicture:
    """Return the picture of a phone's topology: probabilities before training, pdf-classes under the states.

    Raises:
        WfstAsrError: the topology does not cover this phone.

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> hmm_picture(HmmTopology((left_to_right(2, skip_prob=0.1),), {1: 0}), 1, "AH").summary
    'AH, before training; states: 2, arcs: 5, self-loops: 2, skips: 1'
    """
    states = topology.states(phone)
    notes = tuple("no pdf" if s.forward_pdf_class == NO_PDF else f"class {s.forward_pdf_class}" for s in states[:-1])
    arcs = tuple((number, dest, prob) for number, state in enumerate(states) for dest, prob in state.transitions)
    return HmmPicture(f"{name}, before training", notes, arcs)


def trained_picture(model: TransitionModel, phone: int, name: str) -> HmmPicture:
    """Return the picture of a phone's trained HMM: the mean probability over the tied states of each HMM state.

    Raises:
        WfstAsrError: the model does not cover this phone.
    """
    states = model.topology.states(phone)
    notes, arcs = [], []
    for number, state in enumerate(states[:-1]):
        of_state = np.flatnonzero((model.phone == phone) & (model.hmm_state == number))
        if not len(of_state):  # no pdf, no transition-ids
            notes.append("no pdf")
            arcs += [(number, dest, prob) for dest, prob in state.transitions]
            continue
        for dest, _ in state.transitions:
            ids = of_state[model.next_hmm_state[of_state] == dest]
            arcs.append((number, dest, float(np.exp(model.log_prob[ids].astype(np.float64)).mean())))
        forward = of_state[~model.is_self_loop[of_state]]
        pdfs = np.unique(model.pdf_id[forward]).tolist()
        shown = ", ".join(map(str, pdfs[:_MOST_PDFS])) + (f" +{len(pdfs) - _MOST_PDFS}" if pdfs[_MOST_PDFS:] else "")
        notes.append(f"pdf {shown}")
    return HmmPicture(f"{name}, trained", tuple(notes), tuple(arcs))


def plot_hmm(picture: HmmPicture, path: str | os.PathLike[str]) -> None:
    """Draw an HMM into an image file: loops above the states, forward skips above these, arcs back below.

    Args:
        picture: of `hmm_picture` or `trained_picture`.
        path: the file; its suffix says its kind (.png, .svg, .pdf).

    Raises:
        WfstAsrError: matplotlib is not installed, or cannot write this kind of file.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    final = len(picture.state_notes)
    above = max([0.9] + [_height(dest - source) + 0.25 for source, dest, _ in picture.arcs if dest > source + 1])
    below = max([0.6] + [_height(source - dest) + 0.25 for source, dest, _ in picture.arcs if dest < source])
    figure = Figure(figsize=(1.5 * (final + 2), 1.5 * (above + below) + 0.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(-0.9, final + 0.5), ylim=(-below, above), aspect="equal", title=picture.title)
    axes.set_axis_off()
    circles = [_draw_state(axes, number, is_final=number == final) for number in range(final + 1)]
    for number, note in enumerate(picture.state_notes):
        axes.text(number, -_RADIUS - 0.04, note, ha="center", va="top", fontsize=7, color="dimgray", zorder=5)
    axes.annotate("", (-_RADIUS, 0), (-0.8, 0), arrowprops={"arrowstyle": "-|>", "color": "black"})
    for source, dest, prob in picture.arcs:
        _draw_arc(axes, circles, source, dest, f"{prob:.3g}")
    with written_aside(path) as aside:
        figure.savefig(aside, format=Path(path).suffix.lstrip(".").lower(), dpi=150)


def _height(span: int) -> float:
    """How far the middle of an arc over this many states is from the row of states."""
    return 0.45 if span == 1 else 0.45 + 0.27 * span


def _draw_state(axes: "Axes", number: int, *, is_final: bool) -> "Circle":
    from matplotlib.patches import Circle

    circle = Circle((number, 0), _RADIUS, facecolor="white", edgecolor="black", zorder=3)
    axes.add_patch(circle)
    if is_final:
        axes.add_patch(Circle((number, 0), 0.8 * _RADIUS, facecolor="white", edgecolor="black", zorder=3))
    axes.text(number, 0, str(number), ha="center", va="center", fontsize=10, zorder=4)
    return circle


def _draw_arc(axes: "Axes", circles: "list[Circle]", source: int, dest: int, label: str) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 10, "color": "black", "linewidth": 0.9, "zorder": 2}
    if source == dest:
        x, y = _RADIUS * math.sin(0.25), _RADIUS * math.cos(0.25)
        points = [(source - x, y), (source - 0.35, 0.78), (source + 0.35, 0.78), (source + x, y)]
        curve = Curve(points, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
        axes.add_patch(FancyArrowPatch(path=curve, **style))
        where = (float(source), 0.65)
    else:
        span = abs(dest - source)
        height = 0.0 if dest == source + 1 else _height(span) if dest > source else -_height(span)
        # the middle of an arc3 curve is half its rad times its length away, on the right of its direction
        rad = -2 * abs(height) / span
        axes.add_patch(
            FancyArrowPatch(
                (source, 0),
                (dest, 0),
                connectionstyle=f"arc3,rad={rad}",
                patchA=circles[source],
                patchB=circles[dest],
                shrinkA=0,
                shrinkB=0,
                **style,
            )
        )
        where = ((source + dest) / 2, height if height else 0.09)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
    axes.text(*where, label, ha="center", va="center", fontsize=8, zorder=6, bbox=box)
