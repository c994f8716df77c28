"""Compile a graph with Kaldi's own code (kaldifst, kaldi_hmm_gmm); run as a program, since both hang beside pywrapfst
(and are imported in the functions, since the collection of doctests imports this file).

    python kaldi_graph.py IN OUT [TRANSITION_SCALE SELF_LOOP_SCALE]

IN has L_disambig.fst, G.fst (vector FSTs), tree (binary), disambig.int, topo (text), and perhaps log_probs.json, one
number a transition-id.  OUT gets LG.fst, CLG.fst, H.fst, HCLGa.fst, HCLG.fst and windows.json; sizes and seconds of the
steps go to stdout as JSON.
"""

import json
import math
import sys
import time
from pathlib import Path


def read_tree(path):
    """Make a tree from the binary file that Kaldi writes, through the state that pickle would set."""
    import kaldi_hmm_gmm as khg

    data = path.read_bytes()
    assert data[:2] == b"\0B", f"{path} is not binary"
    tree = khg.ContextDependency.__new__(khg.ContextDependency)
    tree.__setstate__(([byte - 256 if byte > 127 else byte for byte in data[2:]],))
    return tree


def transition_model(folder, tree):
    """Make the model of a tree and a topology, with the probabilities of log_probs.json if that is there."""
    import kaldi_hmm_gmm as khg

    topology = khg.HmmTopology()
    topology.read((folder / "topo").read_text())
    model = khg.TransitionModel(tree, topology)
    if (folder / "log_probs.json").exists():
        state = list(model.__getstate__())
        log_probs, leave = json.loads((folder / "log_probs.json").read_text()), list(state[7])
        assert len(log_probs) == len(state[6])
        for label in range(1, len(log_probs)):
            if model.is_self_loop(label):
                leave[state[3][label]] = math.log(1.0 - math.exp(log_probs[label]))
        state[6], state[7] = log_probs, leave
        model = khg.TransitionModel.__new__(khg.TransitionModel)
        model.__setstate__(tuple(state))
    return model


def size(fst):
    return {"states": fst.num_states, "arcs": sum(fst.num_arcs(s) for s in range(fst.num_states))}


def without_symbols(fst, symbols):
    """Rebuild a machine with the disambiguation symbols turned into epsilons."""
    import kaldifst

    symbols, result = set(symbols), kaldifst.StdVectorFst()
    for _ in range(fst.num_states):
        result.add_state()
    result.start = fst.start
    for state in range(fst.num_states):
        result.set_final(state, fst.final(state))
        for arc in kaldifst.ArcIterator(fst, state):
            label = 0 if arc.ilabel in symbols else arc.ilabel
            result.add_arc(state, kaldifst.StdArc(label, arc.olabel, arc.weight, arc.nextstate))
    return result


def main(source, target, transition_scale=1.0, self_loop_scale=0.1):
    import kaldi_hmm_gmm as khg
    import kaldifst

    sizes, clock = {}, [time.process_time()]

    def done(name, fst):
        now = time.process_time()
        sizes[name] = {**size(fst), "cpu_seconds": round(now - clock[0], 3)}
        clock[0] = time.process_time()
        return fst

    tree = read_tree(source / "tree")
    model = transition_model(source, tree)
    lexicon = kaldifst.StdVectorFst.read(str(source / "L_disambig.fst"))
    grammar = kaldifst.StdVectorFst.read(str(source / "G.fst"))
    disambig = [int(line) for line in (source / "disambig.int").read_text().split()]
    clock[0] = time.process_time()
    kaldifst.arcsort(lexicon, "olabel")
    kaldifst.arcsort(grammar, "ilabel")
    lg = done("L o G", kaldifst.compose(lexicon, grammar))
    assert not kaldifst.determinize_star(lg, use_log=True)
    done("det(L o G)", lg)
    kaldifst.minimize_encoded(lg)
    done("min(det(L o G))", lg).write(str(target / "LG.fst"))
    clg, windows = kaldifst.compose_context(disambig, tree.context_width, tree.central_position, lg)
    done("C o LG", clg).write(str(target / "CLG.fst"))
    kaldifst.arcsort(clg, "ilabel")
    config = khg.HTransducerConfig(transition_scale=transition_scale)
    h, symbols = khg.get_h_transducer(windows, tree, model, config)
    done("H", h).write(str(target / "H.fst"))
    kaldifst.arcsort(h, "olabel")
    hclg = done("H o CLG", kaldifst.compose(h, clg))
    assert not kaldifst.determinize_star(hclg, use_log=True)
    done("det(H o CLG)", hclg)
    hclg = done("rds(HCLG)", without_symbols(hclg, symbols))
    kaldifst.minimize_encoded(hclg)
    done("min(HCLG)", hclg).write(str(target / "HCLGa.fst"))
    hclg = khg.add_self_loops(self_loop_scale, [], True, model, hclg)
    done("asl(HCLG)", hclg).write(str(target / "HCLG.fst"))
    (target / "windows.json").write_text(json.dumps([list(window) for window in windows]))
    print(json.dumps({"steps": sizes, "disambig": list(symbols)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(float, sys.argv[3:]))
