"""Checkpoint: all that a training needs to go on as if it had not stopped, in one file that is whole or not there."""

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrWarning

_DIGEST = hashlib.sha256().digest_size
_MARK = b"wfst_asr training\n"


@dataclass(frozen=True)
class Checkpoint:
    """A file with the latest state of a running training.

    Attributes:
        path: the file; None keeps nothing.
        key: stands for the data and options of the training; a file with another key is not taken up.
    """

    path: Path | None = None
    key: str = ""

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state: numbers, texts, tensors, and lists and dictionaries of them.

        Raises:
            WfstAsrError: the file cannot be written.
        """
        if self.path is None:
            return
        content = io.BytesIO()
        torch.save({"key": self.key, "state": dict(state)}, content)
        with written_aside(self.path) as aside, aside.open("wb") as out:
            out.write(_MARK)
            out.write(hashlib.sha256(content.getbuffer()).digest())
            out.write(content.getbuffer())

    def load(self) -> dict[str, Any] | None:
        """Return the state; None where there is no file, or, with a warning, one that is damaged or of another key."""
        if self.path is None or not self.path.exists():
            return None
        state, reason = self._read(self.path)
        if reason:
            warnings.warn(f"{self.path}: {reason}; training begins anew", WfstAsrWarning, stacklevel=3)
        return state

    def remove(self) -> None:
        """Remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _read(self, path: Path) -> tuple[dict[str, Any] | None, str]:
        try:
            content = path.read_bytes()
        except OSError as error:
            return None, f"cannot be read ({error.strerror})"
        start = len(_MARK) + _DIGEST
        body = memoryview(content)[start:]
        if not content.startswith(_MARK) or hashlib.sha256(body).digest() != content[len(_MARK) : start]:
            return None, "is damaged, or no checkpoint"
        stored = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        if stored["key"] != self.key:
            return None, "is of other data or options"
        state: dict[str, Any] = stored["state"]
        return state, ""
