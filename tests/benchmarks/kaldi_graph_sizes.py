"""Print the sizes of every machine on the way to HCLG beside those that Kaldi's own code makes.

    python tests/benchmarks/kaldi_graph_sizes.py [--corpus FOLDER] [--json]

Without --corpus it compiles the toy recogniser of the tests; FOLDER is a model with its graph, laid out as
`kaldi_an4` (lang/, model/, graph/), and its graph/HCLG.fst is compared too.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.graph.toy_graph import make_toy  # noqa: E402
from wfst_asr.fst.arcs import read_const_fst  # noqa: E402
from wfst_asr.fst.convert import to_pynini  # noqa: E402
from wfst_asr.fst.ops import as_table, read_fst  # noqa: E402
from wfst_asr.fst.paths import compare_paths  # noqa: E402
from wfst_asr.graph.hclg import compile_hclg  # noqa: E402
from wfst_asr.hmm.topology import write_topology  # noqa: E402
from wfst_asr.kaldi.transition_model import read_transition_model  # noqa: E402
from wfst_asr.kaldi.tree import read_tree, write_tree  # noqa: E402


def compare(corpus: Path | None, folder: Path) -> dict[str, Any]:
    if corpus is None:
        toy = make_toy(folder)
        lexicon, grammar, tree, model = toy.lexicon, toy.grammar, toy.tree, toy.model
        disambig = toy.phones.disambiguation_ids
    else:
        lexicon = as_table(read_fst(corpus / "lang" / "L_disambig.fst"))
        grammar = as_table(read_fst(corpus / "lang" / "G.fst"))
        tree = read_tree(corpus / "model" / "tree")
        model = read_transition_model(corpus / "model" / "final.mdl")
        disambig = tuple(int(line) for line in (corpus / "graph" / "disambig.int").read_text().split())
    to_pynini(lexicon).write(str(folder / "L_disambig.fst"))
    to_pynini(grammar).write(str(folder / "G.fst"))
    write_tree(tree, folder / "tree")
    write_topology(model.topology, folder / "topo")
    (folder / "disambig.int").write_text("\n".join(map(str, disambig)))
    (folder / "log_probs.json").write_text(json.dumps(model.log_prob.tolist()))
    program = ROOT / "tests" / "reference" / "kaldi_graph.py"
    run = subprocess.run(
        [sys.executable, str(program), str(folder), str(folder)], capture_output=True, text=True, check=True
    )
    theirs = json.loads(run.stdout)["steps"]
    compile_hclg(lexicon, grammar, tree, model, phone_disambig=disambig)  # the kernels are compiled here
    ours = compile_hclg(lexicon, grammar, tree, model, phone_disambig=disambig)
    rng = np.random.default_rng(0)
    table = {
        step.name: {
            "wfst_asr": {"states": step.states, "arcs": step.arcs, "cpu_seconds": step.cpu_seconds},
            "kaldi": theirs.get(step.name),
        }
        for step in ours.steps
    }
    goldens = {"kaldifst": as_table(read_fst(folder / "HCLG.fst"))}
    if corpus is not None:
        goldens["mkgraph.sh"] = read_const_fst(corpus / "graph" / "HCLG.fst")
    equivalence = {}
    for name, golden in goldens.items():
        told = compare_paths(ours.fst, golden, rng=rng, num_paths=100, max_arcs=200)
        equivalence[name] = {
            "states": golden.num_states, "arcs": golden.num_arcs, "paths": told.num_paths,
            "missing": told.num_missing, "worst_cost_difference_per_symbol": told.worst_per_symbol,
        }  # fmt: skip
    return {"steps": table, "equivalence": equivalence}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = compare(arguments.corpus, Path(folder))
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'step':<18}{'states':>9}{'arcs':>9}{'CPU s':>8}   {'Kaldi: states':>14}{'arcs':>9}{'CPU s':>8}")
    for name, row in result["steps"].items():
        cells = [f"{row['wfst_asr'][k]:>{w}}" for k, w in (("states", 9), ("arcs", 9), ("cpu_seconds", 8))]
        other = row["kaldi"] or {}
        cells += ["   "] + [f"{other.get(k, '-'):>{w}}" for k, w in (("states", 14), ("arcs", 9), ("cpu_seconds", 8))]
        print(f"{name:<18}{''.join(cells)}")
    for name, row in result["equivalence"].items():
        print(
            f"HCLG of {name}: {row['states']} states, {row['arcs']} arcs; {row['missing']} of {row['paths']} random paths "
            f"missing, costs differ by at most {row['worst_cost_difference_per_symbol']:.1e} a symbol"
        )


if __name__ == "__main__":
    main()
