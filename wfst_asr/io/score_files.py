"""Score matrices by utterance: .npy, .npz, folders of .npy, and Kaldi's archives; vectors of priors."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.archives import read_matrices

Place = str | os.PathLike[str]


def read_score_matrices(path: Place) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield (utterance-id, matrix) of a file or a folder of score matrices, one in memory at a time.

    Args:
        path: `NAME.npy` (one utterance, called NAME; it is mapped), `.npz` (an array an utterance), a folder of .npy
            files (in the order of their names), or Kaldi's ark or scp.

    Raises:
        WfstAsrError: no such file, a file that cannot be read, a folder without .npy files; what is no matrix; an
            utterance that comes twice; no matrix at all.

    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "scores.npz"
    >>> np.savez(name, utt1=np.zeros((2, 3)), utt2=np.zeros((1, 3)))
    >>> [(utterance, matrix.shape) for utterance, matrix in read_score_matrices(name)]
    [('utt1', (2, 3)), ('utt2', (1, 3))]
    """
    given = Path(path)
    if not given.exists():
        raise WfstAsrError(f"{given}: no such file; expected score matrices: .npy, .npz, a folder of .npy, ark or scp")
    seen: set[str] = set()
    for name, matrix in _read(given):
        if name in seen:
            raise WfstAsrError(f"{given}: utterance '{name}' comes twice; keep one of its score matrices")
        seen.add(name)
        if matrix.ndim != 2:
            several = "; write a matrix for each utterance of the batch" if matrix.ndim == 3 else ""
            raise WfstAsrError(
                f"{given}: utterance '{name}' has an array of shape {matrix.shape}, expected (frames, columns){several}"
            )
        yield name, matrix
    if not seen:
        raise WfstAsrError(f"{given}: holds no score matrix; expected one an utterance")


def read_prior_vector(path: Place) -> NDArray[np.float64]:
    """Read a vector of one number a column: .npy, or text, with or without Kaldi's brackets.

    Raises:
        WfstAsrError: no such file, or something else in it.
    """
    given = Path(path)
    if not given.is_file():
        raise WfstAsrError(f"{given}: no such file; expected counts or priors, a number for each column (.npy or text)")
    try:
        if given.suffix == ".npy":
            vector = np.asarray(np.load(given, allow_pickle=False), dtype=np.float64)
        else:
            text = given.read_text(encoding="utf-8")
            vector = np.array([float(item) for item in text.replace("[", " ").replace("]", " ").split()])
    except (ValueError, OSError, EOFError) as error:
        raise WfstAsrError(f"{given}: {error}; expected a number for each column (.npy or text)") from error
    if vector.ndim != 1 or not vector.size:
        raise WfstAsrError(f"{given}: has the shape {vector.shape}; expected a vector, one number for each column")
    return vector


def _read(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    if path.is_dir():
        files = sorted(path.glob("*.npy"))
        if not files:
            raise WfstAsrError(f"{path}: holds no .npy files; expected a score matrix an utterance")
        for file in files:
            yield file.stem, _load(file)
    elif path.suffix == ".npy":
        yield path.stem, _load(path)
    elif path.suffix == ".npz":
        yield from _of_npz(path)
    else:
        yield from read_matrices(path)


def _load(path: Path) -> NDArray[Any]:
    try:
        matrix: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WfstAsrError(f"{path}: cannot be read ({error}); write it with numpy.save") from error
    return matrix


def _of_npz(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                yield name, arrays[name]
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise WfstAsrError(f"{path}: cannot be read ({error}); write it with numpy.savez") from error
