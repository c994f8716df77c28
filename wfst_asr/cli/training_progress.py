"""A progress bar for training, on terminals only: what is done now, which iteration of how many."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_of_training(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function (what, at, of) that shows a bar; silent where the output is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _what, _at, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)

        def step(what: str, at: int, of: int) -> None:
            progress.update(task, description=f"{name}: {what}", completed=at, total=of)

        yield step
