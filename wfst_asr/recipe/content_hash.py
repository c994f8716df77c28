"""SHA-256 of files and folders, remembered by path, size and time of change."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError

_YOUNG_NS = 2_000_000_000  # a file changed so lately may change again within one tick of the file system's clock


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises:
        WfstAsrError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); an input of the recipe is missing") from error


class ContentHashes:
    """Hashes of contents, kept in a file between runs.

    What counts is the content: a copied or touched file has the hash it had.  Size and time of change only tell whether
    a file has to be read again.

    Args:
        store: JSON file of the hashes known; None keeps them in memory.
    """

    def __init__(self, store: str | os.PathLike[str] | None = None) -> None:
        self._store = None if store is None else Path(store)
        self._known: dict[str, list[object]] = {}
        self._changed = False
        if self._store is not None and self._store.exists():
            try:
                found = json.loads(self._store.read_text("utf-8"))
                self._known = found if isinstance(found, dict) else {}
            except (OSError, ValueError):
                self._known = {}

    def of_file(self, path: str | os.PathLike[str]) -> str:
        """Return the SHA-256 of a file's content.

        Raises:
            WfstAsrError: it cannot be read.
        """
        name = os.path.abspath(path)
        try:
            status = os.stat(name)
        except OSError as error:
            raise WfstAsrError(f"{path}: no such file, but the recipe needs it") from error
        known = self._known.get(name)
        if isinstance(known, list) and len(known) == 3 and known[:2] == [status.st_size, status.st_mtime_ns]:
            return str(known[2])
        digest = sha256_of(name)
        if time.time_ns() - status.st_mtime_ns > _YOUNG_NS:
            self._known[name] = [status.st_size, status.st_mtime_ns, digest]
            self._changed = True
        return digest

    def of_files(self, folder: str | os.PathLike[str], names: Iterable[str] | None = None) -> dict[str, str]:
        """Return the hashes of the files in a folder by relative name, sorted.

        Args:
            folder: the folder.
            names: those wanted; None: all but hidden ones.
        """
        if names is None:
            names = files_in(folder)
        return {name: self.of_file(os.path.join(folder, name)) for name in sorted(names)}

    def save(self) -> None:
        """Write what is known; hashes of files that are gone are dropped."""
        if self._store is None or not self._changed:
            return
        kept = {name: known for name, known in sorted(self._known.items()) if os.path.exists(name)}
        with written_aside(self._store) as aside:
            aside.write_text(json.dumps(kept, indent=0), encoding="utf-8")
        self._changed = False


def files_in(folder: str | os.PathLike[str]) -> list[str]:
    """Return the relative names of all files below a folder but hidden ones, sorted; links are followed."""
    root = Path(folder)
    found = []
    for place, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [(Path(place) / name).relative_to(root).as_posix() for name in files if not name.startswith(".")]
    return sorted(found)


def digest_of(hashes: Mapping[str, str]) -> str:
    """Return one hash for several named ones.

    >>> digest_of({"a": "1", "b": "2"}) == digest_of({"b": "2", "a": "1"}) != digest_of({"a": "2", "b": "1"})
    True
    """
    return hashlib.sha256(json.dumps(dict(hashes), sort_keys=True).encode()).hexdigest()
