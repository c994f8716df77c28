"""Plot of a training log: the objective, and how the Gaussians grow."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.language_model import check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_NAME = "log.jsonl"


@dataclass(frozen=True)
class LoggedIteration:
    """What the plot takes from a line of a log.

    Attributes:
        iteration: its number.
        log_likelihood_per_frame: natural log; None where the line has none.
        num_gaussians: of the whole model.
        gaussians_by_pdf: how many states have how many Gaussians; empty where it is not told.
        realigned: whether the iteration aligned again.
        note: what else was done.
    """

    iteration: int
    log_likelihood_per_frame: float | None
    num_gaussians: int
    gaussians_by_pdf: Mapping[int, int]
    realigned: bool
    note: str


def draw_training(model_dir: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Draw log likelihood a frame and Gaussians a state over the iterations of a training into an image file.

    Args:
        model_dir: folder of a model with its log.jsonl, of a finished training or one that goes on; or the log itself.
        path: the file; its suffix says its kind (.png, .svg, .pdf).

    Raises:
        WfstAsrError: no log, or one that cannot be read; no matplotlib, or it cannot write this kind of file.
    """
    check_plot(path)
    log = read_log(model_dir)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    _draw_objective(log, figure.add_subplot(1, 2, 1))
    _draw_gaussians(log, figure.add_subplot(1, 2, 2))
    with written_aside(path) as aside:
        figure.savefig(aside, format=Path(path).suffix.lstrip(".").lower(), dpi=150)


def read_log(model_dir: str | os.PathLike[str]) -> tuple[LoggedIteration, ...]:
    """Read a training log; a last line that is still being written is left out.

    Raises:
        WfstAsrError: there is none, or a line is no record of an iteration.
    """
    place = Path(model_dir)
    path = place / LOG_NAME if place.is_dir() else place
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise WfstAsrError(f"{path}: no such file; expected the log of a training, in the model's folder") from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{path}: not UTF-8 text; expected the log of a training") from error
    whole = text.rpartition("\n")[0]
    found = []
    for number, line in enumerate(whole.split("\n"), start=1):
        if line.strip():
            try:
                found.append(_iteration(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise WfstAsrError(f"{path}:{number}: no record of an iteration; expected a line of JSON") from error
    if not found:
        raise WfstAsrError(f"{path}: has no iterations yet; expected a line of JSON for each")
    return tuple(found)


def _iteration(record: Mapping[str, Any]) -> LoggedIteration:
    likelihood = record.get("log_likelihood_per_frame")
    return LoggedIteration(
        int(record["iteration"]),
        None if likelihood is None else float(likelihood),
        int(record["num_gaussians"]),
        {int(size): int(count) for size, count in (record.get("gaussians_by_pdf") or {}).items()},
        bool(record.get("realigned")),
        str(record.get("note") or ""),
    )


def _draw_objective(log: Sequence[LoggedIteration], axes: "Axes") -> None:
    known = [(entry.iteration, entry.log_likelihood_per_frame) for entry in log if entry.log_likelihood_per_frame]
    axes.plot(*zip(*known, strict=True), "-", marker=".") if known else None
    value_at = dict(known)
    realigned = [(i, value_at[i]) for i in (entry.iteration for entry in log if entry.realigned) if i in value_at]
    if realigned:
        axes.plot(*zip(*realigned, strict=True), "o", fillstyle="none", label="aligned again")
    noted: dict[str, list[tuple[int, float]]] = {}
    for entry in log:
        if entry.note and entry.iteration in value_at:
            noted.setdefault(entry.note, []).append((entry.iteration, value_at[entry.iteration] or 0.0))
    for note, points in noted.items():
        axes.plot(*zip(*points, strict=True), "^", label=note)
    if realigned or noted:
        axes.legend()
    axes.set(xlabel="iteration", ylabel="log likelihood a frame", title="Objective")
    axes.grid(visible=True, alpha=0.3)


def _draw_gaussians(log: Sequence[LoggedIteration], axes: "Axes") -> None:
    told = [entry for entry in log if entry.gaussians_by_pdf]
    iterations = [entry.iteration for entry in told]
    if told:
        sizes = [[_quantile(entry.gaussians_by_pdf, share) for share in (0.0, 0.1, 0.5, 0.9, 1.0)] for entry in told]
        least, low, middle, high, most = zip(*sizes, strict=True)
        axes.fill_between(iterations, least, most, alpha=0.15, color="C0", label="all states")
        axes.fill_between(iterations, low, high, alpha=0.3, color="C0", label="8 of 10 states")
        axes.plot(iterations, middle, color="C0", label="half of the states have at most")
        means = [
            sum(size * count for size, count in entry.gaussians_by_pdf.items()) / sum(entry.gaussians_by_pdf.values())
            for entry in told
        ]
        axes.plot(iterations, means, "--", color="C1", label="mean")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left")
        axes.set(ylabel="Gaussians a state")
    else:
        axes.plot([entry.iteration for entry in log], [entry.num_gaussians for entry in log], marker=".")
        axes.set(ylabel="Gaussians")
    axes.set(xlabel="iteration", title=f"Gaussians: {log[-1].num_gaussians:,} at the end")
    axes.grid(visible=True, alpha=0.3)


def _quantile(counts: Mapping[int, int], share: float) -> int:
    """Return the size that this share of the states does not exceed.

    >>> [_quantile({1: 5, 2: 4, 9: 1}, share) for share in (0.0, 0.5, 0.9, 1.0)]
    [1, 1, 2, 9]
    """
    wanted, seen = share * sum(counts.values()), 0
    for size in sorted(counts):
        seen += counts[size]
        if seen >= wanted:
            return size
    return max(counts)
