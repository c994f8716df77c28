"""Files that appear whole or not at all: written aside in the same folder, then renamed."""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
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


@contextmanager
def files_together(
    folder: str | os.PathLike[str], *, last: str, others: Iterable[str] = (), inside: str = ""
) -> Iterator[Path]:
    """Yield a new folder inside `folder`; its files are moved up into `folder` when the block ends.

    A block that raises leaves `folder` as it was.  The file `last` is taken away first and moved last, so that a folder
    without it counts as not written.

    Args:
        folder: where the files belong.
        last: name of the file that makes the set whole.
        others: names of files that an older set may have left, which go where the block did not write them.
        inside: name of the new folder, emptied first; by default a name that no other process takes.

    Raises:
        WfstAsrError: the folder cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for content in ("old", "new"):
    ...     with files_together(folder, last="model") as aside:
    ...         _ = (aside / "tree").write_text(content)
    ...         _ = (aside / "model").write_text(content)
    >>> sorted(path.name for path in folder.iterdir()), (folder / "tree").read_text()
    (['model', 'tree'], 'new')
    """
    root = Path(folder)
    made = [place for place in (root, *root.absolute().parents) if not place.exists()]
    aside = root / (inside or f".{secrets.token_hex(4)}.part")
    try:
        if inside:
            shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        names = sorted(path.name for path in aside.iterdir() if path.name != last)
        for name in (last, *(name for name in others if name not in names)):
            (root / name).unlink(missing_ok=True)
        for name in (*names, last):
            (aside / name).replace(root / name)
    except OSError as error:
        raise WfstAsrError(
            f"{root}: writing failed ({error.strerror}); free some space or choose a folder that you may write to"
        ) from error
    except WfstAsrError as error:
        raise WfstAsrError(str(error).replace(str(aside), str(root))) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            for place in made:
                place.rmdir()


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
