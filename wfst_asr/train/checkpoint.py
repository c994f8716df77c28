"""Checkpoint: the model as it was when an iteration with a new alignment began, so that a killed stage goes on there.

Only such iterations are kept: what follows depends on the model alone, not on the alignments before.
"""

import hashlib
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.gmm.acoustic_model import AcousticModel

if TYPE_CHECKING:
    from wfst_asr.train.iterations import Model


_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the latest model of a running stage.

    Attributes:
        path: the file; None keeps nothing.
        key: stands for the inputs and options of the stage; a file with another key is not taken up.
    """

    path: Path | None = None
    key: str = ""

    def save(self, iteration: int, first: int, model: "Model") -> None:
        """Write the model that an iteration begins with; `first` is the number of Gaussians that the stage began with.

        Raises:
            WfstAsrError: the file cannot be written.
        """
        if self.path is None:
            return
        gmm = model.gmm
        arrays = {
            "offsets": gmm.offsets,
            "weights": gmm.weights,
            "means": gmm.means,
            "variances": gmm.variances,
            "log_prob": model.transitions.log_prob,
        }
        if model.matrix is not None:
            arrays["matrix"] = model.matrix
        speakers = sorted(model.transforms)
        if speakers:
            arrays["transforms"] = np.stack([model.transforms[name] for name in speakers])
        head = json.dumps({"key": self.key, "iteration": iteration, "first": first, "speakers": speakers})
        arrays["head"] = np.frombuffer(head.encode(), dtype=np.uint8)
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        with written_aside(self.path) as aside:
            aside.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getvalue())

    def load(self, model: "Model") -> "tuple[int, int, Model] | None":
        """Return the iteration to begin with, the first number of Gaussians and the model; None where there is none.

        A damaged file, or one of another key, is as good as none: the stage begins anew.
        """
        found = self._read()
        if found is None:
            return None
        head, arrays = found
        gmm = AcousticModel(arrays["offsets"], arrays["weights"], arrays["means"], arrays["variances"])
        transitions = replace(model.transitions, log_prob=arrays["log_prob"])
        names = head["speakers"]
        transforms = dict(zip(names, arrays["transforms"], strict=True)) if names else {}
        changed = replace(model, gmm=gmm, transitions=transitions, matrix=arrays.get("matrix"), transforms=transforms)
        return int(head["iteration"]), int(head["first"]), changed

    def remove_of_others(self) -> None:
        """Remove the file where it has another key or is damaged."""
        if self.path is not None and self.path.exists() and self._read() is None:
            self.path.unlink()

    def _read(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        if self.path is None or not self.path.exists():
            return None
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        digest, content = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = dict(stored)
        head = json.loads(arrays.pop("head").tobytes())
        return (head, arrays) if head["key"] == self.key else None
