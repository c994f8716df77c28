"""Acoustic scores at the door: any (T, P) array of log likelihoods, checked once.

A score is a natural-log likelihood (or posterior over prior), higher is better.  Minus infinity says that a column is
impossible at a frame and makes its arcs infinitely costly; NaN, plus infinity and what is close to it are errors.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

Scores = NDArray[np.float32]

_TOO_HIGH = np.float32(1e30)  # what no model gives, and with a scale may be more than float32 holds


def check_scores(scores: Any, num_columns: int, *, column_names: str = "", first_frame: int = 0) -> Scores:
    """Return acoustic scores as a C-contiguous (T, P) array of float32, without a copy where they are one.

    A read-only array is copied.

    Args:
        scores: anything that NumPy reads without being told how: arrays, lists, `__array__` (torch tensors on the CPU,
            bfloat16 ones converted), `__dlpack__`; or the name of a .npy file, which is mapped.
        num_columns: columns that the graph expects.
        column_names: what a column is, for the message.
        first_frame: number of the first row, for messages about a chunk of a stream.

    Raises:
        WfstAsrError: not numbers, not two-dimensional, another number of columns, NaN or plus infinity.

    >>> check_scores([[0.0, -1.0]], 2).shape
    (1, 2)
    >>> check_scores([[0.0, float("nan")]], 2)
    Traceback (most recent call last):
        ...
    wfst_asr.errors.WfstAsrError: scores at frame 0, column 1: nan, expected a number below 1e+30; check ...
    """
    array = _as_array(scores)
    if array.ndim != 2:
        batch = (
            "; take one utterance of the batch and its own frames: scores[0, :num_frames]" if array.ndim == 3 else ""
        )
        raise WfstAsrError(f"scores of shape {array.shape}, expected (frames, columns){batch}")
    if array.shape[1] != num_columns:
        told = f" ({column_names})" if column_names else ""
        turned = "; they are transposed: scores.T" if array.shape[0] == num_columns else ""
        raise WfstAsrError(
            f"scores have {array.shape[1]} columns, but the graph expects {num_columns}{told}"
            + (turned or "; take the model that the graph was compiled for")
        )
    if array.dtype.kind not in "fiu":
        raise WfstAsrError(f"scores of type {array.dtype}, expected floating-point numbers")
    checked = np.ascontiguousarray(array, dtype=np.float32)
    if not checked.flags.writeable:  # for which the kernels would be compiled anew
        checked = checked.copy()
    # np.max hands a NaN on, so one fast pass finds the frames to look at
    suspects = np.flatnonzero(~(np.max(checked, axis=1, initial=-np.inf) < _TOO_HIGH))
    if suspects.size:
        frame = int(suspects[0])
        column = int(np.flatnonzero(~(checked[frame] < _TOO_HIGH))[0])
        raise WfstAsrError(
            f"scores at frame {first_frame + frame}, column {column}: {checked[frame, column]}, expected a number "
            "below 1e+30; check the model and its input for overflow"
        )
    return checked


def _as_array(scores: Any) -> NDArray[Any]:
    if isinstance(scores, np.ndarray):
        return scores
    if isinstance(scores, str | os.PathLike):
        return _of_file(Path(scores))
    kind = getattr(getattr(scores, "device", None), "type", "cpu")
    if isinstance(kind, str) and kind != "cpu":
        raise WfstAsrError(
            f"scores of type {type(scores).__name__} are on the device '{scores.device}'; bring them to main memory: "
            "scores.cpu()"
        )
    detach = getattr(scores, "detach", None)
    if callable(detach):
        scores = detach()
    if str(getattr(scores, "dtype", "")) == "torch.bfloat16":  # a type that NumPy does not have
        scores = scores.float()
    try:
        if not hasattr(scores, "__array__") and hasattr(scores, "__dlpack__"):
            return np.from_dlpack(scores)
        return np.asarray(scores)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise WfstAsrError(f"scores of type {type(scores).__name__} cannot be read as an array: {error}") from error


def _of_file(path: Path) -> NDArray[Any]:
    if path.suffix != ".npy":
        raise WfstAsrError(
            f"{path}: expected an array or the file of one (.npy); matrices of many utterances (.npz, ark, scp) come "
            "one by one from wfst_asr.io.score_files.read_score_matrices"
        )
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError as error:
        raise WfstAsrError(f"{path}: no such file; expected a score matrix") from error
    except (OSError, ValueError, EOFError) as error:
        raise WfstAsrError(f"{path}: cannot be read as a score matrix ({error}); write it with numpy.save") from error
    return array
