import warnings

import kaldilm
import numpy as np
import pynini
import pytest

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import arc_table
from wfst_asr.fst.convert import from_pynini, to_pynini
from wfst_asr.fst.symbols import SymbolTable, read_symbols, write_symbols
from wfst_asr.graph.grammar_fst import grammar_arcs, grammar_fst
from wfst_asr.lm.arpa import read_arpa, write_arpa
from wfst_asr.lm.assemble import NGramRows, assemble_model


def random_model(rng, num_words=8, order=3, density=0.3):
    """A model with back-off weights and n-grams at random; probabilities need not sum to one here."""
    words = ["<s>", "</s>", *(f"w{i}" for i in range(num_words))]
    count = len(words)
    rows, listed = [], [()]
    for n in range(1, order + 1):
        grams = [
            (*history, word)
            for history in listed
            for word in range(count)
            if n == 1 or (word != 0 and 1 not in history and rng.random() < density)
        ]
        log_prob = -rng.uniform(0.5, 6.0, size=len(grams))
        backoff = -rng.uniform(0.0, 2.0, size=len(grams)) * (n < order)
        rows.append(NGramRows(np.array(grams, np.int32).reshape(-1, n), log_prob, backoff))
        listed = grams
    return assemble_model(words, rows).model


def symbols_of(model):
    spoken = [word for word in model.words if word not in ("<s>", "</s>")]
    return SymbolTable.from_names([*spoken, "#0", "<s>", "</s>"])


def sentence_cost(fst, labels, backoff_label):
    """Cost of the best path that accepts the labels, back-off arcs for free."""
    sentence = arc_table(
        len(labels) + 1,
        [(i, i + 1, label, label, 0.0) for i, label in enumerate(labels)]
        + [(i, i, backoff_label, backoff_label, 0.0) for i in range(len(labels) + 1)],
        finals={len(labels): 0.0},
    )
    both = pynini.compose(to_pynini(sentence).arcsort("olabel"), fst.copy().arcsort("ilabel"))
    return float(pynini.shortestdistance(both, reverse=True)[both.start()]) if both.num_states() else np.inf


def naive_best_cost(model, sentence):
    """Smallest cost over all ways of backing off, by recursion over histories."""
    words = model.word_ids

    def step(history, word):
        """All (history after the word, cost) by backing off any number of times."""
        results = []
        cost, suffix = 0.0, list(history)
        while True:
            entry = model.find([*suffix, word])
            if entry >= 0:
                level = model.levels[len(suffix)]
                results.append(
                    (
                        tuple([*suffix, word][-(model.order - 1) :]) if model.order > 1 else (),
                        cost - level.log_prob[entry],
                    )
                )
            if not suffix:
                return results
            at = model.find(suffix)
            cost -= model.levels[len(suffix) - 1].backoff[at] if at >= 0 else 0.0
            suffix = suffix[1:]

    hypotheses = {(words["<s>"],): 0.0}
    for word in [*(words[w] for w in sentence), words["</s>"]]:
        following = {}
        for history, cost in hypotheses.items():
            for new, more in step(history[-(model.order - 1) :] if model.order > 1 else (), word):
                following[new] = min(following.get(new, np.inf), cost + more)
        hypotheses = following
    return min(hypotheses.values())


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_best_path_is_the_best_way_of_backing_off(seed, order):
    rng = np.random.default_rng(seed)
    model = random_model(rng, num_words=5, order=order)
    words = symbols_of(model)
    fst = grammar_fst(model, words)
    for _ in range(10):
        sentence = [f"w{i}" for i in rng.integers(5, size=rng.integers(6))]
        cost = sentence_cost(fst, [words[w] for w in sentence], words["#0"])
        assert cost == pytest.approx(naive_best_cost(model, sentence), abs=1e-4)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_g_equals_kaldis_arpa2fst_on_random_sentences(tmp_path, seed, order):
    rng = np.random.default_rng(seed)
    model = random_model(rng, num_words=7, order=order)
    words = symbols_of(model)
    write_arpa(model, tmp_path / "lm.arpa")
    write_symbols(words, tmp_path / "words.txt")
    text = kaldilm.arpa2fst(
        str(tmp_path / "lm.arpa"), disambig_symbol="#0", read_symbol_table=str(tmp_path / "words.txt")
    )
    kaldi = kaldi_machine(text)
    ours = grammar_fst(read_arpa(tmp_path / "lm.arpa"), words)
    assert ours.num_states() <= kaldi.num_states()
    for _ in range(20):
        labels = [words[f"w{i}"] for i in rng.integers(7, size=rng.integers(8))]
        expected = sentence_cost(kaldi, labels, words["#0"])
        assert sentence_cost(ours, labels, words["#0"]) == pytest.approx(expected, abs=1e-4)


def kaldi_machine(text):
    arcs, finals, start = [], {}, None
    for line in text.strip().splitlines():
        columns = line.split()
        start = int(columns[0]) if start is None else start
        if len(columns) <= 2:
            finals[int(columns[0])] = float(columns[1]) if len(columns) > 1 else 0.0
        else:
            cost = float(columns[4]) if len(columns) > 4 else 0.0
            arcs.append((int(columns[0]), int(columns[1]), int(columns[2]), int(columns[3]), cost))
    num_states = 1 + max(max(a[0], a[1]) for a in arcs)
    return to_pynini(arc_table(num_states, arcs, finals=finals, start=start))


