import math

import numpy as np
import pynini
import pytest
from click.testing import CliRunner

from wfst_asr.cli.lm_compile import compile_model
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.fst.convert import from_pynini, to_pynini
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.ops import compose, minimize_encoded, write_fst
from wfst_asr.fst.symbols import SymbolTable, write_symbols
from wfst_asr.graph.class_grammar import acceptor_of_words, class_grammar_fst, entries_fst
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lm.arpa import write_arpa
from wfst_asr.lm.assemble import NGramRows, assemble_model
from wfst_asr.lm.classes import WordClass

WORDS = ["a", "b", "new", "york"]
# entries that two classes share, that are words of the model too, and that begin another entry
CLASSES = {
    "$X": WordClass("$X", (("a",), ("new",), ("new", "york"), ("a", "a")), (0.4, 0.3, 0.2, 0.1)),
    "$Y": WordClass("$Y", (("a",), ("york", "a"), ("b", "b", "b")), (0.5, 0.25, 0.25)),
}
SYMBOLS = SymbolTable.from_names([*WORDS, "#0", "<s>", "</s>"])


def random_model(rng, words, order, density=0.4):
    words = ["<s>", "</s>", *words]
    rows, listed = [], [()]
    for n in range(1, order + 1):
        grams = [
            (*history, word)
            for history in listed
            for word in range(len(words))
            if n == 1 or (word != 0 and 1 not in history and rng.random() < density)
        ]
        log_prob = -rng.uniform(1.5, 6.0, size=len(grams))
        backoff = -rng.uniform(0.0, 2.0, size=len(grams)) * (n < order)
        rows.append(NGramRows(np.array(grams, np.int32).reshape(-1, n), log_prob, backoff))
        listed = grams
    return assemble_model(words, rows).model


def naive_probability(model, classes, sentence):
    """Sum over all ways of parsing a sentence into words and classes, and of backing off: products written out."""
    tokens = {(word,): [(word, 1.0)] for word in model.words if word not in classes}
    for name, word_class in classes.items():
        for entry, prob in zip(word_class.entries, word_class.probs, strict=True):
            tokens.setdefault(entry, []).append((name, prob))
    sentence = (*sentence, "</s>")

    def following(history, token):
        word, total, suffix = model.word_ids[token], 0.0, list(history)
        while True:
            entry = model.find([*suffix, word])
            if entry >= 0:
                yield math.exp(total + model.levels[len(suffix)].log_prob[entry])
            if not suffix:
                return
            at = model.find(suffix)
            if at < 0:  # no state of its own: the next shorter history is the same state
                suffix = suffix[1:]
                continue
            total += model.levels[len(suffix) - 1].backoff[at]
            suffix = suffix[1:]

    def parse(at, history):
        if at == len(sentence):
            return 1.0
        total = 0.0
        for end in range(at + 1, len(sentence) + 1):
            for token, prob in tokens.get(sentence[at:end], []):
                new = (*history, model.word_ids[token])[-(model.order - 1) :] if model.order > 1 else ()
                rest = parse(end, new)
                # each word leads to the longest state: so the history after a backed-off word is the same
                total += prob * rest * sum(following(history, token))
        return total

    return parse(0, (model.word_ids["<s>"],) if model.order > 1 else ())


def log_total(fst, labels):
    """-log of the sum over all paths that accept the labels, marks and back-off arcs for free."""
    mark = SYMBOLS["#0"]
    sentence = arc_table(
        len(labels) + 1,
        [(i, i + 1, label, label, 0.0) for i, label in enumerate(labels)]
        + [(i, i, mark, mark, 0.0) for i in range(len(labels) + 1)],
        finals={len(labels): 0.0},
    )
    both = pynini.compose(to_pynini(sentence).arcsort("olabel"), fst.copy().arcsort("ilabel"))
    if both.num_states() == 0:
        return math.inf
    both = pynini.arcmap(both, map_type="to_log64")
    return float(pynini.shortestdistance(both, reverse=True, delta=1e-12)[both.start()])


