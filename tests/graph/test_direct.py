"""The direct compiler against HCLG expanded from its parts without any sharing."""

import zlib

import numpy as np
import pynini
import pytest

from tests.reference import naive_hclg
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.graph.direct import direct_hclg
from wfst_asr.graph.lexical_tree import pronunciation_arrays
from wfst_asr.graph.window_hmms import WindowHmms
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation

PHONES = {"SIL": 1, "AH": 2, "D": 3, "EH": 4, "IY": 5, "R": 6}
CLASSES = {"SIL": 0, None: 0, "AH": 1, "D": 2, "EH": 3, "IY": 3, "R": 2}  # EH and IY are one context
PRONS = {
    "red": [(("R", "EH", "D"), 0.0)],
    "read": [(("R", "EH", "D"), 0.0), (("R", "IY", "D"), 0.7)],  # homophone, and a variant
    "reader": [(("R", "IY", "D", "R"), 0.0)],  # "read" is its beginning
    "a": [(("AH",), 0.0), (("EH",), 0.5)],
    "are": [(("AH", "R"), 0.25), (("AH",), 1.0)],  # a variant that begins the other
    "rah": [(("R", "AH", "R", "AH"), 0.0)],
}
NGRAMS = {
    **{(w,): c for w, c in [("red", 1.5), ("read", 1.25), ("reader", 3.0), ("a", 1.0), ("are", 1.75), ("rah", 4.0)]},
    ("</s>",): 2.0,
    ("<s>", "a"): 0.5,
    ("a", "red"): 0.75,
    ("a", "reader"): 1.0,
    ("red", "</s>"): 0.5,
    ("are", "red"): 0.875,
    ("are", "read"): 0.9,
    ("<s>", "a", "red"): 0.25,
    ("a", "red", "a"): 0.5,
    ("a", "red", "</s>"): 0.4,
}
BACKOFFS = {("<s>",): 0.5, ("a",): 0.3, ("red",): 0.2, ("are",): 0.1, ("<s>", "a"): 0.6, ("a", "red"): 0.35}
NUM_UNITS = 9
ENTER = [0.1 + 0.0625 * unit for unit in range(NUM_UNITS)]
LOOP = [0.3 + 0.03125 * unit for unit in range(NUM_UNITS)]
LABEL = [unit + 1 for unit in range(NUM_UNITS)]
SILENCE_COST, WORD_COST = -np.log(0.25), -np.log(0.75)


def window_units(left: str | None, phone: str, right: str | None) -> tuple[int, ...]:
    """One to three units, chosen by the window; few units, so that HMMs begin and end alike."""
    if phone == "SIL":
        return (0, 1)
    code = zlib.crc32(repr((CLASSES[left], phone, CLASSES[right])).encode())
    length = 3 if phone != "AH" else 2
    return tuple(2 + (code >> (4 * position)) % 3 + (4 if position == 2 else 0) for position in range(length))


def window_hmms() -> WindowHmms:
    by_class = ["SIL", "AH", "D", "EH"]
    names = {number: name for name, number in PHONES.items()}
    sequences = {}
    for left in by_class:
        for phone in PHONES:
            for right in by_class:
                sequences[left, phone, right] = window_units(left, phone, right)
    hmms = sorted(set(sequences.values()))
    hmm_of = np.zeros((4, len(PHONES) + 1, 4), dtype=np.int32)
    for (left, phone, right), units in sequences.items():
        hmm_of[by_class.index(left), PHONES[phone], by_class.index(right)] = hmms.index(units)
    classes = np.array([0] + [CLASSES[names[number]] for number in range(1, len(PHONES) + 1)], dtype=np.int32)
    return WindowHmms(
        hmm_of=hmm_of,
        left_class=classes,
        right_class=classes,
        hmm_first=np.concatenate(([0], np.cumsum([len(units) for units in hmms]))).astype(np.int64),
        hmm_unit=np.array([unit for units in hmms for unit in units], dtype=np.int32),
        unit_label=np.array(LABEL, dtype=np.int32),
        unit_enter_cost=np.array(ENTER),
        unit_loop_cost=np.array(LOOP),
    )


def naive_graph(words: dict[str, int]) -> ArcTable:
    machine, finals, start = naive_hclg.trigram_states(NGRAMS, BACKOFFS, ("<s>",), set(words))
    arcs, final, first = naive_hclg.hclg(
        machine, finals, start, PRONS, "SIL", SILENCE_COST, WORD_COST, window_units, ENTER, LOOP, LABEL
    )
    number = {state: i for i, state in enumerate(arcs)}
    rows = [
        (number[state], number[target], ilabel, words[word] if word else 0, cost)
        for state, out in arcs.items()
        for ilabel, word, cost, target in out
    ]
    return arc_table(len(number), rows, finals={number[s]: cost for s, cost in final.items()}, start=number[first])


