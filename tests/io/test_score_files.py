import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.archives import matrix_writer
from wfst_asr.io.score_files import read_prior_vector, read_score_matrices

MATRICES = {"u1": np.arange(6, dtype=np.float32).reshape(2, 3), "u2": np.zeros((1, 3), np.float32)}


def read(path):
    return {name: np.asarray(matrix).tolist() for name, matrix in read_score_matrices(path)}


def test_every_kind_of_file_holds_the_same_matrices(tmp_path):
    np.savez(tmp_path / "s.npz", **MATRICES)
    np.savez_compressed(tmp_path / "c.npz", **MATRICES)
    (tmp_path / "folder").mkdir()
    for name, matrix in MATRICES.items():
        np.save(tmp_path / "folder" / f"{name}.npy", matrix)
    with matrix_writer(tmp_path / "s.ark", scp=tmp_path / "s.scp") as write:
        for name, matrix in MATRICES.items():
            write(name, matrix)
    expected = {name: matrix.tolist() for name, matrix in MATRICES.items()}
    for name in ("s.npz", "c.npz", "folder", "s.ark", "s.scp"):
        assert read(tmp_path / name) == expected, name
    assert read(tmp_path / "folder" / "u2.npy") == {"u2": expected["u2"]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.npy", b"", "cannot be read"),
        ("s.npy", b"rubbish, no array", "write it with numpy.save"),
        ("s.npz", b"rubbish", "cannot be read"),
        ("s.ark", b"", "holds no score matrix"),
    ],
)
def test_damaged_files_are_told(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WfstAsrError, match=message):
        read(tmp_path / name)


def test_what_is_no_matrix_is_told(tmp_path):
    np.savez(tmp_path / "batch.npz", u=np.zeros((2, 3, 4)))
    with pytest.raises(WfstAsrError, match=r"'u' has an array of shape \(2, 3, 4\).*each utterance of the batch"):
        read(tmp_path / "batch.npz")
    np.savez(tmp_path / "objects.npz", u=np.array([{}], dtype=object))
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read(tmp_path / "objects.npz")
    with pytest.raises(WfstAsrError, match="no such file"):
        read(tmp_path / "nothing.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WfstAsrError, match=r"holds no .npy files"):
        read(tmp_path / "empty")


def test_priors_are_read_from_text_and_arrays(tmp_path):
    np.save(tmp_path / "p.npy", np.array([3, 1]))
    (tmp_path / "p.txt").write_text(" [ 3 1 ]\n")
    (tmp_path / "lines.txt").write_text("3\n1\n")
    for name in ("p.npy", "p.txt", "lines.txt"):
        assert read_prior_vector(tmp_path / name).tolist() == [3, 1]
    (tmp_path / "words.txt").write_text("three one")
    with pytest.raises(WfstAsrError, match=r"words.txt: .*expected a number for each column"):
        read_prior_vector(tmp_path / "words.txt")
    (tmp_path / "none.txt").write_text("")
    with pytest.raises(WfstAsrError, match="expected a vector"):
        read_prior_vector(tmp_path / "none.txt")
    with pytest.raises(WfstAsrError, match="no such file"):
        read_prior_vector(tmp_path / "missing.npy")
