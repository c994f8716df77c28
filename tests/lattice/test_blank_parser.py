"""Words of CTC lattices, which have blanks inside and between words."""

import warnings
from itertools import groupby

import numpy as np
import pytest

from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.decoder.lattice_words import LatticeOptions, decode_words
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.decoder.word_lattice import word_lattice
from wfst_asr.graph.ctc_fst import CTC_TOPOLOGIES
from wfst_asr.graph.lang_dir import make_lang_dir
from wfst_asr.lattice.blank_parser import BlankParser, has_blank
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.word_parsers import LexiconParser, Step
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lm.arpa import read_arpa
from wfst_asr.recipe.ctc_graph import CtcGraphOptions, compile_ctc_graph

SPELLED = {"ALL": "A L L", "A": "A", "LO": "L O", "LOLL": "L O L L", "OLA": "O L A"}
# without blanks between equal letters, words are told apart if none ends as another begins
SPELLED_APART = {"ALL": "A L L", "AOOL": "A O O L", "ALOL": "A L O L", "AALL": "A A L L"}
TOKENS = CtcTokens(("<blank>", "A", "L", "O", "|"), 0)


@pytest.fixture(scope="module", params=CTC_TOPOLOGIES)
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SearchGraph:
    folder = tmp_path_factory.mktemp("spelled")
    spelled = SPELLED if request.param == "standard" else SPELLED_APART
    lexicon = Lexicon.from_pairs(spelled.items())
    make_lang_dir(lexicon, folder / "lang", PhoneSet.of_lexicon(lexicon, silence=("|",), optional_silence="|"))
    lines = ["\\data\\", f"ngram 1={len(spelled) + 2}", "", "\\1-grams:", "-99 <s> 0", "-1 </s>"]
    (folder / "lm.arpa").write_text("\n".join([*lines, *(f"-0.8 {word}" for word in spelled), "", "\\end\\", ""]))
    options = CtcGraphOptions(topology=request.param)
    compile_ctc_graph(folder / "lang", read_arpa(folder / "lm.arpa"), TOKENS, folder / "graph", options)
    return load_graph(folder / "graph")


@pytest.mark.parametrize("seed", range(12))
def test_every_arc_of_a_lattice_is_a_word_with_its_letters_or_none_with_blanks(graph: SearchGraph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.log(rng.dirichlet(np.full(5, 0.4), size=rng.integers(6, 25)) + 1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode_words(graph, scores, DecodeOptions(lattice_beam=4.0), wanted=LatticeOptions(keep="words"))
        assert isinstance(found.lattice, CompactLattice)
        aligned = word_lattice(graph, found.lattice)
    lattice = aligned.lattice
    assert not aligned.partial.any()
    assert graph.manifest is not None
    standard = graph.manifest.options["topology"] == "standard"
    assert lattice.num_arcs > 0
    for arc in range(lattice.num_arcs):
        labels = lattice.labels[lattice.first_label[arc] : lattice.first_label[arc + 1]]
        names = [TOKENS.names[label - 1] for label in labels]
        heard = [name for name, _ in groupby(names) if name != "<blank>"]
        if lattice.olabel[arc]:
            spelled = (SPELLED | SPELLED_APART)[graph.word(int(lattice.olabel[arc]))].split()
            assert heard == spelled if standard else [n for n, _ in groupby(heard)] == [n for n, _ in groupby(spelled)]
            assert "<blank>" not in (names[0], names[-1])
        else:
            assert set(heard) <= {"|"}
    assert found.best.confidences is not None
    assert len(found.best.confidences) == len(found.best.words)


def test_blanks_inside_a_word_are_its_own_and_those_before_are_silences() -> None:
    parser = BlankParser(LexiconParser({1: [(5, 6)], 0: [(9,)]}, [1]))
    assert parser.first_step((0, 5, 0, 6, 0), (1,), ended=True, at_end=True) == Step(False, 1)
    assert parser.first_step((5, 0, 6, 0), (1,), ended=True, at_end=True) == Step(True, 3)
    assert parser.first_step((0,), (1,), ended=False, at_end=False) is None
    assert parser.whole((5, 0, 6), 1)
    assert not parser.whole((5, 0, 6, 0), 1)
    assert parser.whole((0,), 0)
    assert parser.whole((9,), 0)
    assert not parser.whole((0, 9), 0)


def test_only_graphs_of_ctc_have_a_blank() -> None:
    fields = [("phone", "i4"), ("hmm_state", "i2")]
    assert not has_blank(np.array([(0, -1), (1, 0), (0, 0)], fields))
    assert has_blank(np.array([(0, 0), (1, 0), (0, -1)], fields))