def grammar_table(words: dict[str, int], backoff_label: int) -> ArcTable:
    machine, finals, start = naive_hclg.trigram_states(NGRAMS, BACKOFFS, ("<s>",), set(words))
    number = {history: i for i, history in enumerate(sorted(machine))}
    rows = [
        (number[h], number[target], words[word] if word else backoff_label, words[word] if word else 0, cost)
        for h, out in machine.items()
        for word, cost, target in out
    ]
    return arc_table(len(number), rows, finals={number[h]: c for h, c in finals.items()}, start=number[start])


def best_cost(graph: pynini.Fst, ilabels: list[int], olabels: list[int]) -> float:
    left, right = (
        to_pynini(arc_table(len(s) + 1, [(i, i + 1, x, x, 0.0) for i, x in enumerate(s)], finals={len(s): 0.0}))
        for s in (ilabels, olabels)
    )
    paths = pynini.compose(pynini.compose(left, graph), right)
    if paths.start() == pynini.NO_STATE_ID:
        return np.inf
    return float(pynini.shortestdistance(paths, reverse=True)[paths.start()])


def random_pairs(graph: pynini.Fst, count: int) -> list[tuple[list[int], list[int]]]:
    paths = pynini.randgen(graph, npath=count, seed=7, select="uniform", max_length=400)
    pairs = []
    for line in range(count):
        path = pynini.randgen(graph, npath=1, seed=line, select="uniform", max_length=300)
        ilabels, olabels, state = [], [], path.start()
        if state == pynini.NO_STATE_ID:
            continue
        while path.num_arcs(state):
            (arc,) = path.arcs(state)
            ilabels += [arc.ilabel] if arc.ilabel else []
            olabels += [arc.olabel] if arc.olabel else []
            state = arc.nextstate
        pairs.append((ilabels, olabels))
    assert paths.start() != pynini.NO_STATE_ID
    return pairs


@pytest.fixture(scope="module")
def graphs() -> tuple[pynini.Fst, pynini.Fst]:
    words = {word: i for i, word in enumerate(PRONS, start=1)}
    backoff = len(words) + 1
    lexicon = Lexicon(
        tuple(Pronunciation(word, phones, float(np.exp(-cost))) for word, ps in PRONS.items() for phones, cost in ps)
    )
    direct = direct_hclg(
        pronunciation_arrays(lexicon, word_ids=words, phone_ids=PHONES),
        grammar_table(words, backoff),
        window_hmms(),
        backoff_label=backoff,
        silence_phone=PHONES["SIL"],
        silence_prob=0.25,
    )
    return to_pynini(direct), to_pynini(naive_graph(words))


def test_every_path_of_the_direct_graph_has_the_cost_of_the_definition(graphs) -> None:
    direct, naive = graphs
    pairs = random_pairs(direct, 300)
    assert len(pairs) > 100
    for ilabels, olabels in pairs:
        cost = best_cost(direct, ilabels, olabels)
        assert best_cost(naive, ilabels, olabels) == pytest.approx(cost, abs=1e-3 * (len(ilabels) + 1))


def test_every_path_of_the_definition_is_in_the_direct_graph(graphs) -> None:
    direct, naive = graphs
    pairs = random_pairs(naive, 300)
    assert {word for _, olabels in pairs for word in olabels} == set(range(1, len(PRONS) + 1))
    for ilabels, olabels in pairs:
        cost = best_cost(naive, ilabels, olabels)
        assert best_cost(direct, ilabels, olabels) == pytest.approx(cost, abs=1e-3 * (len(ilabels) + 1))


def test_the_direct_graph_is_smaller_and_has_no_unreachable_state(graphs) -> None:
    direct, naive = graphs
    assert direct.num_states() < naive.num_states() / 2
    assert pynini.Fst.copy(direct).connect().num_states() == direct.num_states()


def test_a_phone_that_the_model_lacks_is_named_with_its_word() -> None:
    lexicon = Lexicon.from_pairs([("red", "R EH D"), ("zoo", "Z UW")])
    with pytest.raises(WfstAsrError, match=r"word 'zoo' is pronounced 'Z UW', but the model has no phone 'Z'"):
        pronunciation_arrays(lexicon, word_ids={"red": 1, "zoo": 2}, phone_ids=PHONES)


def test_a_lexicon_and_a_grammar_without_a_common_word_are_refused() -> None:
    with pytest.raises(WfstAsrError, match="no word of the lexicon is in the language model"):
        pronunciation_arrays(Lexicon.from_pairs([("red", "R EH D")]), word_ids={"rot": 1}, phone_ids=PHONES)
