from collections import Counter

import numpy as np
import pynini
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.fst.convert import from_pynini, to_pynini
from wfst_asr.fst.symbols import SymbolTable, read_symbols
from wfst_asr.graph.grammar_fst import grammar_fst
from wfst_asr.graph.lexicon_fst import lexicon_fst
from wfst_asr.lexicon.files import read_lexicon
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lexicon.silence_probs import PronunciationSilence, SilenceProbs
from wfst_asr.lm.assemble import NGramRows, assemble_model

LEXICON = Lexicon(
    (
        Pronunciation("red", ("R", "EH", "D")),
        Pronunciation("read", ("R", "EH", "D"), 0.5),
        Pronunciation("read", ("R", "IY", "D")),
        Pronunciation("a", ("AH",)),
        Pronunciation("an", ("AH", "N")),
    )
)
PHONES = SymbolTable.from_names(["SIL", *LEXICON.phones, "#0", "#1", "#2", "#3"])
WORDS = SymbolTable.from_names([*LEXICON.words, "#0", "<s>", "</s>"])


def costs(fst, phones):
    """Cost of every word sequence that the machine gives to the phones."""
    ids = [PHONES[p] for p in phones.split()]
    chain = arc_table(len(ids) + 1, [(i, i + 1, p, p, 0.0) for i, p in enumerate(ids)], finals={len(ids): 0.0})
    words = pynini.compose(to_pynini(chain).arcsort("olabel"), fst.copy().arcsort("ilabel")).project("output")
    words = pynini.determinize(pynini.epsnormalize(words).rmepsilon())
    table = from_pynini(words)
    found = {}

    def walk(state, names, cost):
        if np.isfinite(table.final_cost[state]):
            found[" ".join(names)] = cost + float(table.final_cost[state])
        for _, word, more, nextstate in table.arcs[table.first_arc[state] : table.first_arc[state + 1]].tolist():
            walk(nextstate, [*names, WORDS.names[word]], cost + more)

    if table.num_states:
        walk(table.start, [], 0.0)
    return found


def test_words_come_with_their_costs_and_optional_silence():
    fst = lexicon_fst(LEXICON, PHONES, WORDS, disambiguate=False, silence_prob=0.2)
    silence, none = -np.log(0.2), -np.log(0.8)
    assert costs(fst, "R EH D") == pytest.approx({"red": 2 * none, "read": 2 * none + np.log(2)}, abs=1e-5)
    assert costs(fst, "SIL AH SIL AH N") == pytest.approx({"a an": 2 * silence + none}, abs=1e-5)
    assert costs(fst, "AH N R") == {}


def test_no_silence_means_no_silence():
    for options in ({"silence_prob": 0.0}, {"optional_silence": None}):
        fst = lexicon_fst(LEXICON, PHONES, WORDS, disambiguate=False, **options)
        assert costs(fst, "AH AH N") == pytest.approx({"a an": 0.0})
        assert costs(fst, "SIL AH") == {}


def test_disambiguation_symbols_end_homophones_prefixes_and_silence():
    fst = lexicon_fst(LEXICON, PHONES, WORDS, silence_prob=0.5)
    two = 2 * np.log(2)
    assert costs(fst, "R EH D #1") == pytest.approx({"red": two})
    assert costs(fst, "R EH D #2") == pytest.approx({"read": two + np.log(2)})
    assert costs(fst, "AH #1") == pytest.approx({"a": two})
    assert costs(fst, "SIL #3 AH N") == pytest.approx({"an": two})
    assert costs(fst, "SIL AH N") == {}
    assert costs(fst, "#0 AH N #0") == pytest.approx({"#0 an #0": two})


