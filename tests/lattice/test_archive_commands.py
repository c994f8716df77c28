"""The commands that make lattices from lattices, on archives."""

import json

import pytest

from tests.graph.test_grammar_fst import random_model, symbols_of
from tests.lattice.whole_paths import check_same_paths, whole_paths
from tests.lattice.word_lattices import linear_compact
from tests.toy_world import status_of
from wfst_asr.fst.symbols import write_symbols
from wfst_asr.kaldi.lattice import read_lattices, write_lattices
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.convert import state_level
from wfst_asr.lattice.lattice import Lattice
from wfst_asr.lm.arpa import write_arpa

WORDS = {"utt1": linear_compact([((1, 2), 1.0), ((3,), 2.0), ((1, 2), 4.0)]), "utt2": linear_compact([((2,), 0.5)])}


@pytest.fixture
def archive(tmp_path):
    write_lattices(tmp_path / "lat.ark", WORDS.items())
    return tmp_path / "lat.ark"


def paths_of(name):
    return {key: whole_paths(lattice) for key, lattice in read_lattices(name)}


def test_copy_converts_between_kinds_and_between_text_and_binary(archive, tmp_path):
    raw, back = tmp_path / "raw.gz", tmp_path / "back.ark"
    assert status_of("lattice", "copy", archive, raw, "--kind", "lattice", "--text") == 0
    assert {type(lattice) for _, lattice in read_lattices(raw)} == {Lattice}
    assert status_of("lattice", "copy", raw, back, "--kind", "compact", "--scp", tmp_path / "back.scp") == 0
    assert {type(lattice) for _, lattice in read_lattices(tmp_path / "back.scp")} == {CompactLattice}
    assert paths_of(back) == paths_of(archive)


def test_info_counts_what_is_there(archive, capsys):
    assert status_of("lattice", "info", archive, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lattices"]["utt1"]["arcs"] == WORDS["utt1"].num_arcs == 5
    assert told["total"] == {
        "count": 2,
        "kind": "Compact",
        "states": 8,
        "arcs": 6,
        "word_arcs": 6,
        "final_states": 4,
        "frames": 3,
        "density": 2.0,
    }
    assert status_of("lattice", "info", archive) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["kind", "utt1", "utt2", "all"]


def test_prune_and_determinize_keep_what_is_within_the_beam(archive, tmp_path):
    pruned, words = tmp_path / "pruned.ark", tmp_path / "words.ark"
    assert status_of("lattice", "prune", archive, pruned, "--beam", 1.5, "--acoustic-scale", 0.1) == 0
    assert set(paths_of(pruned)["utt1"]) == {((1, 2), (1, 1)), ((3,), (1, 1))}
    assert paths_of(pruned)["utt1"][(1, 2), (1, 1)] == [(1.0, 0.0)]
    assert status_of("lattice", "determinize", archive, words, "--beam", 9, "--acoustic-scale", 0.1) == 0
    assert paths_of(words)["utt1"] == {((1, 2), (1, 1)): [(1.0, 0.0)], ((3,), (1, 1)): [(2.0, 0.0)]}
    smaller = tmp_path / "smaller.ark"
    status = status_of("lattice", "determinize", archive, smaller, "--beam", 9, "--acoustic-scale", 0.1, "--minimize")
    assert status == 0
    assert paths_of(smaller) == paths_of(words)


def test_union_joins_lattices_by_utterance(archive, tmp_path):
    other = tmp_path / "other.ark"
    write_lattices(other, [("utt2", linear_compact([((3,), 0.25)])), ("utt3", WORDS["utt2"])])
    assert status_of("lattice", "union", archive, other, tmp_path / "both.ark") == 0
    both = paths_of(tmp_path / "both.ark")
    assert list(both) == ["utt1", "utt2", "utt3"]
    assert both["utt2"] == {((2,), (1,)): [(0.5, 0.0)], ((3,), (1,)): [(0.25, 0.0)]}


def test_union_names_the_utterance_that_does_not_fit(archive, tmp_path, capsys):
    write_lattices(tmp_path / "raw.ark", [("utt2", state_level(WORDS["utt2"]))])
    assert status_of("lattice", "union", archive, tmp_path / "raw.ark", tmp_path / "both.ark") == 1
    assert "'utt2': a Lattice and a CompactLattice cannot be united" in capsys.readouterr().err
    assert not (tmp_path / "both.ark").exists()


def test_rescore_replaces_the_language_model(archive, tmp_path, capsys):
    import numpy as np

    models = [random_model(np.random.default_rng(seed), num_words=3, order=2) for seed in (4, 5)]
    symbols = symbols_of(models[0])
    write_symbols(symbols, tmp_path / "words.txt")
    for name, model in zip(("old.arpa", "new.arpa.gz"), models, strict=True):
        write_arpa(model, tmp_path / name)
    given = ["--words", tmp_path / "words.txt", "--old", tmp_path / "old.arpa", "--new", tmp_path / "new.arpa.gz"]
    assert status_of("lattice", "rescore", archive, tmp_path / "new.ark", *given, "--new-weight", 0.5) == 0
    for key, paths in paths_of(archive).items():
        expected = {}
        for (words, labels), costs in paths.items():
            sentence = [symbols.names[w] for w in words]
            change = models[0].score(sentence) - 0.5 * models[1].score(sentence)
            expected[words, labels] = [(graph + change, acoustic) for graph, acoustic in costs]
        check_same_paths(paths_of(tmp_path / "new.ark")[key], expected)
    assert status_of("lattice", "rescore", archive, tmp_path / "none.ark", *given[:2]) == 2
    assert "give --old, --new or both" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["info"], ["copy"], ["prune", "--beam", 2, "--acoustic-scale", 0.1]])
def test_missing_archives_are_told_in_one_sentence(command, tmp_path, capsys):
    output = [] if command == ["info"] else [tmp_path / "out.ark"]
    assert status_of("lattice", command[0], tmp_path / "no.ark", *output, *command[1:]) == 1
    assert "no such file; expected an archive of lattices" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
