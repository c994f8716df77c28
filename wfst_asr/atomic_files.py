"""Files that appear whole or not at all: written aside in the same folder, then renamed."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wfst_asr.errors import WfstAsrError


@contextmanager
def written_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an exception.

    A block that raises (Ctrl-C included) leaves a file that was there before as it was, and nothing half-written.
    Missing parent folders are made.

    Raises:
        WfstAsrError: the folder cannot be made or written, or the disk is full.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_aside(folder / "words.txt") as aside:
    ...     _ = aside.write_text("<eps> 0")
    >>> [p.name for p in folder.iterdir()]
    ['words.txt']
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise WfstAsrError(
            f"{target}: cannot be written ({error.strerror}); choose a folder that you may write to"
        ) from error
    aside = Path(name)
    try:
        yield aside
        umask = os.umask(0)
        os.umask(umask)
        aside.chmod(0o666 & ~umask)
        aside.replace(target)
    except OSError as error:
        raise WfstAsrError(
            f"{target}: writing failed ({error.strerror}); free some space or choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
