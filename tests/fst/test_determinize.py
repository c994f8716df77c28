import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.paths import compare_paths
from wfst_asr.fst.properties import describe


def random_transducer(seed: int, *, num_states: int = 7, num_arcs: int = 14) -> ArcTable:
    """Acyclic, with input epsilons; its outputs are a function of the input: every input label has its own outputs."""
    rng = np.random.default_rng(seed)
    arcs = [(s, s + 1, 1 + s % 3, 0, 0.5) for s in range(num_states - 1)]
    for _ in range(num_arcs):
        source, dest = sorted(int(s) for s in rng.integers(0, num_states, 2))
        if source != dest:
            arcs.append((source, dest, int(rng.integers(0, 4)), 0, float(rng.integers(1, 16)) / 8))
    outputs = {0: 0, 1: 0, 2: 7, 3: 8}
    arcs = [(s, d, i, outputs[i], c) for s, d, i, _, c in arcs]
    return arc_table(num_states, arcs, finals={num_states - 1: 0.25, 3: 1.5})


@given(st.integers(0, 10_000), st.booleans())
def test_determinization_keeps_the_summed_cost_of_every_input(seed: int, use_log: bool) -> None:
    machine = random_transducer(seed)
    result = determinize_star(machine, use_log=use_log)
    assert describe(result).input_deterministic or describe(result).input_epsilons > 0
    told = compare_paths(machine, result, rng=np.random.default_rng(seed), num_paths=5, use_log=use_log)
    assert told.num_missing == 0, told.example
    assert told.worst_per_symbol < 2e-3, told.example


@given(st.integers(0, 10_000))
def test_every_state_has_one_arc_an_input_label(seed: int) -> None:
    result = determinize_star(random_transducer(seed))
    pairs = list(zip(result.source().tolist(), result.arcs["ilabel"].tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)


def test_stochastic_machines_stay_stochastic_in_the_log_semiring() -> None:
    half = float(np.log(2))
    arcs = [(0, 1, 1, 0, 2 * half), (0, 2, 1, 0, 2 * half), (0, 3, 2, 0, half)]
    arcs += [(1, 3, 3, 0, 0.0), (2, 3, 4, 0, 0.0)]
    result = determinize_star(arc_table(4, arcs, finals={3: 0.0}))
    total = np.zeros(result.num_states)
    np.add.at(total, result.source(), np.exp(-result.arcs["cost"].astype(float)))
    total += np.exp(-result.final_cost.astype(float))
    assert np.allclose(total, 1.0)


def test_outputs_wait_until_the_input_tells_them_apart() -> None:
    arcs = [(0, 1, 1, 7, 0.0), (1, 2, 2, 0, 0.0), (0, 3, 1, 8, 0.0), (3, 4, 3, 9, 0.0)]
    result = determinize_star(arc_table(5, arcs, finals={2: 0.0, 4: 0.0}))
    told = {(int(a["ilabel"]), int(a["olabel"])) for a in result.arcs}
    assert told == {(1, 0), (2, 7), (3, 8), (0, 9)}


def test_epsilon_cycles_add_up() -> None:
    loop = arc_table(2, [(0, 0, 0, 0, float(np.log(2))), (0, 1, 1, 1, float(np.log(2)))], finals={1: 0.0})
    assert determinize_star(loop).arcs["cost"][0] == pytest.approx(0.0, abs=2e-3)  # 1/2 (1 + 1/2 + 1/4 + ...)


def homophones(*, with_backoff: bool) -> ArcTable:
    """`red` and `read` are both R EH D; with_backoff: their histories meet again by the epsilon that backs off."""
    arcs = [(0, 1, 1, 5, 0.0), (1, 2, 2, 0, 0.0), (2, 3, 3, 0, 0.0)]
    arcs += [(0, 4, 1, 6, 0.0), (4, 5, 2, 0, 0.0), (5, 6, 3, 0, 0.0)]
    if with_backoff:
        arcs += [(3, 7, 9, 0, 0.5), (6, 7, 9, 0, 0.25)]
    return arc_table(8, arcs, finals={3: 0.0, 6: 0.0, 7: 0.0} if not with_backoff else {7: 0.0})


@pytest.mark.parametrize("with_backoff", [True, False])
def test_homophones_without_disambiguation_symbols_are_named(with_backoff: bool) -> None:
    phones, words = {1: "R", 2: "EH", 3: "D", 9: "#0"}, {5: "red", 6: "read"}
    with pytest.raises(
        WfstAsrError, match=r"L o G .* the words 'red' and 'read' share the pronunciation 'R EH D( #0)?'"
    ):
        determinize_star(
            homophones(with_backoff=with_backoff), what="L o G", iname=lambda i: phones[i], oname=lambda o: words[o]
        )


def test_a_word_that_follows_both_homophones_is_not_blamed() -> None:
    arcs = [(0, 1, 1, 5, 0.0), (1, 2, 2, 7, 0.0), (0, 3, 1, 6, 0.0), (3, 2, 2, 7, 0.0)]
    with pytest.raises(WfstAsrError, match="the words '5' and '6' share the pronunciation '1' and"):
        determinize_star(arc_table(4, arcs, finals={2: 0.0}))


def test_outputs_that_wait_for_ever_are_told() -> None:
    arcs = [(0, 1, 1, 5, 0.0), (1, 1, 1, 5, 0.0), (0, 2, 1, 6, 0.0), (2, 2, 1, 6, 0.0)]
    arcs += [(1, 3, 2, 0, 0.0), (2, 3, 3, 0, 0.0)]
    with pytest.raises(WfstAsrError, match="more than 256 output labels"):
        determinize_star(arc_table(4, arcs, finals={3: 0.0}))


def test_the_limit_on_states_is_kept() -> None:
    arcs = [(0, 1, 1, 5, 0.0), (1, 1, 1, 5, 0.0), (0, 2, 1, 6, 0.0), (2, 2, 1, 6, 0.0)]
    arcs += [(1, 3, 2, 0, 0.0), (2, 3, 3, 0, 0.0)]
    with pytest.raises(WfstAsrError, match="within 20 states"):
        determinize_star(arc_table(4, arcs, finals={3: 0.0}), max_states=20)


def test_an_empty_machine_stays_empty() -> None:
    empty = determinize_star(arc_table(0, [], finals={}, start=-1))
    assert (empty.num_states, empty.num_arcs) == (0, 0)
