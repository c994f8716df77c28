"""Plot of a network's training: loss and errors over the epochs, training beside validation."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.language_model import check_plot
from wfst_asr.plots.picture_file import save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES_NAME = "curves.json"
_RUNNING = ".training"
_ERRORS = {"token_errors": "tokens, greedy", "word_errors": "words, greedy", "frame_errors": "frames"}


def draw_training_curves(model_dir: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Draw loss and validation errors over the epochs into an image file, the epoch that was kept marked.

    Args:
        model_dir: folder of a network with its curves.json, of a finished training or one that goes on; or that file.
        path: the file; its suffix says its kind (.png, .svg, .pdf).

    Raises:
        WfstAsrError: no curves, or ones that cannot be read; no matplotlib, or it cannot write this kind of file.
    """
    check_plot(path)
    curves = read_curves(model_dir)
    from matplotlib.figure import Figure

    errors = [name for name in _ERRORS if all(name in record for record in curves)]
    figure = Figure(figsize=(11 if errors else 6, 4.2), layout="constrained")
    _draw_loss(curves, figure.add_subplot(1, 2 if errors else 1, 1))
    if errors:
        _draw_errors(curves, errors, figure.add_subplot(1, 2, 2))
    save_picture(figure, path)


def read_curves(model_dir: str | os.PathLike[str]) -> tuple[Mapping[str, float], ...]:
    """Read the records of curves.json, of a training that goes on where the folder has one.

    Raises:
        WfstAsrError: there are none, or they are no records of epochs.
    """
    path = _curves_of(Path(model_dir))
    try:
        told = json.loads(path.read_text("utf-8"))
        curves = tuple({str(name): float(value) for name, value in record.items()} for record in told)
    except OSError as error:
        raise WfstAsrError(f"{path}: {error.strerror}; expected the curves of a network's training") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise WfstAsrError(f"{path}: expected a list of records, one an epoch") from error
    if not curves or any(not {"epoch", "train_loss", "loss"} <= set(record) for record in curves):
        raise WfstAsrError(f"{path}: expected records of epochs with 'epoch', 'train_loss' and 'loss'")
    return curves


def is_of_network(model_dir: str | os.PathLike[str]) -> bool:
    """Tell whether a folder, or the file itself, has the curves of a network."""
    path = _curves_of(Path(model_dir))
    return path.name == CURVES_NAME and path.is_file()


def _curves_of(place: Path) -> Path:
    if not place.is_dir():
        return place
    running = place / _RUNNING / CURVES_NAME
    return running if running.exists() else place / CURVES_NAME


def _kept(curves: Sequence[Mapping[str, float]]) -> int:
    """Return the place of the epoch that was kept."""
    watched = [record.get("watched", record["loss"]) for record in curves]
    return watched.index(min(watched))


def _draw_loss(curves: Sequence[Mapping[str, float]], axes: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    epochs = [record["epoch"] for record in curves]
    for name, label in (("train_loss", "training (varied, with dropout)"), ("loss", "validation")):
        axes.plot(epochs, [record[name] for record in curves], label=label)
    kept = curves[_kept(curves)]
    axes.plot(
        [kept["epoch"]], [kept["loss"]], "o", fillstyle="none", color="C1", label=f"kept: epoch {kept['epoch']:g}"
    )
    axes.set(xlabel="epoch", ylabel="loss (natural log)", title="Loss", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    _whole_epochs(axes)


def _draw_errors(curves: Sequence[Mapping[str, float]], names: Sequence[str], axes: "Axes") -> None:
    epochs = [record["epoch"] for record in curves]
    kept = _kept(curves)
    for place, name in enumerate(names):
        values = [record[name] for record in curves]
        axes.plot(epochs, values, color=f"C{place + 1}", label=f"{_ERRORS[name]}: {values[kept]:.1f} %")
        axes.plot([epochs[kept]], [values[kept]], "o", fillstyle="none", color=f"C{place + 1}")
    axes.set(xlabel="epoch", ylabel="errors (%)", title="Validation errors")
    axes.set_ylim(0, min(100.0, 1.1 * max(record[name] for record in curves for name in names)))
    _whole_epochs(axes)


def _whole_epochs(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