def fillings(classes):
    return {name: entries_fst(word_class, SYMBOLS) for name, word_class in classes.items()}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_costs_are_products_of_model_and_class_over_all_parses(seed, order):
    rng = np.random.default_rng(seed)
    model = random_model(rng, [*WORDS, *CLASSES], order)
    fst = class_grammar_fst(model, SYMBOLS, fillings(CLASSES))
    for _ in range(25):
        sentence = [str(w) for w in rng.choice(WORDS, size=rng.integers(6))]
        cost = log_total(fst, [SYMBOLS[w] for w in sentence])
        assert cost == pytest.approx(-math.log(naive_probability(model, CLASSES, sentence)), abs=1e-4)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_costs_equal_those_of_the_token_and_its_entry_when_only_the_class_can_say_it(order):
    rng = np.random.default_rng(order)
    one = {"$X": WordClass("$X", (("new", "york"), ("york",)), (0.25, 0.75))}
    model = random_model(rng, ["a", "b", "$X"], order)
    symbols_with_token = SYMBOLS.ids | {"$X": 99}
    plain = class_grammar_fst(model, symbols_with_token, {})
    filled = class_grammar_fst(model, SYMBOLS, fillings(one))
    for _ in range(25):
        tokens = [str(w) for w in rng.choice(["a", "b", "$X"], size=rng.integers(6))]
        expected, spoken = log_total(plain, [symbols_with_token[w] for w in tokens]), []
        for token in tokens:
            entry = int(rng.integers(2))
            spoken += one["$X"].entries[entry] if token == "$X" else [token]
            expected -= math.log(one["$X"].probs[entry]) if token == "$X" else 0.0
        assert log_total(filled, [SYMBOLS[w] for w in spoken]) == pytest.approx(expected, abs=1e-4)


def tiny_lexicon():
    lexicon = Lexicon.from_pairs(
        [("a", "AH"), ("b", "B IY"), ("new", "N UW"), ("york", "Y AO K"), ("york", "AH"), ("new", "N UW AH")]
    )
    names = sorted({p for entry in lexicon.entries for p in entry.phones})
    phones = SymbolTable.from_names([*names, "SIL", *(f"#{k}" for k in range(10))])
    return lexicon_arcs(lexicon, phones, SYMBOLS, LexiconOptions(silence_prob=0.5)), phones


def words_of_lg(lg, words):
    """-log of the sum over all phone strings of L o G for a sentence of words."""
    spoken = pynini.accep("")
    for word in words:
        one = pynini.Fst()
        one.add_states(2)
        one.set_start(0).set_final(1)
        one.add_arc(0, pynini.Arc(SYMBOLS[word], SYMBOLS[word], 0, 1))
        spoken.concat(one)
    both = pynini.compose(to_pynini(lg).arcsort("olabel"), spoken.rmepsilon().arcsort("ilabel"))
    both = pynini.arcmap(both, map_type="to_log64")
    return float(pynini.shortestdistance(both, reverse=True, delta=1e-12)[both.start()])


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_l_o_g_with_classes_is_determinized_and_keeps_the_costs(seed, order):
    rng = np.random.default_rng(seed)
    model = random_model(rng, [*WORDS, *CLASSES], order, density=0.6)
    lexicon, _ = tiny_lexicon()
    raw = compose(lexicon, class_grammar_fst(model, SYMBOLS, fillings(CLASSES)))
    lg = minimize_encoded(determinize_star(raw, max_states=20_000))
    assert lg.num_states < 20_000
    for _ in range(10):
        sentence = [str(w) for w in rng.choice(WORDS, size=rng.integers(1, 5))]
        assert words_of_lg(lg, sentence) == pytest.approx(words_of_lg(raw, sentence), abs=2e-2)


def test_the_best_path_of_spoken_phones_has_the_words_of_the_class():
    model = random_model(np.random.default_rng(0), ["a", "b", "$X"], 3, density=0.8)
    one = {"$X": WordClass("$X", (("new", "york"),), (1.0,))}
    lexicon, phones = tiny_lexicon()
    lg = to_pynini(determinize_star(compose(lexicon, class_grammar_fst(model, SYMBOLS, fillings(one)))))
    spoken = ["B", "IY", "N", "UW", "Y", "AO", "K"]
    free = phones.disambiguation_ids
    chain = arc_table(
        len(spoken) + 1,
        [(i, i + 1, phones[p], phones[p], 0.0) for i, p in enumerate(spoken)]
        + [(i, i, mark, mark, 0.0) for i in range(len(spoken) + 1) for mark in free],
        finals={len(spoken): 0.0},
    )
    best = pynini.shortestpath(pynini.compose(to_pynini(chain).arcsort("olabel"), lg.arcsort("ilabel")))
    table = from_pynini(best.topsort())
    assert [SYMBOLS.names[label] for label in table.arcs["olabel"].tolist() if label] == ["b", "new", "york"]