@pytest.mark.parametrize("disambiguate", [False, True])
def test_silence_may_depend_on_the_word(disambiguate):
    around = tuple(PronunciationSilence(p, 1.5, 0.75) for p in (0.1, 0.2, 0.3, 0.4, 0.6))
    probs = SilenceProbs(0.7, 2.0, 0.5, 0.2, around)
    fst = lexicon_fst(LEXICON, PHONES, WORDS, disambiguate=disambiguate, silence=probs)
    phones = "#3 AH #1 SIL R IY D #3" if disambiguate else "AH SIL R IY D"
    product = 0.3 * 0.75 * 0.4 * 1.5 * 0.7 * 0.5
    assert costs(fst, phones) == pytest.approx({"a read": -np.log(product)}, abs=1e-5)
    phones = "SIL AH #1 SIL" if disambiguate else "SIL AH SIL"
    assert costs(fst, phones) == pytest.approx({"a": -np.log(0.7 * 1.5 * 0.4 * 2.0)}, abs=1e-5)


def test_arcs_are_sorted_by_output_label():
    fst = lexicon_fst(LEXICON, PHONES, WORDS)
    assert fst.verify()
    assert fst.properties(pynini.O_LABEL_SORTED, True) == pynini.O_LABEL_SORTED


@pytest.mark.parametrize(("name", "disambiguate"), [("L.fst", False), ("L_disambig.fst", True)])
def test_an4_l_is_kaldis_own(corpora, name, disambiguate):
    folder = corpora / "kaldi_an4"
    ours = lexicon_fst(
        read_lexicon(folder / "graph" / "lexicon.txt"),
        read_symbols(folder / "graph" / "phones.txt"),
        read_symbols(folder / "graph" / "words.txt"),
        disambiguate=disambiguate,
        position_dependent=True,
    )
    theirs = pynini.Fst.read(str(folder / "lang" / name))
    assert ours.num_states() == theirs.num_states()
    assert signature(from_pynini(ours)) == signature(from_pynini(theirs))


def signature(table, rounds=12):
    """Count of states by what leaves them, refined `rounds` times: equal for isomorphic machines."""
    source = table.source().tolist()
    arcs = [(i, o, round(c, 3), n) for i, o, c, n in table.arcs.tolist()]
    colour = [hash((s == table.start, round(float(c), 3))) for s, c in enumerate(table.final_cost.tolist())]
    for _ in range(rounds):
        leaving = [[] for _ in colour]
        for s, (i, o, c, n) in zip(source, arcs, strict=True):
            leaving[s].append((i, o, c, colour[n]))
        colour = [hash((old, tuple(sorted(out)))) for old, out in zip(colour, leaving, strict=True)]
    return Counter(colour)


def test_lexicon_and_grammar_compose_and_determinize():
    names = ["<s>", "</s>", *LEXICON.words]
    unigrams = NGramRows(np.arange(6, dtype=np.int32)[:, None], np.full(6, -1.0), np.full(6, -0.5))
    bigrams = NGramRows(np.array([[0, 2], [2, 3], [3, 1], [4, 5]], np.int32), np.full(4, -0.7), np.zeros(4))
    g = grammar_fst(assemble_model(names, [unigrams, bigrams]).model, WORDS)
    lg = pynini.compose(lexicon_fst(LEXICON, PHONES, WORDS).arcsort("olabel"), g)
    determinized = pynini.determinize(pynini.epsnormalize(lg).rmepsilon())
    assert determinized.num_states() > 0
    assert determinized.properties(pynini.I_DETERMINISTIC, True) == pynini.I_DETERMINISTIC


def test_missing_symbols_are_told():
    few = SymbolTable({name: i for name, i in PHONES.items() if name not in ("IY", "#3")})
    with pytest.raises(WfstAsrError, match="word 'read' has the phone 'IY', which the phone symbols lack"):
        lexicon_fst(LEXICON, few, WORDS)
    no_third = SymbolTable({name: i for name, i in PHONES.items() if name != "#3"})
    with pytest.raises(WfstAsrError, match="phone '#3' has no id in the phone symbols"):
        lexicon_fst(LEXICON, no_third, WORDS)
    with pytest.raises(WfstAsrError, match="word 'an' has no id in the word symbols"):
        lexicon_fst(LEXICON, PHONES, SymbolTable.from_names(["red", "read", "a", "#0"]))
    with pytest.raises(WfstAsrError, match=r"silence_prob is 1\.0; expected"):
        lexicon_fst(LEXICON, PHONES, WORDS, silence_prob=1.0)
