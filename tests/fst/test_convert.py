import numpy as np
import pynini
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.fst.convert import from_pynini, to_pynini


def random_table(rng, num_states=20, num_arcs=60):
    arcs = [
        (
            *(int(x) for x in rng.integers(num_states, size=2)),
            *(int(x) for x in rng.integers(5, size=2)),
            float(rng.random()),
        )
        for _ in range(num_arcs)
    ]
    return arc_table(num_states, arcs, finals={3: 0.5, 7: 0.0}, start=2)


@pytest.mark.parametrize("seed", range(5))
def test_arrays_survive_the_way_through_openfst(seed):
    table = random_table(np.random.default_rng(seed))
    fst = to_pynini(table)
    assert fst.verify()
    assert fst.fst_type() == "vector"
    back = from_pynini(fst)
    assert back.start == table.start
    np.testing.assert_array_equal(back.first_arc, table.first_arc)
    np.testing.assert_array_equal(back.arcs, table.arcs)
    np.testing.assert_array_equal(back.final_cost, table.final_cost)


def test_converted_machine_takes_part_in_openfst_algorithms():
    table = arc_table(2, [(0, 1, 1, 2, 0.5), (0, 1, 1, 3, 0.25)], finals={1: 0.0})
    best = pynini.shortestpath(to_pynini(table))
    assert from_pynini(best).arcs["olabel"].tolist() == [3]


def test_empty_machine_has_no_start():
    table = from_pynini(pynini.Fst())
    assert (table.start, table.num_states, table.num_arcs) == (-1, 0, 0)
    assert to_pynini(table).num_states() == 0


def test_symbol_tables_are_left_behind():
    fst = pynini.accep("ab")
    symbols = pynini.SymbolTable()
    symbols.add_symbol("<eps>", 0)
    symbols.add_symbol("a", 97)
    fst.set_input_symbols(symbols)
    assert from_pynini(fst).num_arcs == 2
    assert fst.input_symbols() is not None


def test_other_semirings_are_refused():
    with pytest.raises(WfstAsrError, match="arc type 'log', expected 'standard'"):
        from_pynini(pynini.arcmap(pynini.accep("a"), map_type="to_log"))
