"""Mixtures against sums of probabilities, and as G in both compilers."""

import itertools
import math

import numpy as np
import pynini
import pytest

from tests.graph.test_class_grammar import random_model
from tests.graph.toy_graph import make_toy
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.paths import PathScorer
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.grammar_acceptor import grammar_acceptor
from wfst_asr.graph.grammar_fst import grammar_arcs
from wfst_asr.graph.grammar_mixture import longest_run, mix_grammars
from wfst_asr.graph.word_grammar import word_grammar

WORDS = SymbolTable.from_names(["a", "b", "c", "#0"])
SENTENCES = [s for n in range(1, 4) for s in itertools.product("abc", repeat=n)]


def probability(table, sentence):
    """Return the sum over all paths, with #0 as epsilon."""
    arcs = table.arcs.copy()
    arcs["ilabel"] = arcs["olabel"]
    silent = ArcTable(table.start, table.first_arc, arcs, table.final_cost)
    return math.exp(-PathScorer(silent, use_log=True).cost([WORDS[word] for word in sentence]))


def compiled(machine):
    return grammar_acceptor(word_grammar(machine), WORDS).table


def two_grammars():
    one = pynini.union(pynini.accep("a b", weight=0.7), pynini.accep("c", weight=0.2))
    other = pynini.union(
        pynini.accep("a b", weight=1.5), pynini.accep("b", weight=0.5) + pynini.accep(" c", weight=0.4).star
    )
    return compiled(one), compiled(other)


def test_a_mixture_of_grammars_adds_their_probabilities_on_one_path():
    members = two_grammars()
    made = mix_grammars(members, [0.3, 0.7], WORDS)
    assert made.num_marks == 0
    source, label = made.table.source().tolist(), made.table.arcs["ilabel"].tolist()
    assert len(set(zip(source, label, strict=True))) == made.table.num_arcs
    for sentence in SENTENCES:
        expected = 0.3 * probability(members[0], sentence) + 0.7 * probability(members[1], sentence)
        assert probability(made.table, sentence) == pytest.approx(expected, abs=1e-4)


def test_a_repeated_mixture_adds_all_ways_of_parting_the_sentence():
    members = two_grammars()
    once = {s: 0.3 * probability(members[0], s) + 0.7 * probability(members[1], s) for s in SENTENCES}
    made = mix_grammars(members, [0.3, 0.7], WORDS, again=0.25)

    def expected(sentence):
        last = once.get(sentence, 0.0) * 0.75
        parts = ((sentence[:k], sentence[k:]) for k in range(1, len(sentence)))
        return last + sum(once[first] * 0.25 * expected(rest) for first, rest in parts)

    for sentence in SENTENCES:
        assert probability(made.table, sentence) == pytest.approx(expected(sentence), abs=1e-4)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_mixture_with_a_back_off_model_adds_their_probabilities_too(order):
    model = grammar_arcs(random_model(np.random.default_rng(order), ["a", "b", "c"], order), WORDS).table
    grammar, _ = two_grammars()
    for members in ([grammar, model], [model, grammar, model]):
        shares = [0.2, 0.5, 0.3][: len(members)]
        made = mix_grammars(members, shares, WORDS)
        for sentence in SENTENCES:
            expected = sum(share * probability(m, sentence) for share, m in zip(shares, members, strict=True))
            assert probability(made.table, sentence) == pytest.approx(expected, rel=1e-4)


def test_marks_tell_which_member_a_sentence_is_from():
    model = grammar_arcs(random_model(np.random.default_rng(0), ["a", "b", "c"], 3), WORDS).table
    made = mix_grammars([*two_grammars(), model], [1, 1, 1], WORDS)
    runs = longest_run(model, WORDS["#0"])
    assert 2 * (runs + 1) + 1 <= longest_run(made.table, WORDS["#0"]) <= 3 * (runs + 1)
    best = PathScorer(made.table)
    mark = WORDS["#0"]
    found = [n for n in range(1, 20) if best.cost([*[mark] * n, WORDS["c"]]) < math.inf]
    assert found[0] == 1  # the first grammar; the second has no such sentence; the model backs off 0 to `runs` times
    assert all(2 * (runs + 1) + 1 <= n <= 3 * (runs + 1) for n in found[1:])


@pytest.mark.parametrize("with_model", [False, True])
def test_a_mixture_is_a_g_that_both_compilers_take(tmp_path, with_model):
    from wfst_asr.fst.paths import compare_paths
    from wfst_asr.graph.lexical_tree import pronunciation_arrays_of_rows
    from wfst_asr.graph.lexicon_parts import lexicon_parts
    from wfst_asr.graph.tlg import direct_tlg, openfst_tlg

    toy = make_toy(tmp_path)
    names = [name for name in toy.words if not name.startswith(("<", "#", "!"))][:3]
    text = pynini.accep(" ".join(names[:2])) + pynini.accep(f" {names[2]}", weight=0.5).star
    drifts = pynini.union(
        pynini.accep(f"{names[0]} ", weight=1.0).star + names[1], pynini.accep(f"{names[0]} ").star + names[2]
    )
    members = [grammar_acceptor(word_grammar(machine), toy.words).table for machine in (text, drifts)]
    g = mix_grammars([*members[:1], toy.grammar], [0.5, 0.5], toy.words).table if with_model else members[1]
    assert np.any(g.arcs["ilabel"] == toy.words["#0"])
    label_of = {number: number + 1 for name, number in toy.phones.items() if number and not name.startswith("#")}
    slow = openfst_tlg(toy.lexicon, g, label_of, blank_label=1, unit_disambig=toy.phones.disambiguation_ids)
    parts = lexicon_parts(toy.lexicon, toy.phones.disambiguation_ids)
    fast = direct_tlg(
        pronunciation_arrays_of_rows(parts.pronunciations),
        g,
        label_of,
        blank_label=1,
        backoff_label=toy.words["#0"],
        silence_phone=parts.silence_phone,
        silence_prob=parts.silence_prob,
    )
    result = compare_paths(fast, slow, rng=np.random.default_rng(2), num_paths=40, max_arcs=60)
    assert result.num_missing == 0, result.example
    assert result.worst_per_symbol < 2e-3, result.example


def test_what_makes_no_mixture_is_refused():
    one, other = two_grammars()
    with pytest.raises(WfstAsrError, match="1 weights for 2 grammars; give one for each"):
        mix_grammars([one, other], [1.0], WORDS)
    with pytest.raises(WfstAsrError, match="the weights are 0, 1; expected numbers above 0"):
        mix_grammars([one, other], [0.0, 1.0], WORDS)
    with pytest.raises(WfstAsrError, match="the probability of another sentence is 1; expected 0 or more"):
        mix_grammars([one, other], [0.5, 0.5], WORDS, again=1.0)
    model = grammar_arcs(random_model(np.random.default_rng(0), ["a", "b", "c"], 2), WORDS).table
    with pytest.raises(WfstAsrError, match="a back-off model goes on after a sentence by itself"):
        mix_grammars([one, model], [0.5, 0.5], WORDS, again=0.5)
    loop = arc_table(1, [(0, 0, WORDS["#0"], 0, 0.0)], finals={0: 0.0})
    with pytest.raises(WfstAsrError, match="more than 64 arcs of '#0' in a row"):
        mix_grammars([one, loop], [0.5, 0.5], WORDS)
