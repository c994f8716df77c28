"""Gaussians, mixture weights, transition matrices: their files."""

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx.gaussians import read_codebooks, read_gaussian_parameters
from wfst_asr.sphinx.sendump import read_mixture_weights, read_sendump
from wfst_asr.sphinx.transitions import read_transitions


def s3_file(ints: list[int], values: np.ndarray, *, order: str = "<", checksum: int | None = None) -> bytes:
    body = np.array([*ints, values.size], dtype=f"{order}i4").tobytes() + values.astype(f"{order}f4").tobytes()
    total = 0
    for item in np.frombuffer(body, dtype=f"{order}u4").tolist():
        total = (((total << 20) | (total >> 12)) + item) & 0xFFFFFFFF
    header = b"s3\nversion 1.0\nchksum0 yes\n      endhdr\n" + struct.pack(order + "I", 0x11223344)
    return header + body + struct.pack(order + "I", total if checksum is None else checksum)


MEANS = np.arange(2 * 3 * 3, dtype=np.float32)  # 2 codebooks, 3 densities, streams of 1 and 2 dimensions


@pytest.mark.parametrize("order", ["<", ">"])
def test_gaussians_are_laid_out_by_codebook_stream_density_and_dimension(tmp_path: Path, order: str) -> None:
    (tmp_path / "means").write_bytes(s3_file([2, 2, 3, 1, 2], MEANS, order=order))
    first, second = read_gaussian_parameters(tmp_path / "means", what="means")
    assert first.tolist() == [[[0], [1], [2]], [[9], [10], [11]]]
    assert second[1].tolist() == [[12, 13], [14, 15], [16, 17]]


def test_variances_are_floored_and_must_fit_the_means(tmp_path: Path) -> None:
    (tmp_path / "means").write_bytes(s3_file([2, 2, 3, 1, 2], MEANS))
    (tmp_path / "variances").write_bytes(s3_file([2, 2, 3, 1, 2], MEANS))
    codebooks = read_codebooks(tmp_path / "means", tmp_path / "variances", variance_floor=0.5)
    assert (codebooks.num_codebooks, codebooks.num_densities, codebooks.stream_dims) == (2, 3, (1, 2))
    assert codebooks.variances[0].ravel().tolist() == [0.5, 1, 2, 9, 10, 11]
    (tmp_path / "variances").write_bytes(s3_file([2, 1, 3, 3], MEANS))
    with pytest.raises(WfstAsrError, match=r"shapes .* differ from"):
        read_codebooks(tmp_path / "means", tmp_path / "variances")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"RIFF", "not a Sphinx means file: it begins with b'RIFF'"),
        (s3_file([2, 2, 3, 1, 2], MEANS, checksum=1), r"checksum 0x[0-9a-f]{8}, the file says 0x00000001"),
        (s3_file([2, 2, 3, 1, 2], MEANS)[:-3], "truncated or damaged: the checksum"),
        (s3_file([2, 2, 3, 1, 2], MEANS)[:70], "truncated or damaged: means values"),
        (s3_file([2, 2, 3, 1, 2], MEANS) + b"x", "1 bytes follow the end"),
        (s3_file([2, 2, 3, 1, 3], MEANS), "18 means values; expected 2 x 12"),
        (s3_file([2, 0, 3], MEANS), "0 streams"),
        (s3_file([2, 2, 3, 1, 2], MEANS * np.nan), "not finite"),
        (b"s3\nendhdr\n\1\2\3\4", "byte-order mark 0x4030201; expected 0x11223344"),
    ],
)
def test_bad_gaussian_files_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "means").write_bytes(data)
    with pytest.raises(WfstAsrError, match=message):
        read_gaussian_parameters(tmp_path / "means", what="means")


