"""Folders with HCL and G apart."""

from pathlib import Path

import numpy as np
import pytest

from tests.graph.test_trained_graph import make_parts
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.manifest import read_manifest
from wfst_asr.recipe.graph_inputs import read_whole_graph
from wfst_asr.recipe.on_the_fly_graph import compile_on_the_fly
from wfst_asr.recipe.trained_graph import compile_trained_graph


def test_a_folder_decodes_like_that_of_the_static_graph(tmp_path: Path) -> None:
    model = make_parts(tmp_path)
    lang, lm = tmp_path / "lang", tmp_path / "lm.arpa"
    compile_trained_graph(lang, lm, model, tmp_path / "static")
    made = compile_on_the_fly(lang, lm, model, tmp_path / "graph")
    assert made.method == read_manifest(tmp_path / "graph").options["method"] == "on-the-fly"
    static, lazy = load_graph(tmp_path / "static"), load_graph(tmp_path / "graph", max_graph_memory_mb=100)
    options = DecodeOptions(beam=60.0, max_active=None, acoustic_scale=0.5)
    for seed in range(5):
        scores = np.random.default_rng(seed).normal(0, 4, (60, static.num_columns))
        one, other = decode(static, scores, options), decode(lazy, scores, options)
        assert other.words == one.words
        assert other.word_times == one.word_times
        assert other.times_exact == one.times_exact
        assert other.total_cost == pytest.approx(one.total_cost, abs=0.06)


def test_equal_inputs_give_equal_bytes_and_a_folder_is_of_one_kind(tmp_path: Path) -> None:
    model = make_parts(tmp_path)
    lang, lm = tmp_path / "lang", tmp_path / "lm.arpa"
    for name in ("one", "two"):
        compile_on_the_fly(lang, lm, model, tmp_path / name)
    for name in ("HCL.fst", "HCL.ahead", "G.entries"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with pytest.raises(WfstAsrError, match="holds HCL and G apart; this needs the whole graph"):
        read_whole_graph(tmp_path / "one")
    compile_trained_graph(lang, lm, model, tmp_path / "one")
    assert not (tmp_path / "one" / "HCL.fst").exists()
    assert load_graph(tmp_path / "one").on_the_fly is None


@pytest.mark.parametrize("name", ["HCL.ahead", "G.entries"])
def test_damaged_files_are_told(tmp_path: Path, name: str) -> None:
    model = make_parts(tmp_path)
    compile_on_the_fly(tmp_path / "lang", tmp_path / "lm.arpa", model, tmp_path / "graph")
    file = tmp_path / "graph" / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-64])
    with pytest.raises(WfstAsrError, match=f"{name}: is truncated or damaged"):
        load_graph(tmp_path / "graph")
    file.write_bytes(b"another!" + whole[8:])
    with pytest.raises(WfstAsrError, match=f"{name}: is no part of a graph"):
        load_graph(tmp_path / "graph")
    file.unlink()
    with pytest.raises(WfstAsrError, match=f"{name}: cannot be read"):
        load_graph(tmp_path / "graph")
