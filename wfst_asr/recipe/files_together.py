"""Files of a folder that are replaced together: an older set stays whole until the new one is written."""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wfst_asr.errors import WfstAsrError


@contextmanager
def files_together(folder: str | os.PathLike[str], *, last: str, others: Iterable[str] = ()) -> Iterator[Path]:
    """Yield a new folder inside `folder`; its files are moved up into `folder` when the block ends.

    A block that raises leaves `folder` as it was.  The file `last` is taken away first and moved last, so that a folder
    without it counts as not written.

    Args:
        folder: where the files belong.
        last: name of the file that makes the set whole.
        others: names of files that an older set may have left, which go where the block did not write them.

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
    aside = root / f".{secrets.token_hex(4)}.part"
    try:
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