def test_a_grammar_with_loops_may_fill_a_class():
    one_or_more_a = pynini.accep("")
    digits = arc_table(2, [(0, 1, 1, 1, 0.5), (1, 1, 1, 1, 1.5), (1, 1, 2, 2, 1.0)], finals={1: 0.25})
    machine = acceptor_of_words(digits, "$X", SYMBOLS)
    model = random_model(np.random.default_rng(4), [*WORDS, "$X"], 3, density=0.6)
    lexicon, _ = tiny_lexicon()
    fst = class_grammar_fst(model, SYMBOLS, {"$X": machine})
    lg = determinize_star(compose(lexicon, fst), max_states=20_000)
    assert 0 < lg.num_states < 20_000
    with pytest.raises(WfstAsrError, match="the grammar of the class '\\$X' accepts the empty string"):
        acceptor_of_words(one_or_more_a, "$X", SYMBOLS)


def test_paths_of_a_grammar_with_equal_words_add_up():
    twice = arc_table(3, [(0, 1, 1, 1, 1.0), (0, 2, 1, 1, 2.0)], finals={1: 0.0, 2: 0.0})
    machine = acceptor_of_words(twice, "$X", SYMBOLS)
    total = machine.arcs["cost"][0] + machine.final_cost[machine.arcs["nextstate"][0]]
    assert total == pytest.approx(-math.log(math.exp(-1) + math.exp(-2)), abs=1e-3)


def test_a_class_is_there_once_for_each_state_that_follows():
    rows = [
        NGramRows(np.arange(5, dtype=np.int32)[:, np.newaxis], -np.ones(5), -np.ones(5)),
        NGramRows(np.array([[0, 4], [2, 4], [3, 4], [4, 2]], np.int32), -np.ones(4), np.zeros(4)),
    ]
    model = assemble_model(["<s>", "</s>", "a", "b", "$X"], rows).model
    big = WordClass("$X", tuple(("new", w) for w in WORDS), (0.25,) * 4)
    fst = class_grammar_fst(model, SYMBOLS, fillings({"$X": big}))
    assert sum(arc.ilabel == SYMBOLS["york"] for state in fst.states() for arc in fst.arcs(state)) == 1


def test_the_arcs_are_sorted_and_have_words_and_marks_only():
    model = random_model(np.random.default_rng(0), [*WORDS, *CLASSES], 2)
    table = from_pynini(class_grammar_fst(model, SYMBOLS, fillings(CLASSES)))
    assert set(table.arcs["ilabel"].tolist()) == {SYMBOLS[w] for w in [*WORDS, "#0"]}
    marks = table.arcs["ilabel"] == SYMBOLS["#0"]
    assert (table.arcs["olabel"][marks] == 0).all()
    np.testing.assert_array_equal(table.arcs["olabel"][~marks], table.arcs["ilabel"][~marks])
    key = table.source().astype(np.int64) * 100 + table.arcs["ilabel"]
    assert (np.diff(key) >= 0).all()


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        (arc_table(2, [(0, 1, 1, 2, 0.0)], finals={1: 0.0}), "is no acceptor"),
        (arc_table(2, [(0, 1, 1, 1, 0.0)], finals={}), "accepts nothing"),
        (arc_table(2, [(0, 1, 77, 77, 0.0)], finals={1: 0.0}), "the label number 77, which is no word"),
        (arc_table(2, [(0, 1, 5, 5, 0.0)], finals={1: 0.0}), "the label '#0', which is no word"),
    ],
)
def test_bad_grammars_are_told(machine, message):
    with pytest.raises(WfstAsrError, match=message):
        acceptor_of_words(machine, "$X", SYMBOLS)


def test_classes_that_do_not_fit_the_model_are_told():
    model = random_model(np.random.default_rng(0), [*WORDS, "$X"], 2)
    filled = fillings(CLASSES)
    with pytest.raises(WfstAsrError, match="the class '\\$X' of the language model has no entries; give them with"):
        class_grammar_fst(model, SYMBOLS, {})
    with pytest.raises(WfstAsrError, match="no word '\\$Y' to be filled as a class; its class tokens are '\\$X'"):
        class_grammar_fst(model, SYMBOLS, filled)
    with pytest.raises(WfstAsrError, match="'\\$X' was given more than once"):
        class_grammar_fst(model, SYMBOLS, {"X": filled["$X"], "$X": filled["$X"]})
    with pytest.raises(WfstAsrError, match="the entry 'old york' of the class '\\$X' has the word 'old'"):
        entries_fst(WordClass("$X", (("old", "york"),), (1.0,)), SYMBOLS)


