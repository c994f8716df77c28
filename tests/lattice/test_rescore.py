"""Rescored lattices have the costs of the models, path by path."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.test_grammar_fst import random_model, symbols_of
from tests.lattice.whole_paths import check_form, check_same_paths, whole_paths
from tests.lattice.word_lattices import compact_lattices, either_kind, linear_compact
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.grammar_fst import grammar_arcs
from wfst_asr.lattice.best_way import BestWay
from wfst_asr.lattice.compose import compose
from wfst_asr.lattice.nbest import n_best
from wfst_asr.lattice.rescore import rescore, rescore_nbest
from wfst_asr.lm.arpa import write_arpa
from wfst_asr.recipe.rescoring import language_model_fst, rescore_lattices

MODELS = [
    random_model(np.random.default_rng(seed), num_words=3, order=order) for seed, order in ((1, 3), (2, 2), (3, 4))
]
SYMBOLS = symbols_of(MODELS[0])
GRAMMARS = [language_model_fst(model, SYMBOLS) for model in MODELS]


def cost_of(model, words):
    return -model.score([SYMBOLS.names[w] for w in words])


@settings(max_examples=60)
@given(either_kind(), st.sampled_from([(0, 1), (2, 0), (1, 2)]), st.sampled_from([(1.0, 1.0), (0.5, 0.25)]))
def test_every_path_has_the_cost_of_the_new_model_in_place_of_the_old(lattice, models, weights):
    old, new = models
    out, into = weights
    if not whole_paths(lattice):
        return
    result = rescore(lattice, GRAMMARS[new], old=GRAMMARS[old], old_exact=True, old_weight=out, new_weight=into)
    check_form(result)
    expected = {}
    for (words, labels), costs in whole_paths(lattice).items():
        change = into * cost_of(MODELS[new], words) - out * cost_of(MODELS[old], words)
        expected[words, labels] = [(graph + change, acoustic) for graph, acoustic in costs]
    check_same_paths(whole_paths(result), expected)


@given(compact_lattices())
def test_taking_a_model_out_and_putting_it_back_changes_nothing(lattice):
    if whole_paths(lattice):
        back = rescore(rescore(lattice, None, old=GRAMMARS[0], old_exact=True), GRAMMARS[0])
        check_same_paths(whole_paths(back), whole_paths(lattice))
    assert rescore(lattice, None) is lattice


def test_back_off_arcs_as_epsilons_would_find_cheaper_detours():
    table = grammar_arcs(MODELS[0], SYMBOLS).table
    label = SYMBOLS["#0"]
    lattice = linear_compact([((1, 2, 3), 0.0)])
    exact = rescore(lattice, table, backoff_label=label)
    ((graph, _),) = whole_paths(exact)[(1, 2, 3), (1, 1, 1)]
    assert graph == pytest.approx(cost_of(MODELS[0], (1, 2, 3)), abs=1e-5)
    free = table.arcs.copy()
    free["ilabel"][free["ilabel"] == label] = 0
    every = rescore(lattice, type(table)(table.start, table.first_arc, free, table.final_cost))
    costs = [cost for cost, _ in whole_paths(every)[(1, 2, 3), (1, 1, 1)]]
    assert min(costs) <= graph + 1e-5
    assert len(costs) > 1


@settings(max_examples=60)
@given(either_kind(), st.sampled_from([0, 1, 2]), st.sampled_from([1.0, 0.5]))
def test_a_graphs_model_is_taken_out_at_the_cost_of_its_best_way(lattice, number, weight):
    if not whole_paths(lattice):
        return
    table = grammar_arcs(MODELS[number], SYMBOLS).table
    free = table.arcs.copy()
    free["ilabel"][free["ilabel"] == SYMBOLS["#0"]] = 0
    ways = type(table)(table.start, table.first_arc, free, table.final_cost)
    charged = compose(lattice, ways)  # has every way through G, as a graph has
    back = whole_paths(rescore(lattice, None, old=BestWay(GRAMMARS[number]), old_weight=weight))
    for path, costs in whole_paths(charged).items():
        own = sorted(graph for graph, _ in whole_paths(lattice)[path])
        change = min(graph for graph, _ in costs) - own[0]
        taken = sorted(graph for graph, _ in back[path])
        assert taken == pytest.approx([graph - weight * change for graph in own], abs=1e-4)


def test_a_way_around_an_n_gram_is_found():
    way = BestWay(GRAMMARS[0])
    costs = [way.cost(words) - cost_of(MODELS[0], words) for words in product((1, 2, 3), repeat=3)]
    assert max(costs) <= 1e-5
    assert min(costs) < -0.01
    assert way.cost((1, 77)) == np.inf


def test_models_that_accept_no_path_are_told_with_the_utterance():
    strange = linear_compact([((7,), 0.0)])
    with pytest.raises(WfstAsrError, match="'utt1': the new language model accepts no path of the lattice"):
        list(rescore_lattices([("utt1", strange)], GRAMMARS[0]))


def test_models_are_read_from_files(tmp_path):
    write_arpa(MODELS[0], tmp_path / "lm.arpa.gz")
    words = {name: number for name, number in SYMBOLS.items() if name != "#0"}
    read = language_model_fst(tmp_path / "lm.arpa.gz", words)
    lattice = linear_compact([((1, 2, 3), 0.0), ((2, 2), 1.0)])
    check_same_paths(whole_paths(rescore(lattice, read)), whole_paths(rescore(lattice, GRAMMARS[0])))


@given(compact_lattices(), st.sampled_from([1.0, 0.5]))
def test_nbest_lists_are_sorted_by_their_new_cost(lattice, weight):
    if not whole_paths(lattice):
        return
    paths = n_best(lattice, 8)
    dials = {"words": SYMBOLS.names, "acoustic_scale": 0.5, "insertion_penalty": 0.25}
    ranked = rescore_nbest(paths, MODELS[0].scores, new_weight=weight, **dials)
    assert sorted(r.path.word_ids for r in ranked) == sorted(p.word_ids for p in paths)
    for rescored in ranked:
        words = rescored.path.word_ids
        assert rescored.words == tuple(SYMBOLS.names[w] for w in words)
        assert rescored.new_cost == pytest.approx(cost_of(MODELS[0], words), abs=1e-6)
        assert (rescored.graph_cost, rescored.acoustic_cost) == (rescored.path.graph_cost, rescored.path.acoustic_cost)
        total = rescored.graph_cost + 0.5 * rescored.acoustic_cost + weight * rescored.new_cost + 0.25 * len(words)
        assert rescored.total_cost == pytest.approx(total, abs=1e-6)
    totals = [r.total_cost for r in ranked]
    assert totals == sorted(totals)


def test_scorers_at_fault_are_told():
    paths = n_best(linear_compact([((1, 2), 1.0), ((2,), 2.0)]), 2)
    dials = {"words": SYMBOLS.names, "acoustic_scale": 1.0}
    with pytest.raises(WfstAsrError, match="returned shape \\(1,\\) for 2 sentences"):
        rescore_nbest(paths, lambda sentences: [0.0], **dials)
    with pytest.raises(WfstAsrError, match="returned nan for 'w0 w1'"):
        rescore_nbest(paths, lambda sentences: [np.nan] * 2, **dials)
    with pytest.raises(WfstAsrError, match="have no id 1"):
        rescore_nbest(paths, lambda sentences: [0.0] * 2, words={}, acoustic_scale=1.0)
    impossible = rescore_nbest(paths, lambda sentences: [-np.inf, -1.0], **dials)
    assert [r.words for r in impossible] == [("w1",), ("w0", "w1")]
    assert rescore_nbest([], lambda sentences: [], **dials) == ()
