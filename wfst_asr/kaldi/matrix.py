"""Kaldi's matrix files, such as the LDA+MLLT transform `final.mat` (`kaldi-matrix.cc`)."""

import os

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.kaldi.token_stream import open_stream
from wfst_asr.kaldi.token_writer import TokenWriter


def read_matrix(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Read a matrix file, binary or text, to (rows, columns) float64; a stored vector comes as one row.

    Raises:
        WfstAsrError: no such file, a file that is damaged or truncated, or another thing than a matrix.
    """
    stream = open_stream(path)
    matrix = stream.real_matrix()
    if not matrix.size or not np.all(np.isfinite(matrix)):
        raise stream.error("an empty matrix or one with what is not a number")
    return matrix.astype(np.float64)


def write_matrix(matrix: NDArray[np.floating], path: str | os.PathLike[str], *, binary: bool = True) -> None:
    """Write a matrix file of single precision that Kaldi reads (written aside, then renamed).

    Raises:
        WfstAsrError: the file cannot be written, or this is no matrix.
    """
    if matrix.ndim != 2:
        raise WfstAsrError(f"an array of shape {matrix.shape} is no matrix; expected (rows, columns)")
    writer = TokenWriter(binary=binary)
    writer.real_matrix(matrix)
    with written_aside(path) as aside:
        aside.write_bytes(writer.content())
