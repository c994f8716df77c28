"""The binary model definition."""

import struct
from pathlib import Path

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx.mdef import WORD_POSITIONS, ModelDefinition, read_mdef


def triphones_by_the_records(
    path: Path, num_ci: int, num_phones: int, num_sequences: int
) -> dict[tuple[int, ...], int]:
    """(position, base, left, right) -> phone id from the phone records, which do not use the tree at all."""
    data = path.read_bytes()
    tail = num_sequences * 3 * 2 + 4
    begin = len(data) - tail - 12 * num_phones
    result = {}
    for phone in range(num_ci, num_phones):
        _, _, position, base, left, right = struct.unpack_from("<iiBBBB", data, begin + 12 * phone)
        result[position, base, left, right] = phone
    return result


def nearest_by_definition(
    model: ModelDefinition, triphones: dict[tuple[int, ...], int], base: int, left: int, right: int, position: int
) -> int:
    if left < 0 or right < 0:
        return base

    def exact(left: int, right: int, position: int) -> int | None:
        left = model.silence if model.is_filler[left] else left
        right = model.silence if model.is_filler[right] else right
        return triphones.get((position, base, left, right))

    others = [p for p in range(4) if p != position]
    for p in [position, *others]:
        if (found := exact(left, right, p)) is not None:
            return found
    left = model.silence if WORD_POSITIONS[position] in "bs" else left
    right = model.silence if WORD_POSITIONS[position] in "es" else right
    for p in [position, *others]:
        if (found := exact(left, right, p)) is not None:
            return found
    return base


def test_the_lookup_has_the_fall_back_order_of_pocketsphinx(mdef: ModelDefinition, english: Path) -> None:
    triphones = triphones_by_the_records(
        english / "en-us" / "mdef", len(mdef.ci_phones), len(mdef.phone_ssid), len(mdef.sequences)
    )
    rng = np.random.default_rng(1)
    base, left, right = rng.integers(0, len(mdef.ci_phones), (3, 20000))
    left[:500] = -1
    right[400:900] = -1
    position = rng.integers(0, 4, 20000)
    expected = [
        nearest_by_definition(mdef, triphones, *window)
        for window in zip(base.tolist(), left.tolist(), right.tolist(), position.tolist(), strict=True)
    ]
    assert mdef.phone_ids(base, left, right, position).tolist() == expected
    assert mdef.phone_id(int(base[1000]), int(left[1000]), int(right[1000]), int(position[1000])) == expected[1000]


def test_every_listed_triphone_is_found_as_itself(mdef: ModelDefinition, english: Path) -> None:
    triphones = triphones_by_the_records(
        english / "en-us" / "mdef", len(mdef.ci_phones), len(mdef.phone_ssid), len(mdef.sequences)
    )
    keys = np.array(list(triphones))
    found = mdef.phone_ids(keys[:, 1], keys[:, 2], keys[:, 3], keys[:, 0])
    assert found.tolist() == list(triphones.values())


def test_the_english_model_has_the_sizes_its_header_tells(mdef: ModelDefinition) -> None:
    assert len(mdef.ci_phones) == mdef.num_tmats == 42
    assert (mdef.num_senones, mdef.num_ci_senones, mdef.num_states) == (5126, 126, 3)
    assert mdef.sequences.shape == (29324, 3)
    assert len(mdef.phone_ssid) == 137095
    assert [mdef.ci_phones[i] for i in np.flatnonzero(mdef.is_filler)] == ["+NSN+", "+SPN+", "SIL"]
    assert mdef.senone_base.min() == 0
    assert mdef.senone_base[:6].tolist() == [0, 0, 0, 1, 1, 1]


def test_ids_out_of_range_are_refused(mdef: ModelDefinition) -> None:
    with pytest.raises(WfstAsrError, match="left phone id 42 is out of range; expected 0 to 41"):
        mdef.phone_ids([3], [42], [1], [0])


def tiny_mdef(*, order: str = "<", version: int = 1, states: int = 2, down: int = 2) -> bytes:
    """Two base phones (SIL, a), one triphone SIL-a-SIL in a word of its own."""
    text = b"BEGIN FILE FORMAT DESCRIPTION\nEND FILE FORMAT DESCRIPTION\n\0"
    data = struct.pack(order + "ii", int.from_bytes(b"BMDF", "little"), version)
    data += struct.pack(order + "i", len(text)) + text
    tree = [(i, 2, 4 + 2 * i) for i in range(4)]
    tree += [(i % 2, 0, -1) for i in range(7)] + [(1, 1, 12), (0, 1, 13), (0, 0, down)]
    data += struct.pack(order + "10i", 2, 3, states, 4, 6, 1, 3, 3, len(tree), 0) + b"SIL\0a\0\0\0"
    data += b"".join(struct.pack(order + "hhi", *node) for node in tree)
    for ssid, attributes in ((0, (1, 0, 0, 0)), (1, (0, 0, 0, 0)), (2, (3, 1, 0, 0))):
        data += struct.pack(order + "ii4B", ssid, 0, *attributes)
    return data + struct.pack(order + "i6H", 6, *range(6))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiny_model_is_read_in_both_byte_orders(tmp_path: Path, order: str) -> None:
    (tmp_path / "mdef").write_bytes(tiny_mdef(order=order))
    model = read_mdef(tmp_path / "mdef")
    assert model.ci_phones == ("SIL", "a")
    assert model.phone_ids([1, 1, 1, 0], [0, 0, 1, 1], [0, 1, 1, 1], [3, 2, 1, 3]).tolist() == [2, 2, 1, 0]
    assert model.sequences[model.window_hmms([1], [0], [0], [0])[0]].tolist() == [[4, 5]]
    assert model.senone_base.tolist() == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a binary mdef"),
        (b"0.3\n42 n_base\n", "text mdef; convert it"),
        (b"RIFF....", "begins with b'RIFF'; expected b'BMDF'"),
        (tiny_mdef(version=2), "version 2; expected version 1"),
        (tiny_mdef(states=0), "only uniform topologies"),
        (tiny_mdef(states=3), "6 senone sequence items; expected 3 x 3"),
        (tiny_mdef(down=3), "bad leaves"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "mdef").write_bytes(data)
    with pytest.raises(WfstAsrError, match=message):
        read_mdef(tmp_path / "mdef")


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    data = tiny_mdef()
    for size in range(4, len(data)):
        (tmp_path / "mdef").write_bytes(data[:size])
        with pytest.raises(WfstAsrError, match="truncated or damaged"):
            read_mdef(tmp_path / "mdef")
    with pytest.raises(WfstAsrError, match="no such file"):
        read_mdef(tmp_path / "none")
