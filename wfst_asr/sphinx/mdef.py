"""The binary model definition (`mdef`) of a PocketSphinx model: which senones a triphone has.

A phone is a base phone (context-independent, CI) or a triphone: a base phone with a left and a right base phone and
a position in its word.  A phone has a transition matrix and a senone sequence: one senone (pdf-id) an HMM state.
Format and fall-backs: PocketSphinx `bin_mdef.c`; the file carries its own description in its header.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx.byte_reader import ByteReader

WORD_POSITIONS = "ibes"
"""Letters of the word positions, in the order of their ids: internal, begin, end, single-phone word."""

INTERNAL, BEGIN, END, SINGLE = range(4)

_HEADER_FIELDS = (
    "num_ci_phones",
    "num_phones",
    "num_states",
    "num_ci_senones",
    "num_senones",
    "num_tmats",
    "num_sequences",
    "num_context",
    "num_tree_nodes",
    "silence",
)


@dataclass(frozen=True)
class ModelDefinition:
    """Base phones, triphones and their senones.

    Attributes:
        ci_phones: names of the C base phones; a base phone's id is its index.
        is_filler: (C,) bool; silence and noises, which count as silence where they are a context.
        silence: id of the silence base phone, -1 if the model has none.
        num_ci_senones: the first so many senones belong to the base phones.
        num_senones: number of senones.
        num_tmats: number of transition matrices.
        phone_ssid: (phones,) int32, the senone sequence of each phone; the first C phones are the base phones.
        phone_tmat: (phones,) int32, the transition matrix of each phone.
        phone_base: (phones,) int32, the base phone of each phone.
        sequences: (sequences, states) int32 senones.
        exact: (4, C, C, C) int32, phone id by [word position, base, left, right], -1 where the model has no such
            triphone.
    """

    ci_phones: tuple[str, ...]
    is_filler: NDArray[np.bool_]
    silence: int
    num_ci_senones: int
    num_senones: int
    num_tmats: int
    phone_ssid: NDArray[np.int32]
    phone_tmat: NDArray[np.int32]
    phone_base: NDArray[np.int32]
    sequences: NDArray[np.int32]
    exact: NDArray[np.int32]

    @property
    def num_states(self) -> int:
        """Number of emitting states of every phone."""
        return int(self.sequences.shape[1])

    @cached_property
    def ci_phone_ids(self) -> dict[str, int]:
        """Base phone ids by name."""
        return {name: i for i, name in enumerate(self.ci_phones)}

    @cached_property
    def nearest(self) -> NDArray[np.int32]:
        """Phone id by [word position, base, left, right], with PocketSphinx's fall-backs; never -1.

        In this order (`bin_mdef_phone_id_nearest`): the triphone itself, a filler as context counting as silence;
        the same contexts at the other word positions, in the order of their ids; the same two steps with silence for
        every context that lies outside the word (left of begin and single, right of end and single); the base phone.
        """
        base = np.arange(len(self.ci_phones), dtype=np.int32)
        as_context = np.where(self.is_filler, self.silence, base) if self.silence >= 0 else base
        exact = self.exact[:, :, as_context[:, None], as_context[None, :]]
        result = exact.copy()
        for position in range(4):
            found = result[position]
            _fill_from(found, (exact[other] for other in range(4) if other != position))
            if self.silence >= 0:
                silence = np.full_like(base, self.silence)
                left = silence if position in (BEGIN, SINGLE) else as_context
                right = silence if position in (END, SINGLE) else as_context
                order = [position, *(other for other in range(4) if other != position)]
                _fill_from(found, (exact[other][:, left[:, None], right[None, :]] for other in order))
            _fill_from(found, [np.broadcast_to(base[:, None, None], found.shape)])
        return result

    def phone_ids(self, base: ArrayLike, left: ArrayLike, right: ArrayLike, position: ArrayLike) -> NDArray[np.int32]:
        """Return the phone id of each context window.

        Args:
            base: base phone ids of the central phones, any shape.
            left: base phone ids to their left; a negative id (no context) gives the base phone itself.
            right: base phone ids to their right; likewise.
            position: word positions, 0 to 3 (`WORD_POSITIONS`).

        Returns:
            Phone ids in the common shape of the arguments.

        Raises:
            WfstAsrError: an id is out of range.
        """
        arrays = np.broadcast_arrays(*(np.asarray(a, dtype=np.int64) for a in (base, left, right, position)))
        centre, lefts, rights, positions = arrays
        size = len(self.ci_phones)
        for name, ids, low, high in (
            ("base phone", centre, 0, size),
            ("left phone", lefts, np.iinfo(np.int64).min, size),
            ("right phone", rights, np.iinfo(np.int64).min, size),
            ("word position", positions, 0, 4),
        ):
            if ids.size and (ids.min() < low or ids.max() >= high):
                worst = int(ids.min() if ids.min() < low else ids.max())
                raise WfstAsrError(f"{name} id {worst} is out of range; expected 0 to {high - 1}")
        alone = (lefts < 0) | (rights < 0)
        found = self.nearest[positions, centre, np.maximum(lefts, 0), np.maximum(rights, 0)]
        return np.where(alone, centre, found).astype(np.int32)

    def phone_id(self, base: int, left: int, right: int, position: int) -> int:
        """Return the phone id of one context window; see `phone_ids`."""
        return int(self.phone_ids(base, left, right, position))

    def window_hmms(
        self, base: ArrayLike, left: ArrayLike, right: ArrayLike, position: ArrayLike
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the senone sequence id and the transition matrix id of each context window; see `phone_ids`."""
        phones = self.phone_ids(base, left, right, position)
        return self.phone_ssid[phones], self.phone_tmat[phones]

    @cached_property
    def senone_base(self) -> NDArray[np.int32]:
        """The base phone of each senone, (num_senones,) int32; -1 for a senone that no phone uses.

        A senone that phones of several base phones share belongs to the first of them in the order of phone ids.
        """
        senones = self.sequences[self.phone_ssid].reshape(-1)
        bases = np.repeat(self.phone_base, self.num_states)
        result = np.full(self.num_senones, -1, dtype=np.int32)
        result[senones[::-1]] = bases[::-1]
        return result


def _fill_from(found: NDArray[np.int32], sources: Iterable[NDArray[np.int32]]) -> None:
    for source in sources:
        missing = found < 0
        if not missing.any():
            return
        found[missing] = source[missing]


def read_mdef(path: str | os.PathLike[str]) -> ModelDefinition:
    """Read a binary model definition ("BMDF" version 1) of either byte order.

    Raises:
        WfstAsrError: the file is missing, of another kind (a text mdef among them), truncated, or inconsistent.
    """
    reader = ByteReader(path, what="a binary mdef (model definition)")
    magic = reader.data[:4]
    if magic not in (b"BMDF", b"FDMB"):
        if magic[:3] == b"0.3" or magic[:1] == b"#":
            raise reader.error("this is a text mdef; convert it with: pocketsphinx_mdef_convert -bin TEXT BINARY")
        raise reader.error(f"not a binary mdef: it begins with {magic!r}; expected b'BMDF'")
    order = "<" if magic == b"BMDF" else ">"
    reader.skip(4, "the byte-order mark")
    version = reader.take_int(f"{order}i4", "the version")
    if version != 1:
        raise reader.error(f"binary mdef of version {version}; expected version 1")
    reader.skip(reader.take_int(f"{order}i4", "the length of the format description"), "the format description")
    header = dict(
        zip(_HEADER_FIELDS, reader.take(f"{order}i4", len(_HEADER_FIELDS), "the counts").tolist(), strict=True)
    )
    _check_header(reader, header)

    names_begin = reader.position
    names = []
    for i in range(header["num_ci_phones"]):
        end = reader.data.find(b"\0", reader.position)
        if end < 0:
            reader.skip(len(reader.data), f"the name of base phone {i}")
        names.append(reader.data[reader.position : end].decode("utf-8", errors="replace"))
        reader.position = end + 1
    reader.skip((names_begin - reader.position) % 4, "the padding after the phone names")

    tree_type = np.dtype([("ctx", f"{order}i2"), ("n_down", f"{order}i2"), ("down", f"{order}i4")])
    tree = reader.take(tree_type, header["num_tree_nodes"], "the triphone tree")
    phone_type = np.dtype([("ssid", f"{order}i4"), ("tmat", f"{order}i4"), ("attr", "u1", (4,))])
    phones = reader.take(phone_type, header["num_phones"], "the phones")
    num_items = reader.take_int(f"{order}i4", "the number of senone sequence items")
    num_sequences, num_states = header["num_sequences"], header["num_states"]
    if num_items != num_sequences * num_states:
        raise reader.error(f"{num_items} senone sequence items; expected {num_sequences} x {num_states}")
    sequences = reader.take(f"{order}u2", num_items, "the senone sequences").reshape(num_sequences, num_states)

    num_ci = len(names)
    base = np.concatenate([np.arange(num_ci, dtype=np.int32), phones["attr"][num_ci:, 1].astype(np.int32)])
    for what, ids, size in (
        ("senone sequence", phones["ssid"], num_sequences),
        ("transition matrix", phones["tmat"], header["num_tmats"]),
        ("base phone", base, num_ci),
        ("senone", sequences, header["num_senones"]),
    ):
        if ids.size and (ids.min() < 0 or ids.max() >= size):
            raise reader.error(f"the mdef is damaged: a {what} id lies outside 0 to {size - 1}; fetch the file again")
    return ModelDefinition(
        ci_phones=tuple(names),
        is_filler=phones["attr"][:num_ci, 0] != 0,
        silence=names.index("SIL") if "SIL" in names else -1,
        num_ci_senones=header["num_ci_senones"],
        num_senones=header["num_senones"],
        num_tmats=header["num_tmats"],
        phone_ssid=phones["ssid"].astype(np.int32),
        phone_tmat=phones["tmat"].astype(np.int32),
        phone_base=base,
        sequences=sequences.astype(np.int32),
        exact=_triphone_table(reader, tree, num_ci, len(phones)),
    )