def test_transitions_are_normalised_and_floored(tmp_path: Path) -> None:
    counts = np.array([[[3, 1, 0], [0, 1, 99999]]])
    (tmp_path / "tmat").write_bytes(s3_file([1, 2, 3], counts))
    probs = read_transitions(tmp_path / "tmat", floor=0.01)
    np.testing.assert_allclose(probs[0], [[0.75, 0.25, 0], [0, 0.01 / 1.00999, 0.99999 / 1.00999]], rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "values", "message"),
    [
        ([1, 2, 2], [1, 1, 0, 1], "one more column than rows"),
        ([1, 2, 3], [1, 1, 0, 0, 0, 0], "without a positive sum"),
        ([1, 2, 3], [1, 1, 0, 1, 1, 1], "goes back to an earlier state"),
    ],
)
def test_bad_transitions_are_refused(tmp_path: Path, shape: list[int], values: list[int], message: str) -> None:
    (tmp_path / "tmat").write_bytes(s3_file(shape, np.array(values)))
    with pytest.raises(WfstAsrError, match=message):
        read_transitions(tmp_path / "tmat")


def sendump(fields: list[str], body: bytes, *, order: str = "<") -> bytes:
    data = b""
    for text in ["a title", "a header", *fields]:
        data += struct.pack(order + "I", len(text) + 1) + text.encode() + b"\0"
    return data + struct.pack(order + "I", 0) + body


UNIT = -1024 * math.log(1.0001)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_plain_sendump_holds_a_byte_a_weight_in_padded_rows(tmp_path: Path, order: str) -> None:
    body = struct.pack(order + "II", 2, 4) + bytes(range(16))
    fields = ["feature_count 2", "model_count 3", "cluster_count 0"]
    (tmp_path / "sendump").write_bytes(sendump(fields, body, order=order))
    weights = read_sendump(tmp_path / "sendump")
    expected = [[[0, 1, 2], [4, 5, 6]], [[8, 9, 10], [12, 13, 14]]]
    np.testing.assert_allclose(weights, np.array(expected) * UNIT, rtol=1e-6)


def test_a_clustered_sendump_holds_four_bits_a_weight(tmp_path: Path) -> None:
    fields = ["feature_count 1", "mixture_count 2", "model_count 3", "cluster_count 15", "cluster_bits 4"]
    body = bytes(range(100, 116)) + bytes([0x21, 0x03, 0x54, 0x06])
    (tmp_path / "sendump").write_bytes(sendump(fields, body))
    weights = read_sendump(tmp_path / "sendump")
    np.testing.assert_allclose(weights[0], np.array([[101, 102, 103], [104, 105, 106]]) * UNIT, rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"s3\nv", "not a sendump"),
        (b"\0\0\0\0", "not a sendump"),
        (sendump(["cluster_count 0"], struct.pack("<II", 2, 4)), "lacks 'feature_count'"),
        (sendump(["feature_count 1"], struct.pack("<II", 2, 4) + bytes(7)), "truncated or damaged: the weights"),
        (sendump(["feature_count 1"], struct.pack("<II", 2, 4) + bytes(9)), "1 bytes follow the end"),
        (sendump(["feature_count x"], b""), "not a number"),
        (sendump(["feature_count 1", "cluster_count 7"], b""), "cluster_count 7 with cluster_bits 8"),
        (sendump(["feature_count 1", "mixture_count 3"], struct.pack("<II", 2, 4)), "2 rows of 4; expected 3 rows"),
        (sendump([], b"")[:-2], "truncated or damaged"),
    ],
)
def test_bad_sendumps_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "sendump").write_bytes(data)
    with pytest.raises(WfstAsrError, match=message):
        read_sendump(tmp_path / "sendump")


def test_plain_mixture_weights_are_normalised_and_floored(tmp_path: Path) -> None:
    (tmp_path / "mixture_weights").write_bytes(s3_file([1, 2, 2], np.array([3, 1, 0, 5])))
    weights = read_mixture_weights(tmp_path / "mixture_weights", floor=0.001)
    assert weights.shape == (2, 2, 1)
    np.testing.assert_allclose(np.exp(weights[:, :, 0]), [[0.75, 0.25], [0.001 / 1.001, 1 / 1.001]], rtol=1e-5)
