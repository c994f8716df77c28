"""The binary form of a back-off language model: its arrays as they lie in memory, mapped and not read.

Layout, little-endian:

    8 bytes     b"wfstngrm"
    8 bytes     length of the header in bytes
    header      JSON: version, counts (n-grams by order), words_sha256, blocks {name: [offset, bytes]}, file_bytes
    blocks      at multiples of 64 bytes: `words` (UTF-8, one a line), and for each order k from 1 `word.k` int32,
                `log_prob.k` float64, `backoff.k` float64, `first_child.k` int64, as `NGramLevel` has them
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.backoff import NGramLevel, NGramModel

MAGIC = b"wfstngrm"
_VERSION = 1
_ALIGNMENT = 64
_COLUMNS = {"word": "<i4", "log_prob": "<f8", "backoff": "<f8", "first_child": "<i8"}
_LARGEST_HEADER = 1 << 20


def write_binary_model(model: NGramModel, path: str | os.PathLike[str]) -> None:
    """Write a model in the binary form; every number is kept to the last bit.

    Raises:
        WfstAsrError: the file cannot be written, or a word has a line end in it.
    """
    try:
        words = "".join(f"{word}\n" for word in model.words).encode()
    except UnicodeEncodeError as error:
        raise WfstAsrError(f"{path}: the model has a word that is no text ({error.reason})") from error
    if words.count(b"\n") != len(model.words):
        raise WfstAsrError(f"{path}: the model has a word with a line end in it; remove it")
    blocks: dict[str, NDArray[Any]] = {"words": np.frombuffer(words, dtype=np.uint8)}
    for order, level in enumerate(model.levels, start=1):
        for column, dtype in _COLUMNS.items():
            blocks[f"{column}.{order}"] = np.ascontiguousarray(getattr(level, column), dtype=dtype)
    facts: dict[str, Any] = {
        "version": _VERSION,
        "counts": list(model.num_ngrams),
        "words_sha256": hashlib.sha256(words).hexdigest(),
    }
    header_bytes = _aligned(len(json.dumps(facts)) + 80 * len(blocks) + 80)  # room for the places of the blocks
    places = {}
    at = 16 + header_bytes
    for name, block in blocks.items():
        at = _aligned(at)
        places[name] = [at, block.nbytes]
        at += block.nbytes
    header = json.dumps({**facts, "blocks": places, "file_bytes": at}).encode().ljust(header_bytes)
    with written_aside(path) as aside, aside.open("wb") as file:
        file.write(MAGIC + header_bytes.to_bytes(8, "little") + header)
        for name, block in blocks.items():
            file.seek(places[name][0])
            file.write(block.data)
        file.truncate(at)


def read_binary_model(path: str | os.PathLike[str]) -> NGramModel:
    """Map a model of the binary form: milliseconds, however large it is.

    Its arrays are views of a private map: what is written to them goes nowhere.  (A read-only map would be another type
    to the kernels, to be compiled again.)

    Raises:
        WfstAsrError: no such file, not of this form or version, truncated, or damaged.
    """
    source = Path(path)
    damaged = WfstAsrError(f"{source}: is damaged or truncated; make it again with: wfst-asr lm convert")
    try:
        with source.open("rb") as file:
            magic, header_bytes = file.read(8), int.from_bytes(file.read(8), "little")
            if magic != MAGIC:
                raise WfstAsrError(f"{source}: is no binary language model; make one with: wfst-asr lm convert")
            header = file.read(min(header_bytes, _LARGEST_HEADER))
        size = source.stat().st_size
    except OSError as error:
        raise WfstAsrError(f"{source}: cannot be read ({error.strerror}); give the path of a language model") from error
    try:
        facts = json.loads(header)
        version = facts["version"]
        if version != _VERSION:
            raise WfstAsrError(
                f"{source}: is a binary language model of version {version}, expected {_VERSION}; make it again with: "
                "wfst-asr lm convert"
            )
        if facts["file_bytes"] != size:
            raise WfstAsrError(
                f"{source}: has {size} bytes, expected {facts['file_bytes']}; it is truncated: make or copy it again"
            )
        data = np.memmap(source, dtype=np.uint8, mode="c").view(np.ndarray)
        levels = tuple(_level(data, facts, order) for order in range(1, len(facts["counts"]) + 1))
        begin, length = facts["blocks"]["words"]
        words = data[begin : begin + length].tobytes()
        names = tuple(words.decode().split("\n")[:-1])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise damaged from error
    if hashlib.sha256(words).hexdigest() != facts["words_sha256"] or not _fits(names, levels):
        raise damaged
    return NGramModel(names, levels)


def _level(data: NDArray[np.uint8], facts: dict[str, Any], order: int) -> NGramLevel:
    """Return the arrays of one order as views of the mapped file."""
    columns = {}
    for column, dtype in _COLUMNS.items():
        begin, length = facts["blocks"][f"{column}.{order}"]
        columns[column] = data[begin : begin + length].view(dtype)
        if len(columns[column]) != facts["counts"][order - 1] + (column == "first_child"):
            raise ValueError(f"{column}.{order} has another length than the header tells")
    return NGramLevel(**columns)


def _fits(words: tuple[str, ...], levels: tuple[NGramLevel, ...]) -> bool:
    """Tell whether levels belong together, without reading them whole."""
    if not levels or len(levels[0]) != len(words):
        return False
    children = [len(level) for level in levels[1:]] + [0]
    return all(
        level.first_child[0] == 0 and level.first_child[-1] == count
        for level, count in zip(levels, children, strict=True)
    )


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT
