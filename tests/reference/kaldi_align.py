"""Align, and estimate transition probabilities, with Kaldi's own code; run as a program, as kaldi_graph.py is.

    python kaldi_align.py FOLDER

FOLDER has tree (binary), topo (text), log_probs.json, L.fst (vector FST), and task.json: words by utterance (ids), beam,
retry_beam, acoustic_scale, transition_scale, self_loop_scale, and counts, one a transition-id from 0 on; scores.npz has
by utterance a matrix with a column a transition-id (the first is that of 1).  Writes result.json: alignments and
likelihoods by utterance, new log probabilities, and CPU seconds.
"""

import json
import sys
import time
from pathlib import Path


def main(folder):
    import kaldi_hmm_gmm as khg
    import kaldifst
    import numpy as np
    from kaldi_graph import read_tree, transition_model

    task = json.loads((folder / "task.json").read_text())
    tree = read_tree(folder / "tree")
    model = transition_model(folder, tree)
    lexicon = kaldifst.StdVectorFst.read(str(folder / "L.fst"))
    scales = {"transition_scale": 0.0, "self_loop_scale": 0.0, "reorder": True}
    options = khg.TrainingGraphCompilerOptions(**scales)
    compiler = khg.TrainingGraphCompiler(model, tree, lexicon, [], options)
    config = khg.AlignConfig(beam=task["beam"], retry_beam=task["retry_beam"])
    scores = np.load(folder / "scores.npz")
    result, spent = {}, {"compile": 0.0, "align": 0.0}
    for utterance, words in task["words"].items():
        matrix = scores[utterance]
        clock = time.process_time()
        graph = compiler.compile_graph_from_text(words)
        spent["compile"] += time.process_time() - clock
        clock = time.process_time()
        khg.add_transition_probs(
            trans_model=model, transition_scale=task["transition_scale"], self_loop_scale=task["self_loop_scale"],
            fst=graph,
        )  # fmt: skip
        decodable = khg.DecodableCtc(matrix * np.float32(task["acoustic_scale"]))
        _, _, retried, likelihood, _, alignment, _ = khg.align_utterance_wrapper(
            config, utterance, task["acoustic_scale"], graph, decodable, 0, 0, 0, 0.0, 0
        )
        spent["align"] += time.process_time() - clock
        result[utterance] = {"alignment": alignment, "likelihood": likelihood, "retried": retried}
    counts = np.asarray(task["counts"], dtype=np.float64)
    changed = model.mle_update(counts, khg.MleTransitionUpdateConfig())
    log_probs = list(model.__getstate__()[6])
    told = {"utterances": result, "log_probs": log_probs, "cpu_seconds": spent, "mle_update": changed}
    (folder / "result.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
