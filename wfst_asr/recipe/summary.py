"""What a recipe reports at its end: the models with their error rates and costs, and the other stages."""

from collections.abc import Iterable, Mapping
from typing import Any

from wfst_asr.recipe.stages import StageResult

_KINDS = ("train", "graph", "decode")
_COLUMNS = (  # heading, figure, digits
    ("", "", 0),
    ("WER %", "wer", 2),
    ("LER %", "ler", 2),  # of letters
    ("at default", "wer_default", 2),
    ("unadapted", "wer_first_pass", 2),
    ("states", "pdfs", 0),
    ("Gaussians", "gaussians", 0),
    ("CPU s", "cpu_seconds", 1),
    ("graph CPU s", "graph_cpu_seconds", 1),
    ("decode CPU s", "decode_cpu_seconds", 1),
    ("peak MB", "largest_peak_mb", 0),
)


def summary_of(results: Iterable[StageResult]) -> dict[str, Any]:
    """Return the results for JSON.

    The stages train-X, graph-X and decode-X make one entry X of `stages`: `cpu_seconds`, `wall_seconds` and `peak_mb`
    are of the training, `graph_...` and `decode_...` of the others; figures of decoding (such as `wer`, in percent) and
    training stand by their names, those of the graph after `graph_`.  All other stages are in `steps`.
    `cpu_seconds` is the sum over all of them.

    >>> train = StageResult("train-mono", True, {"gaussians": 9}, 5.0, 5.5, 80.0)
    >>> decode = StageResult("decode-mono", True, {"wer": 1.5}, 2.0, 2.5, 90.0)
    >>> told = summary_of([train, decode])
    >>> told["stages"]["mono"]["wer"], told["stages"]["mono"]["cpu_seconds"], told["cpu_seconds"]
    (1.5, 5.0, 7.0)
    """
    stages: dict[str, dict[str, Any]] = {}
    steps: dict[str, dict[str, Any]] = {}
    total = 0.0
    for result in results:
        total += result.cpu_seconds
        usage = {
            "cpu_seconds": result.cpu_seconds,
            "wall_seconds": result.wall_seconds,
            "peak_mb": result.peak_mb,
        }
        kind, _, model = result.name.partition("-")
        if kind not in _KINDS or not model:
            steps[result.name] = {**result.figures, **usage}
            continue
        entry = stages.setdefault(model, {})
        if kind == "train":
            entry.update(result.figures)
            entry.update(usage)
        else:
            prefix = f"{kind}_"
            entry.update(
                {(prefix + name if kind == "graph" else name): value for name, value in result.figures.items()}
            )
            entry.update({prefix + name: value for name, value in usage.items()})
    first = ("wer", "cpu_seconds")
    ordered = {
        model: {**{name: entry[name] for name in first if name in entry}, **entry} for model, entry in stages.items()
    }
    return {"stages": ordered, "steps": steps, "cpu_seconds": round(total, 3)}


def table_of(told: Mapping[str, Any]) -> list[str]:
    """Return the lines of a table of what `summary_of` returned."""
    letters = any("ler" in entry for entry in told["stages"].values())
    columns = [column for column in _COLUMNS if column[1] != "ler" or letters]
    rows = [tuple(heading for heading, _, _ in columns)]
    for model, entry in told["stages"].items():
        peaks = [entry[name] for name in ("peak_mb", "graph_peak_mb", "decode_peak_mb") if name in entry]
        known = {**entry, "": model, "largest_peak_mb": max(peaks, default=None)}
        rows.append(tuple(_cell(known.get(name), digits) for _, name, digits in columns))
    for step, entry in told["steps"].items():
        known = {"": step, "cpu_seconds": entry["cpu_seconds"], "largest_peak_mb": entry["peak_mb"]}
        rows.append(tuple(_cell(known.get(name), digits) for _, name, digits in columns))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return [*(line.rstrip() for line in lines), f"{told['cpu_seconds']:.1f} CPU seconds in all"]


def _cell(value: float | str | None, digits: int) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.{digits}f}"
