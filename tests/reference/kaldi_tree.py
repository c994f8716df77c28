"""What Kaldi's own code makes of a tree and of Gaussians; run as a program, for it hangs beside pywrapfst.

    python kaldi_tree.py IN OUT

IN has tree (binary), topo (text) and queries.json: {"windows": [...], "classes": [...], "gaussians": [[count, first,
second], ...], "floor": number}.  OUT, a JSON file, gets num_pdfs, the pdf of every query (-1 for none), the tuples of the
transition model, and the distances between neighbouring Gaussians.
"""

import itertools
import json
import sys
from pathlib import Path


def main(source, target):
    import kaldi_hmm_gmm as khg
    import numpy as np
    from kaldi_graph import read_tree

    queries = json.loads((source / "queries.json").read_text())
    tree = read_tree(source / "tree")
    topology = khg.HmmTopology()
    topology.read((source / "topo").read_text())
    model = khg.TransitionModel(tree, topology)
    pdfs = []
    for window, pdf_class in zip(queries["windows"], queries["classes"], strict=True):
        found, pdf = tree.compute(window, pdf_class)
        pdfs.append(pdf if found else -1)
    gaussians = [
        khg.GaussClusterable(np.array(first), np.array(second), queries["floor"], count)
        for count, first, second in queries["gaussians"]
    ]
    answer = {
        "num_pdfs": tree.num_pdfs,
        "model_pdfs": model.num_pdfs,
        "pdfs": pdfs,
        "distances": [a.distance(b) for a, b in itertools.pairwise(gaussians)],
        "likelihoods": [a.objf() for a in gaussians],
    }
    target.write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
