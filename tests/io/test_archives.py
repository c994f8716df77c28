from pathlib import Path

import kaldi_native_io
import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.archives import (
    INTEGERS,
    ArchiveTable,
    matrix_writer,
    read_integer_vectors,
    read_matrices,
    read_vectors,
    vector_writer,
)
from wfst_asr.io.ctm import CtmWord, read_ctm, write_ctm


def some_matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {f"utt{i}": rng.normal(size=(3 + i, 4)).astype(np.float32) for i in range(5)}


def write_all(folder: Path, matrices: dict[str, np.ndarray], **options: bool) -> tuple[Path, Path]:
    ark, scp = folder / "feats.ark", folder / "feats.scp"
    with matrix_writer(ark, scp=scp, **options) as write:
        for utterance, matrix in matrices.items():
            write(utterance, matrix)
    return ark, scp


def test_matrices_read_back_in_order_and_by_id(tmp_path: Path) -> None:
    matrices = some_matrices()
    for path in write_all(tmp_path, matrices):
        assert [name for name, _ in read_matrices(path)] == list(matrices)
        assert all(np.array_equal(matrix, matrices[name]) for name, matrix in read_matrices(path))
        table = ArchiveTable(path)
        assert len(table) == 5
        assert np.array_equal(table["utt3"], matrices["utt3"])
        assert "utt9" not in table
    assert sorted(p.name for p in tmp_path.iterdir()) == ["feats.ark", "feats.scp"]


def test_kaldis_own_reader_reads_our_archives(tmp_path: Path) -> None:
    matrices = some_matrices()
    _, scp = write_all(tmp_path, matrices)
    with kaldi_native_io.SequentialFloatMatrixReader(f"scp:{scp}") as reader:
        assert [name for name, value in reader if np.array_equal(value, matrices[name])] == list(matrices)


@pytest.mark.parametrize("rows", [2, 300])
def test_compressed_matrices_are_kaldis_within_its_rounding(tmp_path: Path, rows: int) -> None:
    matrix = np.random.default_rng(0).normal(size=(rows, 13)).astype(np.float32)
    ark, scp = write_all(tmp_path, {"a": matrix, "b": matrix}, compress=True)
    for path in (ark, scp):
        for _, value in read_matrices(path):
            np.testing.assert_allclose(value, matrix, atol=0.1)
    assert ark.stat().st_size < 2 * matrix.size * 2.5 + 400


def test_statistics_stay_in_double_precision(tmp_path: Path) -> None:
    stats = np.array([[1e9 + 0.25, 3.0], [2.0, 0.0]])
    ark, _ = write_all(tmp_path, {"speaker": stats})
    (_, back), *_ = read_matrices(ark)
    assert back.dtype == np.float64
    assert np.array_equal(back, stats)


def test_vectors_read_back(tmp_path: Path) -> None:
    with vector_writer(tmp_path / "weights.ark") as write:
        write("a", np.array([0.5, 2.0]))
    with vector_writer(tmp_path / "ali.ark", scp=tmp_path / "ali.scp") as write:
        write("a", np.array([3, -1, 7]))
        write("b", np.array([], dtype=np.int64))
    assert [(name, value.tolist()) for name, value in read_vectors(tmp_path / "weights.ark")] == [("a", [0.5, 2.0])]
    for path in (tmp_path / "ali.ark", tmp_path / "ali.scp"):
        assert [(n, v.tolist()) for n, v in read_integer_vectors(path)] == [("a", [3, -1, 7]), ("b", [])]
    assert ArchiveTable(tmp_path / "ali.ark", INTEGERS)["a"].tolist() == [3, -1, 7]


def test_text_archives_are_read(tmp_path: Path) -> None:
    (tmp_path / "m.ark").write_text("a  [\n  1 2\n  3 4 ]\nb  [\n 5 6 ]\n")
    (tmp_path / "v.ark").write_text("a  [ 1 2.5 ]\nb  [ ]\n")
    (tmp_path / "i.ark").write_text("a 1 2\nb \n")
    assert [v.tolist() for _, v in read_matrices(tmp_path / "m.ark")] == [[[1, 2], [3, 4]], [[5, 6]]]
    assert [v.tolist() for _, v in read_vectors(tmp_path / "v.ark")] == [[1, 2.5], []]
    assert [v.tolist() for _, v in read_integer_vectors(tmp_path / "i.ark")] == [[1, 2], []]


