"""Alignments and transition probabilities of a real model against Kaldi's own code."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wfst_asr.align.forced import align, score_columns, transition_costs
from wfst_asr.align.options import AlignOptions
from wfst_asr.fst.convert import from_pynini
from wfst_asr.fst.ops import read_fst
from wfst_asr.fst.symbols import read_symbols
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.hmm.estimate import estimate_transitions
from wfst_asr.io.archives import read_matrices
from wfst_asr.kaldi.transition_model import read_transition_model
from wfst_asr.kaldi.tree import read_tree

PROGRAM = Path(__file__).resolve().parent.parent / "reference" / "kaldi_align.py"
OPTIONS = AlignOptions(beam=10.0, retry_beam=40.0, acoustic_scale=0.1, transition_scale=1.0, self_loop_scale=0.1)
pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("kaldifst", "kaldi_hmm_gmm")),
    reason="needs the extra 'test': kaldifst and kaldi_hmm_gmm",
)


@pytest.fixture(scope="module")
def an4(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The model, words and scores of some utterances, and what Kaldi makes of them."""
    source, folder = corpora / "kaldi_an4", tmp_path_factory.mktemp("kaldi")
    model = read_transition_model(source / "model" / "final.mdl")
    words = read_symbols(source / "graph" / "words.txt")
    texts = dict(line.split(maxsplit=1) for line in (source / "text").read_text().splitlines()[:8])
    ids = {utterance: [words[word] for word in text.split()] for utterance, text in texts.items()}
    scores = {name: matrix for name, matrix in read_matrices(source / "loglikes.ark") if name in ids}
    for name, place in (("tree", "model"), ("topo", "lang"), ("L.fst", "lang")):
        shutil.copy(source / place / name, folder / name)
    (folder / "log_probs.json").write_text(json.dumps(model.log_prob.tolist()))
    np.savez(folder / "scores.npz", **{name: matrix[:, model.pdf_id[1:]] for name, matrix in scores.items()})
    counts = np.random.default_rng(0).exponential(20.0, model.num_transition_ids + 1) ** 1.5 / 50
    task = {"words": ids, "counts": counts.tolist(), **OPTIONS.__dict__}
    (folder / "task.json").write_text(json.dumps(task))
    run = subprocess.run([sys.executable, str(PROGRAM), str(folder)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    compiler = TrainingGraphCompiler(
        from_pynini(read_fst(source / "lang" / "L.fst")), read_tree(source / "model" / "tree"), model
    )
    return model, compiler, ids, scores, counts, json.loads((folder / "result.json").read_text())


def test_alignments_are_those_of_kaldi(an4: Any) -> None:
    model, compiler, ids, scores, _, told = an4
    costs = transition_costs(model, OPTIONS)
    frames = differing = 0
    for utterance, words in ids.items():
        graph = compiler.compile(words)
        pdfs = graph.pdfs(model)
        ours = align(graph, scores[utterance][:, pdfs], score_columns(model, pdfs), costs, OPTIONS)
        theirs = told["utterances"][utterance]
        frames += len(ours.transition_ids)
        differing += int((ours.transition_ids != np.asarray(theirs["alignment"])).sum())
        likelihood = ours.log_likelihood - ours.graph_cost / OPTIONS.acoustic_scale  # as Kaldi counts it
        assert likelihood == pytest.approx(theirs["likelihood"], abs=0.05)
        assert ours.retried == bool(theirs["retried"])
    assert differing <= 0.002 * frames  # ties


def test_transition_probabilities_are_those_of_kaldi(an4: Any) -> None:
    model, _, _, _, counts, told = an4
    new, change = estimate_transitions(model, counts)
    np.testing.assert_allclose(new.log_prob[1:], told["log_probs"][1:], atol=1e-5)
    assert told["mle_update"][0] == pytest.approx(change, rel=1e-3)
