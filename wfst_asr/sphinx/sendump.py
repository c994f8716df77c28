"""Mixture weights of a PocketSphinx acoustic model: the quantised `sendump` and the plain `mixture_weights` file.

A sendump holds -log weights in one byte (or in 4 bits that index 16 such bytes), in units of log base 1.0001 shifted
right by 10 bits; layout as `ptm_mgau.c`: counted strings up to an empty one, rows and columns unless clustered, the
cluster values, then for each stream and codeword a row of one value a senone.
"""

import math
import os

import numpy as np
from numpy.typing import NDArray

from wfst_asr.sphinx.byte_reader import ByteReader
from wfst_asr.sphinx.s3_file import S3Reader

_SCORE_SHIFT = 10
_HEADER_INTS = ("feature_count", "mixture_count", "model_count", "cluster_count", "cluster_bits")


def read_sendump(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a sendump as natural log weights, (streams, densities, senones) float32.

    Rows may be padded; where the header has no `model_count`, the padding counts as senones here.

    Raises:
        WfstAsrError: the file is missing, of another kind, truncated or damaged, or lacks a count.
    """
    reader = ByteReader(path, what="a sendump (mixture weights)")
    first = reader.take("<u4", 1, "the length of the title")
    order = "<" if 0 < int(first[0]) < 1000 else ">"
    if not 0 < int(first.byteswap()[0] if order == ">" else first[0]) < 1000:
        raise reader.error(f"not a sendump: it begins with {reader.data[:4]!r}; expected the length of a title")
    reader.position = 0
    fields: dict[str, str] = {}
    while size := reader.take_int(f"{order}u4", "the length of a header string"):
        begin = reader.skip(size, "a header string")
        name, _, value = reader.data[begin : begin + size].rstrip(b"\0").decode("ascii", "replace").partition(" ")
        fields.setdefault(name, value)
    counts: dict[str, int] = {"cluster_count": 0, "cluster_bits": 8}
    try:
        counts.update({name: int(fields[name]) for name in _HEADER_INTS if name in fields})
        log_base = float(fields.get("logbase", "1.0001"))
    except ValueError as error:
        raise reader.error(f"a count of the sendump's header is not a number ({error})") from error
    clusters, bits = counts["cluster_count"], counts["cluster_bits"]
    if clusters not in (0, 15, 16) or bits != (4 if clusters else 8):
        raise reader.error(f"cluster_count {clusters} with cluster_bits {bits}; expected 0 with 8, or 15 or 16 with 4")
    if not clusters:
        rows, columns = (reader.take_int(f"{order}i4", f"the number of {what}") for what in ("rows", "columns"))
        counts = {"mixture_count": rows, "model_count": columns, **counts}
    missing = [name for name in ("feature_count", "mixture_count", "model_count") if name not in counts]
    if missing:
        raise reader.error(f"the sendump's header lacks '{missing[0]}'; expected counts of streams, densities, senones")
    streams, densities, senones = counts["feature_count"], counts["mixture_count"], counts["model_count"]
    if clusters:
        rows, columns = densities, senones
    if rows != densities or columns < senones:
        raise reader.error(f"{rows} rows of {columns}; expected {densities} rows of at least {senones}")
    if min(streams, densities, senones) <= 0 or not log_base > 1.0:
        raise reader.error(
            "a count of the sendump is not positive, or its log base is not above 1; the file is damaged"
        )
    values = reader.take("u1", 16 if clusters else 0, "the cluster values")
    row_bytes = (columns + 1) // 2 if clusters else columns
    ids = reader.take("u1", streams * densities * row_bytes, "the weights").reshape(streams, densities, row_bytes)
    if reader.position != len(reader.data):
        raise reader.error(f"{len(reader.data) - reader.position} bytes follow the end; expected weights of one byte")
    if clusters:
        ids = values[np.stack([ids & 15, ids >> 4], axis=3).reshape(streams, densities, -1)]
    unit = np.float32(-(1 << _SCORE_SHIFT) * math.log(log_base))
    return np.asarray(ids[:, :, :senones].astype(np.float32) * unit)


def read_mixture_weights(path: str | os.PathLike[str], *, floor: float = 1e-7) -> NDArray[np.float32]:
    """Read a plain `mixture_weights` file as natural log weights, (streams, densities, senones) float32.

    The weights of a senone's stream are normalised, raised to `floor` (PocketSphinx's `-mixwfloor`), normalised again.

    Raises:
        WfstAsrError: the file is missing, of another kind, truncated or damaged, or holds a negative weight.
    """
    file = S3Reader(path, what="a Sphinx mixture_weights file")
    senones, streams, densities = file.ints(3, "the counts")
    weights = file.floats((senones, streams, densities), "mixture weights").astype(np.float64)
    file.close()
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise file.reader.error("a mixture weight is negative or not finite; the file is damaged")
    sums = weights.sum(axis=2, keepdims=True)
    weights = np.maximum(weights / np.where(sums > 0, sums, 1.0), floor)
    weights /= weights.sum(axis=2, keepdims=True)
    return np.ascontiguousarray(np.log(weights).transpose(1, 2, 0)).astype(np.float32)