def test_kaldis_archives_are_read(corpora: Path) -> None:
    features = dict(read_matrices(corpora / "kaldi_an4" / "mfcc_raw.ark"))
    assert len(features) == 20
    assert {matrix.shape[1] for matrix in features.values()} == {13}


def test_a_relative_scp_is_read_from_its_own_folder(tmp_path: Path) -> None:
    _, scp = write_all(tmp_path, some_matrices())
    scp.write_text(scp.read_text().replace(f"{tmp_path}/", ""))
    assert len(list(read_matrices(scp))) == 5


@pytest.mark.parametrize("cut", [1, 30, 60, 100])
def test_truncated_archives_are_errors(tmp_path: Path, cut: int) -> None:
    ark, scp = write_all(tmp_path, some_matrices())
    ark.write_bytes(ark.read_bytes()[:-cut])
    for path in (ark, scp):
        with pytest.raises(WfstAsrError, match="ends in the middle of 'utt4'"):
            list(read_matrices(path))


def test_damaged_and_foreign_archives_are_errors(tmp_path: Path) -> None:
    junk, empty, scp = tmp_path / "junk.ark", tmp_path / "empty.ark", tmp_path / "bad.scp"
    with pytest.raises(WfstAsrError, match="no such file"):
        list(read_matrices(junk))
    with pytest.raises(WfstAsrError, match="is a folder"):
        list(read_matrices(tmp_path))
    empty.write_bytes(b"")
    assert list(read_matrices(empty)) == []
    junk.write_bytes(b"hello world this is no archive\n" * 20)
    with pytest.raises(WfstAsrError, match="'hello' cannot be read; expected a matrix"):
        list(read_matrices(junk))
    junk.write_bytes(b"RIFF" + bytes(50))
    with pytest.raises(WfstAsrError, match="no utterance-id at byte 0"):
        list(read_matrices(junk))
    ark, _ = write_all(tmp_path, some_matrices())
    with pytest.raises(WfstAsrError, match="has the type 'FM'; expected a vector"):
        list(read_vectors(ark))
    scp.write_text("utt1 copy-feats ark:x ark:- |\n")
    with pytest.raises(WfstAsrError, match="is a command or a range"):
        list(read_matrices(scp))
    scp.write_text("utt1\n")
    with pytest.raises(WfstAsrError, match="expected 'utterance-id archive:offset'"):
        list(read_matrices(scp))


def test_nothing_is_left_of_a_writer_that_failed(tmp_path: Path) -> None:
    with matrix_writer(tmp_path / "y.ark", scp=tmp_path / "y.scp") as write:
        write("a", np.ones((1, 1)))
        with pytest.raises(WfstAsrError, match="the id 'a' is written twice"):
            write("a", np.ones((1, 1)))
    for path in tmp_path.iterdir():
        path.unlink()
    for name, matrix, message in (
        ("a b", np.ones((1, 1)), "has spaces"),
        ("a", np.ones((0, 13)), r"has shape \(0, 13\)"),
        ("a", np.ones(13), "expected 2 dimensions"),
    ):
        with pytest.raises(WfstAsrError, match=message), matrix_writer(tmp_path / "x.ark") as write:
            write(name, matrix)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_of_nothing_is_written(tmp_path: Path) -> None:
    ark, scp = write_all(tmp_path, {})
    assert list(read_matrices(ark)) == list(read_matrices(scp)) == []


def test_ctm_reads_back(tmp_path: Path) -> None:
    words = [CtmWord("rec", "1", 0.0, 0.31, "red", 0.875), CtmWord("rec", "1", 0.31, 0.2, "house")]
    write_ctm(words, tmp_path / "x.ctm")
    assert read_ctm(tmp_path / "x.ctm") == words
    (tmp_path / "x.ctm").write_text(";; comment\nrec 1 0.0 red\n")
    with pytest.raises(WfstAsrError, match=r"x\.ctm:2: found 'rec 1 0\.0 red'; expected 'recording channel"):
        read_ctm(tmp_path / "x.ctm")
    with pytest.raises(WfstAsrError, match="no such file"):
        read_ctm(tmp_path / "y.ctm")
    with pytest.raises(WfstAsrError, match="one with spaces"):
        write_ctm([CtmWord("rec", "1", 0.0, 0.31, "red house")], tmp_path / "z.ctm")
