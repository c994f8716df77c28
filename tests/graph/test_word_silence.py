"""Lexicons with word-dependent silence in the direct compiler, against the OpenFst path."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.test_trained_graph import ENTRIES, TRUE_SCALES, assert_equivalent, openfst_graph, other_topology
from tests.graph.toy_graph import PRONUNCIATIONS, Toy, make_toy
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.graph.direct import direct_hclg
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.graph.window_hmms import DirectLimitError, window_hmms
from wfst_asr.graph.word_silence import has_word_silence, silence_in_grammar, word_silence
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lexicon.silence_probs import PronunciationSilence, SilenceProbs

SPOKEN = [pair for pair in PRONUNCIATIONS if pair[0] != "<noise>"]


def random_silence(rng: np.random.Generator, count: int) -> SilenceProbs:
    around = tuple(
        PronunciationSilence(*(round(float(x), 2) for x in (rng.uniform(0.05, 0.95), *rng.uniform(0.5, 2.0, size=2))))
        for _ in range(count)
    )
    begin, after, none = (round(float(x), 2) for x in rng.uniform(0.1, 0.9, size=3))
    return SilenceProbs(begin, after + 0.5, none + 0.5, 0.3, around)


def silenced(toy: Toy, rng: np.random.Generator, *, pairs: list[tuple[str, str]] = PRONUNCIATIONS) -> Toy:
    entries = tuple(Pronunciation(w, tuple(p.split()), float(rng.uniform(0.1, 1.0))) for w, p in pairs)
    made = lexicon_arcs(
        Lexicon(entries), toy.phones, toy.words, LexiconOptions(), silence=random_silence(rng, len(entries))
    )
    return replace(toy, lexicon=made)


def direct_graph(toy: Toy) -> ArcTable:
    parts = word_silence(toy.lexicon, toy.phones.disambiguation_ids)
    pronunciations, grammar = silence_in_grammar(parts, toy.grammar, backoff_label=toy.words["#0"])
    hmms = window_hmms(toy.tree, toy.model, phones=parts.phones, **TRUE_SCALES)
    return direct_hclg(pronunciations, grammar, hmms, backoff_label=-1)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.mark.parametrize("name", ["kaldi", "skips", "cycles"])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_direct_graph_is_that_of_the_openfst_path(toy: Toy, name: str, width: int) -> None:
    changed = silenced(other_topology(toy, ENTRIES[name], width), np.random.default_rng(width))
    assert has_word_silence(changed.lexicon)
    assert_equivalent(direct_graph(changed), openfst_graph(changed))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_random_lexicons_give_the_graph_of_the_openfst_path(toy: Toy, seed: int, data: st.DataObject) -> None:
    words = sorted({word for word, _ in SPOKEN})
    kept = data.draw(st.sets(st.sampled_from(words), min_size=2))
    phones = ["R", "EH", "D", "IY", "T", "AH"]
    extra = data.draw(
        st.lists(
            st.tuples(st.sampled_from(sorted(kept)), st.lists(st.sampled_from(phones), min_size=1, max_size=4)),
            max_size=6,
        )
    )
    pairs = [pair for pair in SPOKEN if pair[0] in kept]
    pairs = list(dict.fromkeys([*pairs, *((word, " ".join(spoken)) for word, spoken in extra)]))
    changed = silenced(other_topology(toy, ENTRIES["one state"], 1), np.random.default_rng(seed), pairs=pairs)
    wanted, found = openfst_graph(changed), direct_graph(changed)
    if wanted.num_states:
        assert_equivalent(found, wanted, num_paths=30)


def test_the_parts_of_the_lexicon_come_back(toy: Toy) -> None:
    rng = np.random.default_rng(4)
    probs = random_silence(rng, len(PRONUNCIATIONS))
    lexicon = Lexicon.from_pairs(PRONUNCIATIONS)
    parts = word_silence(lexicon_arcs(lexicon, toy.phones, toy.words, silence=probs), toy.phones.disambiguation_ids)
    told = sorted((w.word, w.phones, round(float(np.exp(-w.then_silence)), 4)) for w in parts.words)
    wanted = sorted(
        (toy.words[e.word], tuple(toy.phones[p] for p in e.phones), s.after)
        for e, s in zip(lexicon.entries, probs.pronunciations, strict=True)
    )
    assert told == wanted
    assert parts.silence_phone == toy.phones["SIL"]
    assert np.exp(-parts.begin_silence) == pytest.approx(probs.begin)
    assert np.exp(-parts.end_silence) == pytest.approx(probs.end_after_silence)


def test_the_direct_graph_is_not_larger_than_that_of_the_openfst_path(toy: Toy) -> None:
    changed = silenced(other_topology(toy, ENTRIES["kaldi"], 3), np.random.default_rng(1))
    assert direct_graph(changed).num_arcs <= 1.1 * openfst_graph(changed).num_arcs


def machine(**changes: tuple[int, int, int, int, float]) -> ArcTable:
    """A lexicon of one word: start 0, no silence before 1, silence before 2."""
    arcs = {
        "begin": (0, 1, 0, 0, 0.5),
        "begin_silence": (0, 2, 9, 0, 0.7),
        "word": (1, 3, 4, 1, 0.1),
        "behind": (2, 3, 4, 1, 0.2),
        "inside": (3, 4, 5, 0, 0.0),
        "none": (4, 1, 0, 0, 0.3),
        "silence": (4, 2, 9, 0, 1.2),
    } | changes
    return arc_table(5, list(arcs.values()), finals={1: 0.0, 2: 0.1})


def test_a_lexicon_of_one_word_is_read() -> None:
    parts = word_silence(machine(), [])
    assert parts.words[0].phones == (4, 5)
    assert parts.words[0].behind_silence == pytest.approx(0.2)
    assert (parts.silence_phone, parts.phones) == (9, frozenset({4, 5, 9}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"begin": (0, 1, 8, 0, 0.5)}, "does not begin with a choice of silence or none"),
        ({"behind": (2, 3, 5, 1, 0.2)}, "behind silence otherwise than behind none"),
        ({"word": (1, 3, 4, 0, 0.2)}, "a phone without a word where words begin"),
        ({"word": (1, 3, 0, 1, 0.2)}, "a word without a phone"),
        ({"silence": (4, 2, 8, 0, 0.2)}, "in another form than one phone"),
        ({"inside": (3, 4, 5, 0, 0.4)}, "branch or end otherwise"),
        ({"inside": (3, 4, 5, 1, 0.0)}, "branch or end otherwise"),
        ({"more": (3, 4, 6, 0, 0.0)}, "branch or end otherwise"),
        ({"none": (4, 3, 0, 0, 0.0)}, "branch or end otherwise"),
    ],
)
def test_another_machine_is_refused(changes: dict[str, tuple[int, int, int, int, float]], message: str) -> None:
    with pytest.raises(DirectLimitError, match=message):
        word_silence(machine(**changes), [])
