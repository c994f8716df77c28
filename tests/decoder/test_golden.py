"""Kaldi's own graph, scores, words, costs and alignments."""

import shutil

import numpy as np
import pytest

from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import LABEL_DTYPE, load_graph
from wfst_asr.io.archives import read_matrices
from wfst_asr.kaldi.transition_model import read_transition_model

SCALE = 0.083333


@pytest.fixture(scope="module")
def golden(corpora, tmp_path_factory):
    source = corpora / "kaldi_an4"
    folder = tmp_path_factory.mktemp("an4")
    for name in ("HCLG.fst", "words.txt", "phones.txt", "align_lexicon.txt"):
        shutil.copyfile(source / "graph" / name, folder / name)
    model = read_transition_model(source / "model" / "final.mdl")
    labels = np.zeros(len(model.pdf_id), dtype=LABEL_DTYPE)
    labels["column"], labels["phone"], labels["hmm_state"] = model.pdf_id, model.phone, model.hmm_state
    labels["self_loop"] = model.is_self_loop
    graph = load_graph(folder, columns=labels)
    options = DecodeOptions(beam=13.0, max_active=7000, acoustic_scale=SCALE)
    results = {name: decode(graph, scores, options) for name, scores in read_matrices(source / "loglikes.ark")}
    return source, graph, results


def table(path):
    return {line.split()[0]: line.split()[1:] for line in path.read_text().splitlines()}


def test_words_and_costs_are_kaldis(golden):
    source, _, results = golden
    words, graph_costs, acoustic_costs = (
        table(source / "lattices" / f"1best.{name}") for name in ("words", "lmcost", "accost")
    )
    assert results.keys() == words.keys()
    for name, result in results.items():
        assert [str(w) for w in result.word_ids] == words[name], name
        kaldi = float(graph_costs[name][0]) + SCALE * float(acoustic_costs[name][0])
        assert result.total_cost == pytest.approx(kaldi, abs=1e-3), name
        assert result.reached_final


def test_alignments_are_kaldis(golden):
    source, _, results = golden
    kaldi = table(source / "lattices" / "1best.ali")
    same = [np.mean(results[name].alignment == np.array(kaldi[name], int)) for name in results]
    assert sum(share == 1.0 for share in same) >= 19  # the other has two paths of the same cost
    assert min(same) > 0.98


def test_word_times_are_those_of_the_position_dependent_phones(golden):
    _, graph, results = golden
    for result in results.values():
        assert result.times_exact
        phones = [graph.phones[p] for p in graph.input_labels["phone"][result.alignment]]
        inside = np.array([not phone.startswith("SIL") for phone in phones])
        covered = np.zeros(len(phones), dtype=bool)
        for word in result.word_times:
            covered[word.start_frame : word.end_frame] = True
            assert phones[word.start_frame][-2:] in ("_B", "_S")
            assert phones[word.end_frame - 1][-2:] in ("_E", "_S")
            assert not any(
                p.endswith("_B") for p in phones[word.start_frame + 1 : word.end_frame] if p != phones[word.start_frame]
            )
        assert (covered == inside).all()