def _check_header(reader: ByteReader, header: dict[str, int]) -> None:
    for name in _HEADER_FIELDS[:-1]:
        if header[name] < 0:
            raise reader.error(f"the mdef is damaged: {name} is {header[name]}; fetch the file again")
    if header["num_states"] == 0:
        raise reader.error("phones of this mdef differ in their number of states; only uniform topologies can be read")
    if not 0 < header["num_ci_phones"] <= 256 or header["num_phones"] < header["num_ci_phones"]:
        raise reader.error(
            f"the mdef is damaged: {header['num_ci_phones']} base phones of {header['num_phones']} phones; "
            "expected 1 to 256, and no more than phones"
        )
    if header["num_context"] != 3 and header["num_phones"] > header["num_ci_phones"]:
        raise reader.error(f"phones of {header['num_context']} phones of context; expected triphones (3)")


def _triphone_table(reader: ByteReader, tree: NDArray[np.void], num_ci: int, num_phones: int) -> NDArray[np.int32]:
    """Unfold the tree (word position, base, left, right) into a table; the first of equal siblings counts."""
    table = np.full((4, num_ci, num_ci, num_ci), -1, dtype=np.int32)
    nodes = np.arange(min(4, len(tree)), dtype=np.int64)
    path = np.zeros((len(nodes), 0), dtype=np.int64)
    limits = (4, num_ci, num_ci, num_ci)
    for level, limit in enumerate(limits):
        context = tree["ctx"][nodes].astype(np.int64)
        if context.size and (context.min() < 0 or context.max() >= limit):
            raise reader.error("the mdef is damaged: its triphone tree holds an unknown phone; fetch the file again")
        path = np.concatenate([path, context[:, None]], axis=1)
        count, down = tree["n_down"][nodes].astype(np.int64), tree["down"][nodes].astype(np.int64)
        if level == len(limits) - 1:
            if (count != 0).any() or (down >= num_phones).any():
                raise reader.error("the mdef is damaged: its triphone tree has bad leaves; fetch the file again")
            table[tuple(path[::-1].T)] = down[::-1]
            return table
        inner = count > 0
        if (count < 0).any() or (down[inner] < 0).any() or (down + count)[inner].max(initial=0) > len(tree):
            raise reader.error("the mdef is damaged: its triphone tree points outside itself; fetch the file again")
        count, down, path = count[inner], down[inner], path[inner]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        nodes = np.repeat(down, count) + within
        path = np.repeat(path, count, axis=0)
    return table
