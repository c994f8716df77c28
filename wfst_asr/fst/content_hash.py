"""SHA-256 of arrays: what a step of a compilation made, told by its content alone."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np


def hashed_parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and value of what a hash is made of: the fields of a record, the items of a tuple, or the value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)
    elif isinstance(value, tuple):
        yield "length", len(value)
        for number, item in enumerate(value):
            yield str(number), item
    else:
        yield "", value


def content_sha256(*values: Any) -> str:
    """Return the SHA-256 of numbers, texts, arrays, tuples, and records (dataclasses) of these.

    Arrays are hashed where they lie, without a copy, at 1.5 GB a second and more where the processor has instructions
    for SHA-256.  Equal contents have equal hashes in every process and on every machine of the same byte order.

    >>> content_sha256(np.arange(3, dtype=np.int32))[:8] == content_sha256(np.array([0, 1, 2], dtype=np.int32))[:8]
    True
    >>> content_sha256(np.arange(3, dtype=np.int64)) == content_sha256(np.arange(3, dtype=np.int32))
    False
    """
    digest = hashlib.sha256()
    for value in values:
        _update(digest, value)
    return digest.hexdigest()


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_bytes(value: Any) -> int:
    """Return how many bytes the arrays of a value have."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    parts = list(hashed_parts(value))
    return 0 if parts == [("", value)] else sum(array_bytes(part) for _, part in parts)


def _update(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype.descr} {value.shape}\n".encode())
        if value.size:
            digest.update(np.ascontiguousarray(value).view(np.uint8).data)
        return
    parts = list(hashed_parts(value))
    if len(parts) == 1 and parts[0][1] is value:
        digest.update(f"{type(value).__name__} {value!r}\n".encode())
        return
    digest.update(f"record {type(value).__name__}\n".encode())
    for name, part in parts:
        digest.update(f"{name}\n".encode())
        _update(digest, part)
