import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.paths import PathSampler, PathScorer
from wfst_asr.graph.self_loops import add_self_loops
from wfst_asr.hmm.topology import kaldi_topology
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.tree.decision_tree import monophone_tree

MODEL = transition_model_from_tree(monophone_tree({1: 5, 2: 3, 3: 3}), kaldi_topology([2, 3], [1]))
FORWARD = np.flatnonzero(~MODEL.is_self_loop)[1:]
SCALE = 0.3


def random_graph(rng: np.random.Generator) -> ArcTable:
    num_states = 6
    arcs = [(s, s + 1, int(rng.choice(FORWARD)), 0, 0.5) for s in range(num_states - 1)]
    for _ in range(12):
        label = int(rng.choice(FORWARD)) if rng.random() < 0.8 else 0
        source, dest = sorted(int(s) for s in rng.integers(0, num_states, 2))
        if label or source < dest:
            arcs.append((source, dest, label, int(rng.integers(0, 4)), float(rng.integers(8)) / 8))
    return arc_table(num_states, arcs, finals={num_states - 1: 0.25, 1: 1.0})


def expanded(labels: tuple[int, ...], repeats: list[int], *, reorder: bool) -> tuple[list[int], float]:
    """The definition: each transition with its state's self-loop so many times; returns labels and their extra cost."""
    result, cost = [], 0.0
    for label, repeat in zip(labels, repeats, strict=True):
        state = MODEL.transition_state[label]
        loop = int(MODEL.self_loop_id[state])
        loops = [loop] * (repeat if loop else 0)
        result += [label, *loops] if reorder else [*loops, label]
        cost -= SCALE * float(MODEL.non_self_loop_log_prob[state])
        cost -= SCALE * sum(float(MODEL.log_prob[i]) for i in loops)
    return result, cost


@pytest.mark.parametrize("reorder", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_every_path_gets_the_self_loops_of_its_transitions(seed: int, reorder: bool) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    looped = add_self_loops(graph, MODEL, self_loop_scale=SCALE, reorder=reorder)
    sampler, plain, scorer = PathSampler(graph), PathScorer(graph), PathScorer(looped)
    for _ in range(20):
        path = sampler.draw(rng, max_arcs=8)
        labels, extra = expanded(path.ilabels, [int(n) for n in rng.integers(0, 3, len(path.ilabels))], reorder=reorder)
        best = plain.cost(path.ilabels, path.olabels)
        assert scorer.cost(labels, path.olabels) == pytest.approx(best + extra, abs=1e-4)


@pytest.mark.parametrize("reorder", [True, False])
def test_no_path_has_loops_that_do_not_belong_to_it(reorder: bool) -> None:
    rng = np.random.default_rng(7)
    graph = random_graph(rng)
    looped = add_self_loops(graph, MODEL, self_loop_scale=SCALE, reorder=reorder)
    sampler, plain = PathSampler(looped), PathScorer(graph)
    for _ in range(50):
        path = sampler.draw(rng, max_arcs=15)
        forward = tuple(label for label in path.ilabels if not MODEL.is_self_loop[label])
        assert np.isfinite(plain.cost(forward, path.olabels))
        previous = 0
        for label in path.ilabels if reorder else path.ilabels[::-1]:
            if MODEL.is_self_loop[label]:
                assert MODEL.transition_state[label] == MODEL.transition_state[previous]
            previous = label


def test_a_state_has_at_most_one_self_loop() -> None:
    looped = add_self_loops(random_graph(np.random.default_rng(3)), MODEL)
    loops = looped.source()[MODEL.is_self_loop[looped.arcs["ilabel"]]]
    assert len(np.unique(loops)) == len(loops) > 0


def test_self_loops_cannot_be_added_twice() -> None:
    looped = add_self_loops(random_graph(np.random.default_rng(3)), MODEL)
    with pytest.raises(WfstAsrError, match="self-loops already"):
        add_self_loops(looped, MODEL)


def test_the_argument_is_not_changed_and_its_kind_is_kept() -> None:
    graph = random_graph(np.random.default_rng(4))
    before = graph.arcs.copy()
    add_self_loops(graph, MODEL)
    assert np.array_equal(before, graph.arcs)
    assert add_self_loops(to_pynini(graph), MODEL).num_states() >= graph.num_states
