"""Checkpoint: the model as it was when an iteration with a new alignment began, so that a killed stage goes on there.

Only such iterations are kept: what follows depends on the model alone, not on the alignments before.
"""

import json
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel

if TYPE_CHECKING:
    from wfst_asr.train.iterations import Model


_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, IndexError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error,
    struct.error, WfstAsrError,
)  # fmt: skip


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
        with written_aside(self.path) as aside, aside.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def load(self, model: "Model") -> "tuple[int, int, Model] | None":
        """Return the iteration to begin with, the first number of Gaussians and the model; None where there is none."""
        if self.path is None or not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                head = json.loads(arrays["head"].tobytes())
                if head["key"] != self.key or len(arrays["log_prob"]) != len(model.transitions.log_prob):
                    return None
                gmm = AcousticModel(arrays["offsets"], arrays["weights"], arrays["means"], arrays["variances"])
                transitions = replace(model.transitions, log_prob=arrays["log_prob"])
                matrix = arrays.get("matrix")
                iteration, first = int(head["iteration"]), int(head["first"])
                transforms = dict(zip(head["speakers"], arrays["transforms"], strict=True)) if head["speakers"] else {}
        except _DAMAGED:
            return None  # a damaged file is as good as none: the stage begins anew
        return iteration, first, replace(model, gmm=gmm, transitions=transitions, matrix=matrix, transforms=transforms)

    def remove_of_others(self) -> None:
        """Remove the file where it has another key or is damaged."""
        if self.path is None or not self.path.exists():
            return
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                own = json.loads(arrays["head"].tobytes())["key"] == self.key
        except _DAMAGED:
            own = False
        if not own:
            self.path.unlink()