def same_deterministic_machine(ours, theirs, tolerance):
    """Pair the states of two machines whose arcs have distinct labels; tell whether everything fits."""
    pairs, todo = {ours.start: theirs.start}, [ours.start]

    def arcs_of(table, state):
        return sorted(table.arcs[table.first_arc[state] : table.first_arc[state + 1]].tolist())

    while todo:
        state = todo.pop()
        mine, other = arcs_of(ours, state), arcs_of(theirs, pairs[state])
        assert [a[:2] for a in mine] == [a[:2] for a in other]
        np.testing.assert_allclose(
            [a[2] for a in mine] + [ours.final_cost[state]],
            [a[2] for a in other] + [theirs.final_cost[pairs[state]]],
            atol=tolerance,
        )
        for a, b in zip(mine, other, strict=True):
            if a[3] not in pairs:
                todo.append(a[3])
            assert pairs.setdefault(a[3], b[3]) == b[3]
    assert len(pairs) == len(set(pairs.values())) == ours.num_states == theirs.num_states


def test_an4_g_is_kaldis_own_state_by_state(corpora):
    words = read_symbols(corpora / "kaldi_an4" / "graph" / "words.txt")
    ours = grammar_arcs(read_arpa(corpora / "lm" / "an4.arpa.gz"), words).table
    theirs = from_pynini(pynini.Fst.read(str(corpora / "kaldi_an4" / "lang" / "G.fst")))
    same_deterministic_machine(ours, theirs, 1e-4)


def test_states_of_histories_and_backoff_arrays_fit_the_machine():
    model = random_model(np.random.default_rng(5), order=3)
    words = symbols_of(model)
    arcs = grammar_arcs(model, words)
    for level, states in zip(model.levels, arcs.state_of_history, strict=True):
        assert len(level) == len(states)
        ends = level.word == model.word_ids["</s>"]
        assert (states[ends] == -1).all()
        assert (states[~ends] >= 0).all()
    assert arcs.backoff_state[arcs.root] == -1
    backoff = arcs.table.arcs["ilabel"] == arcs.backoff_label
    np.testing.assert_array_equal(arcs.table.arcs["nextstate"][backoff], arcs.backoff_state[arcs.backoff_state >= 0])
    np.testing.assert_array_equal(arcs.table.arcs["cost"][backoff], arcs.backoff_cost[arcs.backoff_state >= 0])
    assert (arcs.table.arcs["olabel"][backoff] == 0).all()


def test_sentence_marks_are_never_labels():
    model = random_model(np.random.default_rng(1))
    words = symbols_of(model)
    labels = set(from_pynini(grammar_fst(model, words)).arcs["ilabel"].tolist())
    assert not labels & {0, words["<s>"], words["</s>"]}


def test_words_outside_the_symbols_are_dropped_with_one_warning():
    model = random_model(np.random.default_rng(2), num_words=4)
    words = SymbolTable({name: i for name, i in symbols_of(model).items() if name not in ("w1", "w3")})
    with pytest.warns(
        WfstAsrWarning, match=r"\d+ of \d+ n-grams were dropped: .* 2 are outside .*\('w1', 'w3'\)"
    ) as record:
        arcs = grammar_arcs(model, words)
    assert len(record) == 1
    used = set(arcs.table.arcs["ilabel"].tolist())
    assert used <= {words["w0"], words["w2"], words["#0"]}
    expected = sum(any(model.words[w] in ("w1", "w3") for w in gram) for gram in all_ngrams(model))
    assert arcs.num_dropped == expected


def all_ngrams(model):
    grams = []
    for k, level in enumerate(model.levels):
        spoken = level.word.tolist()
        grams = [(*grams[p], w) if k else (w,) for p, w in zip(model.parents[k].tolist(), spoken, strict=True)]
        yield from grams


def test_n_grams_with_marks_out_of_place_are_dropped(tmp_path):
    (tmp_path / "lm.arpa").write_text(
        "\\data\\\nngram 1=3\nngram 2=3\n\n\\1-grams:\n-1 <s> -0.5\n-1 </s>\n-1 a -0.25\n\n"
        "\\2-grams:\n-0.5 <s> a\n-0.5 a <s>\n-0.5 </s> a\n\n\\end\\\n"
    )
    with pytest.warns(WfstAsrWarning, match="2 of 6 n-grams were dropped: they have"):
        arcs = grammar_arcs(read_arpa(tmp_path / "lm.arpa"), SymbolTable.from_names(["a", "#0"]))
    assert arcs.table.num_arcs == 3  # <s> a, <s> backing off, a from the empty history
    assert arcs.table.num_states == 2


def test_unigram_model_is_one_state(tmp_path):
    (tmp_path / "lm.arpa").write_text(
        "\\data\\\nngram 1=4\n\n\\1-grams:\n-0.945099\t</s>\n-99.0\t<s>\n-0.316710\tNO\n-0.393344\tYES\n\n\\end\\\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = grammar_arcs(read_arpa(tmp_path / "lm.arpa"), SymbolTable.from_names(["NO", "YES", "#0"])).table
    assert (table.num_states, table.num_arcs, table.start) == (1, 2, 0)
    assert table.final_cost[0] == pytest.approx(0.945099 * np.log(10))


def test_missing_backoff_symbol_is_told():
    model = random_model(np.random.default_rng(0))
    with pytest.raises(WfstAsrError, match="no '#0' for the back-off arcs"):
        grammar_arcs(model, SymbolTable.from_names(["w0"]))


def test_model_without_sentence_end_is_told():
    rows = [NGramRows(np.array([[0]], np.int32), np.zeros(1), np.zeros(1))]
    with pytest.raises(WfstAsrError, match="no '</s>'"):
        grammar_arcs(assemble_model(["a"], rows).model, SymbolTable.from_names(["a", "#0"]))


def test_symbols_of_another_language_are_told():
    with pytest.raises(WfstAsrError, match="no word of the language model is in the word symbols"):
        grammar_arcs(random_model(np.random.default_rng(0)), SymbolTable.from_names(["other", "#0"]))
