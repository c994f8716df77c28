"""A progress bar over the bytes of texts and the steps after them, on terminals only."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def progress_of_texts(paths: Sequence[str | Path]) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """Yield `progress(bytes read)` and `report(name of the step that begins)`; both silent elsewhere."""
    if not sys.stderr.isatty():
        yield (lambda _bytes: None), (lambda _name: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description:<20}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    total = sum(Path(path).stat().st_size for path in paths if Path(path).is_file())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        running = bar.add_task("reading the text", total=total or None)

        def progress(num_bytes: int) -> None:
            bar.advance(running, num_bytes)

        def report(name: str) -> None:
            nonlocal running
            bar.update(running, total=1, completed=1)
            running = bar.add_task(name, total=None)

        yield progress, report
        bar.update(running, total=1, completed=1)
