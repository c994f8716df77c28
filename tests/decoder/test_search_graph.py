import os

import numpy as np
import pytest

from wfst_asr.decoder import search_graph
from wfst_asr.decoder.beam import BeamSearch
from wfst_asr.decoder.search_graph import LABEL_DTYPE, load_graph, make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table, const_fst_bytes, write_const_fst
from wfst_asr.fst.manifest import Manifest, Step, read_manifest, write_manifest

ARCS = [(0, 0, 1, 0, 0.5), (0, 1, 2, 1, 0.5), (1, 1, 2, 0, 0.25), (1, 0, 0, 2, 0.0)]
SCORES = [[0.0, -5.0], [-5.0, 0.0], [0.0, -3.0]]


def manifest(**changes):
    given = {"label_kind": "pdf-id+1", "num_columns": 2, "column_names": "senone", "steps": (Step("HCLG", 2, 4),)}
    return Manifest(**{**given, **changes})


def make_folder(folder, *, arcs=ARCS, **changes):
    write_const_fst(arc_table(2, arcs, finals={1: 0.0}), folder / "HCLG.fst")
    (folder / "words.txt").write_text("<eps> 0\nyes 1\nno 2\n")
    write_manifest(folder, manifest(**changes))
    return folder


def cost(graph):
    search = BeamSearch(graph)
    search.advance(SCORES)
    return search.finish().cost


def test_prepared_graph_is_the_graph(tmp_path, monkeypatch):
    first = load_graph(make_folder(tmp_path))
    assert (tmp_path / "HCLG.search").is_file()
    monkeypatch.setattr(search_graph, "lay_out", lambda *_, **__: pytest.fail("prepared again"))
    second = load_graph(tmp_path)
    assert cost(first) == cost(second)
    assert second.words == ("<eps>", "yes", "no")
    assert second.num_columns == 2


def test_prepared_file_of_another_graph_is_remade(tmp_path):
    before = cost(load_graph(make_folder(tmp_path)))
    other = [*ARCS[:1], (0, 1, 2, 1, 0.75), *ARCS[2:]]
    make_folder(tmp_path, arcs=other)
    assert cost(load_graph(tmp_path)) == pytest.approx(before + 0.25)


@pytest.mark.parametrize("damage", [b"", b"WFSTLAY1", b"something else altogether"])
def test_damaged_prepared_file_is_remade(tmp_path, damage):
    before = cost(load_graph(make_folder(tmp_path)))
    whole = (tmp_path / "HCLG.search").read_bytes()
    (tmp_path / "HCLG.search").write_bytes(damage)
    assert cost(load_graph(tmp_path)) == before
    (tmp_path / "HCLG.search").write_bytes(whole[:-70])
    assert cost(load_graph(tmp_path)) == before
    assert (tmp_path / "HCLG.search").read_bytes() == whole


def test_folder_that_cannot_be_written_is_no_obstacle(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "HCLG.search").mkdir()  # renaming a file onto a folder fails, for root as well
    assert cost(load_graph(tmp_path)) == cost(load_graph(tmp_path))
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_plain_const_fst_with_the_callers_columns(tmp_path):
    make_folder(tmp_path)
    for name in ("manifest.json", "words.txt"):
        (tmp_path / name).unlink()
    graph = load_graph(tmp_path / "HCLG.fst", columns=[-1, 0, 1], words=["<eps>", "ja", "nein"])
    assert graph.manifest is None
    assert [graph.word(i) for i in (1, 2, 3)] == ["ja", "nein", "3"]
    with pytest.raises(WfstAsrError, match="give load_graph the score column of each label"):
        load_graph(tmp_path / "HCLG.fst")


def test_truncated_graph(tmp_path):
    make_folder(tmp_path)
    whole = (tmp_path / "HCLG.fst").read_bytes()
    (tmp_path / "HCLG.fst").write_bytes(whole[:-5])
    with pytest.raises(WfstAsrError, match="truncated or damaged"):
        load_graph(tmp_path)


def test_graph_of_another_arc_type(tmp_path):
    make_folder(tmp_path)
    data = const_fst_bytes(arc_table(2, ARCS, finals={1: 0.0})).replace(b"\x08\0\0\0standard", b"\x03\0\0\0log")
    (tmp_path / "HCLG.fst").write_bytes(data)
    with pytest.raises(WfstAsrError, match="arc type 'log', expected 'standard'"):
        load_graph(tmp_path)


def test_missing_graph(tmp_path):
    with pytest.raises(WfstAsrError, match=r"HCLG\.fst: no such file"):
        load_graph(tmp_path)


def test_manifest_of_another_graph(tmp_path):
    make_folder(tmp_path, steps=(Step("HCLG", 7, 9),))
    with pytest.raises(WfstAsrError, match=r"tells of 7 states and 9 arcs, but HCLG\.fst has 2 and 4"):
        load_graph(tmp_path)


def test_label_beyond_the_table(tmp_path):
    make_folder(tmp_path, num_columns=1)
    with pytest.raises(WfstAsrError, match=r"arc 1 has input label 2, but the labels told are 0 to 1"):
        load_graph(tmp_path)


def test_label_table_beyond_the_manifest(tmp_path):
    make_folder(tmp_path)
    labels = np.zeros(3, dtype=LABEL_DTYPE)
    labels["column"] = [-1, 0, 5]
    np.save(tmp_path / "input_labels.npy", labels)
    with pytest.raises(WfstAsrError, match="label 2 has column 5, but the manifest tells of 2 columns"):
        load_graph(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not JSON"), ("[]", "expected a JSON object"), ('{"format": 1}', "missing"), ('{"format": 2, "label_kind": "pdf-id+1", "num_columns": 1, "column_names": ""}', "format 2")],
)  # fmt: skip
def test_bad_manifests(tmp_path, content, message):
    make_folder(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(WfstAsrError, match=message):
        load_graph(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"label_kind": "phone"}, {"num_columns": 0}, {"frame_shift_s": 0.0}, {"acoustic_scale": float("nan")}, {"self_loop_scale": -1.0}],
)  # fmt: skip
def test_manifest_values_out_of_range(change):
    with pytest.raises(WfstAsrError, match=next(iter(change))):
        manifest(**change)


def test_manifest_reads_back(tmp_path):
    written = manifest(silence_phones=("SIL", "SPN"), inputs={"tree": "ab" * 32}, options={"n": 3})
    write_manifest(tmp_path, written)
    assert read_manifest(tmp_path) == written


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (arc_table(1, [], finals={}, start=-1), "no start state"),
        (arc_table(1, [(0, 3, 1, 1, 0.0)], finals={}), "leads to state 3 of 1 states"),
        (arc_table(1, [(0, 0, -2, 1, 0.0)], finals={}), "input label -2"),
        (arc_table(1, [(0, 0, 1, 1, float("nan"))], finals={}), "cost nan"),
    ],
)
def test_graphs_that_cannot_be_searched(table, message):
    with pytest.raises(WfstAsrError, match=message):
        make_search_graph(table, [-1, 0])


def test_bad_words_file(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "words.txt").write_text("<eps> 0\nyes\n")
    graph = load_graph(tmp_path)
    with pytest.raises(WfstAsrError, match=r"words.txt:2: 'yes', expected a symbol and its number"):
        _ = graph.words
