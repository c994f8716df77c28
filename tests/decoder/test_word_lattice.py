"""Word lattices of a graph folder: by pronunciations, by marks, and of real recordings."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.decoder.test_word_times import SCORES, make_folder
from tests.lattice.kaldi_text import compact, read_compact
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import LABEL_DTYPE, load_graph
from wfst_asr.decoder.word_lattice import word_lattice
from wfst_asr.decoder.word_times import phone_times
from wfst_asr.errors import WfstAsrError

TWO = compact(3, [(0, 1, 1, 1.0, 2.0, [1, 1, 2, 3]), (1, 2, 2, 0.5, 0.5, [3, 4, 4, 4])], {2: (0.0, 0.0, [])})


def test_pronunciations_of_the_folder_tell_words_and_phones_with_their_times(tmp_path):
    graph = make_folder(tmp_path, with_lexicon=True)
    found = word_lattice(graph, TWO)
    spans = zip(found.lattice.olabel.tolist(), found.start_frame.tolist(), found.end_frame.tolist(), strict=True)
    assert list(spans) == [(1, 0, 3), (2, 3, 5), (0, 5, 8)]
    assert not found.partial.any()
    assert [(p.phone, p.start_frame, p.end_frame, p.start_s, p.end_s) for p in found.phones(1)] == [
        ("B", 3, 5, 0.06, 0.1)
    ]


def test_phone_times_of_a_path_and_of_its_words(tmp_path):
    graph = make_folder(tmp_path, with_lexicon=True)
    result = decode(graph, SCORES)
    phones = [(p.phone, p.start_frame, p.end_frame) for p in phone_times(graph, result.alignment)]
    assert phones == [("A", 0, 3), ("B", 3, 5), ("SIL", 5, 8)]
    word = result.word_times[1]
    of_word = phone_times(graph, result.alignment[word.start_frame : word.end_frame], first_frame=word.start_frame)
    assert [(p.phone, p.start_frame, p.end_frame) for p in of_word] == [("B", 3, 5)]
    with pytest.raises(WfstAsrError, match="does not tell the phones"):
        phone_times(replace(graph, input_labels=None), result.alignment)


def test_what_cannot_be_told_is_refused(tmp_path):
    with pytest.raises(WfstAsrError, match="does not tell where words begin and end"):
        word_lattice(make_folder(tmp_path, with_lexicon=False), TWO)
    (tmp_path / "align_lexicon.txt").write_text("a A\n")
    with pytest.raises(WfstAsrError, match=r"'b' is not in align_lexicon.txt"):
        word_lattice(load_graph(tmp_path), TWO)
    (tmp_path / "align_lexicon.txt").write_text("a A\nb Q\n")
    with pytest.raises(WfstAsrError, match=r"phone 'Q' of align_lexicon.txt is not in phones.txt"):
        word_lattice(load_graph(tmp_path), TWO)


def test_kaldis_lattices_have_the_word_times_of_their_best_paths(corpora, tmp_path):
    from wfst_asr.io.archives import read_matrices
    from wfst_asr.kaldi.transition_model import read_transition_model

    source = corpora / "kaldi_an4"
    for name in ("HCLG.fst", "words.txt", "phones.txt"):
        shutil.copyfile(source / "graph" / name, tmp_path / name)
    model = read_transition_model(source / "model" / "final.mdl")
    labels = np.zeros(len(model.pdf_id), dtype=LABEL_DTYPE)
    labels["column"], labels["phone"], labels["hmm_state"] = model.pdf_id, model.phone, model.hmm_state
    labels["self_loop"] = model.is_self_loop
    by_marks = load_graph(tmp_path, columns=labels)
    assert by_marks.pronunciations == {}
    lattices = read_compact(source / "lattices" / "clat.txt.gz", 0.083333)
    marked = {name: word_lattice(by_marks, lattice) for name, lattice in lattices.items()}
    shutil.copyfile(source / "graph" / "align_lexicon.txt", tmp_path / "align_lexicon.txt")
    graph = load_graph(tmp_path, columns=labels)
    for name, scores in list(read_matrices(source / "loglikes.ark"))[:5]:
        found = word_lattice(graph, lattices[name])
        assert found.lattice.labels.tolist() == marked[name].lattice.labels.tolist()
        assert not found.partial.any()
        arcs = set(
            zip(found.lattice.olabel.tolist(), found.start_frame.tolist(), found.end_frame.tolist(), strict=True)
        )
        best = decode(graph, scores, DecodeOptions(acoustic_scale=0.083333))
        spans = {(word, t.start_frame, t.end_frame) for word, t in zip(best.word_ids, best.word_times, strict=True)}
        assert spans <= arcs
