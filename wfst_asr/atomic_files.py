"""Files that appear whole or not at all: written aside in the same folder, then renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wfst_asr.errors import WfstAsrError


@contextmanager
def written_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an exception.

    A block that raises (Ctrl-C included) leaves a file that was there before as it was, and nothing half-written.
    Missing parent folders are made, and removed again where the block raises.

    Raises:
        WfstAsrError: the folder cannot be made or written, the path is a folder or a device, or the disk is full.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_aside(folder / "words.txt") as aside:
    ...     _ = aside.write_text("<eps> 0")
    >>> [p.name for p in folder.iterdir()]
    ['words.txt']
    """
    target = Path(path)
    made = [folder for folder in target.parents if not folder.exists()]
    _check_place(target)
    aside = _aside_of(target, target.parent)
    try:  # from here on an interruption at any point removes what was made
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.open("xb").close()
        except OSError as error:
            raise WfstAsrError(
                f"{target}: cannot be written ({error.strerror}); choose a folder that you may write to"
            ) from error
        try:
            yield aside
            aside.replace(target)
        except OSError as error:
            raise WfstAsrError(
                f"{target}: writing failed ({error.strerror}); free some space or choose another folder"
            ) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        _remove_empty(made)


def check_writable_folder(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder that cannot be made or written, before the work is done and not after; nothing is left in it.

    Raises:
        WfstAsrError: it cannot be written.

    >>> import tempfile
    >>> check_writable_folder(Path(tempfile.mkdtemp()) / "new" / "newer")
    """
    target = Path(folder)
    nearest = next(path for path in (target.absolute(), *target.absolute().parents) if path.exists())
    probe = _aside_of(target, nearest)
    try:
        probe.mkdir()
    except OSError as error:
        raise WfstAsrError(
            f"{target}: cannot be written ({error.strerror}); choose a folder that you may write to"
        ) from error
    finally:
        with suppress(OSError):
            probe.rmdir()


def _aside_of(target: Path, folder: Path) -> Path:
    """Return a name in `folder` for a file or folder that stands in for the target for a while."""
    return folder / f".{target.name}.{secrets.token_hex(4)}.part"


def _check_place(target: Path) -> None:
    """Refuse to replace a folder, or a device such as /dev/null (root may)."""
    if target.is_dir():
        raise WfstAsrError(f"{target}: is a folder; give the name of a file to write")
    if target.exists() and not target.is_file():
        raise WfstAsrError(f"{target}: is a device or a pipe; give the name of a file to write")


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that are empty, the innermost first."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