@pytest.fixture
def lang(tmp_path):
    write_symbols(SYMBOLS, tmp_path / "words.txt")
    write_arpa(random_model(np.random.default_rng(7), ["a", "b", "$X"], 2, density=0.6), tmp_path / "lm.arpa")
    return tmp_path


FUNCTIONS = """
import pynini


def by_id(words):
    return pynini.accep("new york", token_type=table(words))


def table(words):
    symbols = pynini.SymbolTable()
    symbols.add_symbol("<eps>", 0)
    for word in ("york", "new", "old"):  # ids of its own
        symbols.add_symbol(word)
    return symbols


def by_name(words):
    fst = by_id(words)
    fst.set_input_symbols(table(words))
    fst.set_output_symbols(table(words))
    return fst


def unknown(words):
    fst = pynini.accep("old", token_type=table(words))
    fst.set_input_symbols(table(words))
    fst.set_output_symbols(table(words))
    return fst


def bare():
    fst = pynini.Fst()
    fst.add_states(2)
    fst.set_start(0).set_final(1)
    fst.add_arc(0, pynini.Arc(3, 3, 0, 1))
    return fst


def broken():
    raise ValueError("no idea")


def text():
    return "new york"
"""


def compiled(lang, *fillings):
    args = [str(lang / "lm.arpa"), str(lang), *(part for filling in fillings for part in ("--class", filling))]
    result = CliRunner().invoke(compile_model, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return pynini.Fst.read(str(lang / "G.fst"))


def test_a_list_an_acceptor_and_a_function_give_the_same_g(lang):
    (lang / "x.txt").write_text("new york\n")
    (lang / "grammars.py").write_text(FUNCTIONS)
    machine = arc_table(3, [(0, 1, 3, 3, 0.0), (1, 2, 4, 4, 0.0)], finals={2: 0.0})
    write_fst(to_pynini(machine), lang / "x.fst")
    expected = log_total(compiled(lang, f"X={lang / 'x.txt'}"), [SYMBOLS[w] for w in ["a", "new", "york"]])
    assert expected < math.inf
    for source in ("x.fst", "grammars.py:by_name"):
        cost = log_total(compiled(lang, f"$X={lang / source}"), [SYMBOLS[w] for w in ["a", "new", "york"]])
        assert cost == pytest.approx(expected, abs=1e-4)
    assert log_total(compiled(lang, f"X={lang / 'grammars.py'}:bare"), [SYMBOLS["new"]]) < math.inf


@pytest.mark.parametrize(
    ("filling", "message"),
    [
        ("X=none.txt", "none.txt: cannot be read"),
        ("X=words.txt", "the word '<eps>', which is not among the words"),
        ("X=grammars.py:none", "grammars.py: has no function 'none'"),
        ("X=nothing.py:none", "nothing.py: no such file; expected a Python file with the function 'none'"),
        ("X=bad.py:none", r"bad.py: cannot be imported \(SyntaxError"),
        ("X=grammars.py:broken", r"grammars.py:broken: the function failed \(ValueError: no idea\)"),
        ("X=grammars.py:text", "the function returned a str, expected a pynini.Fst"),
        ("X=grammars.py:unknown", "the grammar of the class '\\$X' has the word 'old', which is not among"),
        ("Z=words.txt", "no word 'Z' to be filled as a class; its class tokens are '\\$X'"),
    ],
)
def test_bad_fillings_are_told_in_one_sentence(lang, monkeypatch, filling, message):
    monkeypatch.chdir(lang)
    (lang / "grammars.py").write_text(FUNCTIONS)
    (lang / "bad.py").write_text("def none(:\n")
    with pytest.raises(WfstAsrError, match=message):
        compiled(lang, filling)


def test_an_unfilled_class_is_an_error_unless_it_is_a_word(lang):
    with pytest.raises(WfstAsrError, match="'\\$X' of the language model has no entries; give them with --class"):
        compiled(lang)
    write_symbols(SymbolTable({**SYMBOLS, "$X": 50}), lang / "words.txt")
    assert compiled(lang).num_states() > 0
    run = CliRunner().invoke(compile_model, [str(lang / "lm.arpa"), str(lang), "--class", "X"])
    assert run.exit_code == 2
