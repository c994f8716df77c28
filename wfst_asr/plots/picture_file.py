"""Pictures into files, the same bytes for the same picture."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfst_asr.atomic_files import written_aside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DATES: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def save_picture(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure without a date and without random names; texts of an SVG stay texts.

    Args:
        figure: of matplotlib.
        path: the file; its suffix says its kind (.png, .svg, .pdf).

    Raises:
        WfstAsrError: it cannot be written.
    """
    from matplotlib import rc_context

    kind = Path(path).suffix.lstrip(".").lower()
    with rc_context({"svg.hashsalt": "wfst_asr", "svg.fonttype": "none"}), written_aside(path) as aside:
        figure.savefig(aside, format=kind, dpi=150, metadata=_DATES.get(kind))
