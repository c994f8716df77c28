"""Whose error it is: forced verdicts on toy graphs, the beam by trying, and Kaldi's search error on real scores."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoder.graphs import COLUMNS, NUM_LABELS
from tests.reference.words_product import words_product
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.explain import explain, similar_words
from wfst_asr.decoder.forced_words import NoSentenceError, graph_of_words
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.search_graph import LABEL_DTYPE, load_graph, make_search_graph
from wfst_asr.decoder.viterbi import viterbi
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table

WORDS = ["<eps>", "yes", "no", "sil"]
NO_LIMITS = DecodeOptions(beam=5.0, max_active=None, min_active=0)


@st.composite
def worded_graphs(draw):
    """Small graphs with words anywhere, epsilons without cycles of negative cost, ties."""
    states = draw(st.integers(1, 4))
    state = st.integers(0, states - 1)
    quarter = st.integers(0, 12).map(lambda n: n / 4)
    word = st.sampled_from([0, 0, 1, 2, 3])
    emitting = st.tuples(state, state, st.integers(1, NUM_LABELS), word, quarter)
    epsilon = st.tuples(state, state, st.just(0), word, quarter)
    arcs = draw(st.lists(st.one_of(emitting, emitting, epsilon), max_size=12))
    finals = draw(st.dictionaries(state, quarter, max_size=2))
    frames = draw(st.integers(1, 4))
    scores = np.array(draw(st.lists(quarter, min_size=3 * frames, max_size=3 * frames)), dtype=np.float32)
    return states, arcs, finals, -scores.reshape(frames, 3), draw(st.lists(st.sampled_from([1, 2]), max_size=3))


@settings(max_examples=300)
@given(worded_graphs(), st.sampled_from([(), (3,)]))
def test_forced_paths_equal_viterbi_on_the_whole_product(case, free):
    states, arcs, finals, scores, words = case
    graph = make_search_graph(arc_table(states, arcs, finals=finals), COLUMNS, num_columns=NUM_LABELS, words=WORDS)
    count, made, ends = words_product(states, arcs, finals, words, free)
    expected = viterbi(arc_table(count, made, finals=ends), scores, COLUMNS)
    try:
        small = graph_of_words(graph, words, free=free)
    except NoSentenceError:
        assert not expected.reached_final
        return
    told = explain(graph, scores, [WORDS[w] for w in words], exact_options(), free_words=[WORDS[w] for w in free])
    if not expected.reached_final:
        assert told.verdict == "frames"
        return
    assert told.verdict in ("correct", "model")
    assert told.reference.total == pytest.approx(expected.cost, abs=1e-4)
    assert told.reference.words == tuple(WORDS[w] for w in words)
    assert (graph.arcs[small.place]["cost"] == small.graph.arcs["cost"]).all()
    assert sum(r.gap for r in told.regions) == pytest.approx(told.gap, abs=1e-4)
    for path in (told.reference, told.hypothesis):
        assert sum(row.graph_cost for row in path.costs) == pytest.approx(path.result.graph_cost, abs=1e-4)
        assert sum(row.acoustic_cost for row in path.costs) == pytest.approx(path.result.acoustic_cost, abs=1e-4)


@settings(max_examples=200)
@given(worded_graphs(), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([None, 1, 2]))
def test_what_the_search_lost_is_kept_by_the_dials_that_are_named(case, beam, max_active):
    states, arcs, finals, scores, words = case
    graph = make_search_graph(arc_table(states, arcs, finals=finals), COLUMNS, num_columns=NUM_LABELS, words=WORDS)
    options = DecodeOptions(beam=beam, max_active=max_active, min_active=0)
    told = explain(graph, scores, [WORDS[w] for w in words], options)
    if told.loss is None:
        if told.gap is not None and told.hypothesis.result.reached_final:
            assert told.gap >= -1e-3
        return
    if told.loss.beam is None:  # wider than what is tried
        assert told.loss.highest_gap > 25.0
        return
    kept = decode(graph, scores, replace(options, beam=told.loss.beam, max_active=told.loss.max_active))
    assert kept.reached_final
    assert kept.total_cost <= told.reference.total + 1e-3


def detour():
    """'no' costs more at first and less later: a narrow beam loses it."""
    arcs = [(0, 1, 1, 1, 0.0), (1, 1, 1, 0, 0.0), (0, 2, 2, 2, 3.0), (2, 2, 2, 0, 0.0)]
    return make_search_graph(arc_table(3, arcs, finals={1: 4.0, 2: 0.0}), [-1, 0, 1], words=["<eps>", "yes", "no"])


def test_an_error_of_the_search_is_told_with_the_frame_and_the_least_beam():
    graph = detour()
    scores = [[0.0, -0.5], [0.0, -0.25], [0.0, 1.0], [0.0, 1.0]]
    told = explain(graph, scores, ["no"], replace(NO_LIMITS, beam=3.6))
    assert told.verdict == "search"
    assert told.hypothesis.words == ("yes",)
    assert told.loss.frame == 2  # 3.5 above the best token after a frame, 3.75 after two
    assert (told.loss.gap, told.loss.width) == (pytest.approx(3.75), pytest.approx(3.6))
    assert not told.loss.limited
    assert told.loss.beam == pytest.approx(3.75, abs=0.01)
    assert "at frame 2 (0.02 s, 'no')" in told.sentence
    assert "beam 3.751 would have kept it" in told.sentence
    assert decode(graph, scores, replace(NO_LIMITS, beam=told.loss.beam)).text == "no"
    assert decode(graph, scores, replace(NO_LIMITS, beam=told.loss.beam - 0.01)).text == "yes"


def test_the_least_beam_takes_into_account_that_wider_beams_find_better_tokens():
    # a third way that only a wide beam finds lowers the best cost in the middle
    arcs = [
        (0, 1, 1, 1, 0.0), (1, 1, 1, 0, 0.0), (0, 2, 2, 2, 2.0), (2, 2, 2, 0, 0.0), (0, 3, 3, 3, 1.5), (3, 3, 3, 0, 0.0),
    ]  # fmt: skip
    graph = make_search_graph(
        arc_table(4, arcs, finals={1: 9.0, 2: 0.0, 3: 9.0}), [-1, 0, 1, 2], words=["<eps>", "yes", "no", "maybe"]
    )
    scores = [[0.0, 0.0, 0.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0]]
    told = explain(graph, scores, ["no"], replace(NO_LIMITS, beam=1.0))
    assert told.verdict == "search"
    assert told.loss.beam == pytest.approx(4.5, abs=0.01)  # 2.0 - (1.5 - 4.0)
    assert decode(graph, scores, replace(NO_LIMITS, beam=told.loss.beam)).text == "no"
    assert decode(graph, scores, replace(NO_LIMITS, beam=told.loss.beam - 0.01)).text != "no"


def test_max_active_is_named_where_it_was_what_lost_the_reference():
    arcs = [(0, i, label, i, cost) for i, (label, cost) in enumerate([(1, 0.0), (2, 3.0), (1, 1.0), (1, 2.0)], start=1)]
    arcs += [(i, i, label, 0, 0.0) for i, label in ((1, 1), (2, 2), (3, 1), (4, 1))]
    finals = {1: 4.0, 2: 0.0, 3: 9.0, 4: 9.0}
    graph = make_search_graph(arc_table(5, arcs, finals=finals), [-1, 0, 1], words=["<eps>", "yes", "no", "or", "so"])
    scores = [[0.0, -0.5], [0.0, -0.25], [0.0, 1.0], [0.0, 1.0]]
    told = explain(graph, scores, ["no"], replace(NO_LIMITS, beam=8.0, max_active=1))
    assert told.verdict == "search"
    assert told.loss.limited
    assert told.loss.beam == 8.0
    assert told.loss.max_active == 4
    assert "which max_active had narrowed" in told.sentence
    assert "beam 8.000 and max_active 4 would have kept it" in told.sentence


def test_a_search_that_finds_no_path_is_the_searchs_error():
    graph = detour()
    told = explain(graph, [[0.0, -9.0], [-np.inf, 0.0]], ["no"], replace(NO_LIMITS, beam=2.0))
    assert told.verdict == "search"
    assert told.hypothesis is None
    assert told.loss.beam == pytest.approx(12.0, abs=0.01)


def test_an_error_of_the_model_is_split_into_acoustic_and_graph_and_by_region():
    graph = two_words()
    scores = np.full((6, 3), -5.0)
    scores[:, 2] = -9.0
    scores[range(6), [0, 0, 2, 1, 1, 2]] = -1.0
    told = explain(graph, scores, ["no", "yes"], NO_LIMITS)
    assert told.verdict == "model"
    assert told.hypothesis.words == ("yes", "no")
    assert told.gap == pytest.approx(sum(r.gap for r in told.regions))
    assert told.gap == pytest.approx(16.0)
    first, second = told.regions
    assert (first.reference, first.hypothesis, first.start_frame, first.end_frame) == (("no",), ("yes",), 0, 2)
    assert (first.graph_gap, first.acoustic_gap) == (pytest.approx(0.5), pytest.approx(8.0))
    assert (second.reference, second.hypothesis) == (("yes",), ("no",))
    assert (second.graph_gap, second.acoustic_gap) == (pytest.approx(-0.5), pytest.approx(8.0))


def two_words():
    """Words 'yes' (column 0) and 'no' (column 1), each followed by a pause (column 2)."""
    arcs = []
    for word, column, cost in ((1, 1, 0.5), (2, 2, 1.0)):
        arcs += [(0, column, column, word, cost), (column, column, column, 0, 0.0), (column, 3, 0, 0, 0.0)]
    arcs += [(3, 4, 3, 0, 0.0), (4, 4, 3, 0, 0.0), (4, 0, 0, 0, 0.0)]
    labels = np.array([(0, 0, 0, 0), (0, 1, 0, -1), (1, 2, 0, -1), (2, 3, 0, -1)], LABEL_DTYPE)
    return make_search_graph(arc_table(5, arcs, finals={0: 0.0}), [-1, 0, 1, 2], words=WORDS, input_labels=labels)


def test_the_language_models_part_of_the_graph_cost_is_told_where_it_is_given():
    scores = np.full((6, 3), -5.0)
    scores[:, 2] = -9.0
    scores[range(6), [0, 0, 2, 1, 1, 2]] = -1.0
    told = explain(
        two_words(), scores, ["no"], NO_LIMITS, lm_costs=lambda words: [*({1: 0.25, 2: 0.5}[w] for w in words), 0.125]
    )
    assert told.reference.lm_cost == pytest.approx(0.625)
    assert told.hypothesis.lm_cost == pytest.approx(0.875)
    assert sum(r.lm_gap for r in told.regions) == pytest.approx(0.625 - 0.875)
    assert told.hypothesis.costs[-1].word == "</s>"
    assert told.hypothesis.costs[-1].lm_cost == 0.125


def test_missing_words_are_told_with_similar_ones():
    told = explain(detour(), [[0.0, 0.0]], ["yeah", "No", "yes"])
    assert told.verdict == "lexicon"
    assert [(m.word, m.similar) for m in told.missing] == [("yeah", ()), ("No", ("no",))]
    assert "'yeah', 'No': not among the words of the graph" in told.sentence
    assert similar_words("helo", ["hello", "help", "yellow", "x"])[0] == "hello"


def test_words_without_an_arc_and_sentences_without_a_path_are_told_apart():
    graph = replace(detour(), word_source=("<eps>", "yes", "no", "maybe"))
    told = explain(graph, [[0.0, 0.0]], ["yes", "maybe"])
    assert (told.verdict, told.broken_at) == ("lexicon", 1)
    assert "'maybe' is on no arc" in told.sentence
    told = explain(graph, [[0.0, 0.0]], ["yes", "no"])
    assert (told.verdict, told.broken_at) == ("grammar", 1)
    assert "'no' cannot come after 'yes'" in told.sentence
    told = explain(graph, [[0.0, 0.0]], [])
    assert (told.verdict, told.broken_at) == ("grammar", 0)
    assert "no sentence of the graph ends" in told.sentence


def test_too_few_frames_are_told():
    told = explain(two_words(), [[0.0, 0.0, 0.0]] * 2, ["yes", "no"], NO_LIMITS)
    assert told.verdict == "frames"
    assert "does not fit into 2 frames" in told.sentence


def test_the_right_words_are_right():
    told = explain(detour(), [[0.0, -9.0]], ["yes"])
    assert (told.verdict, told.regions, told.loss) == ("correct", (), None)
    assert told.gap == 0


def test_the_right_words_on_a_path_that_costs_more_than_it_need_are_right_but_the_loss_is_told():
    graph = replace(detour(), word_source=("<eps>", "yes", "yes"))
    arcs = np.array(graph.arcs)
    arcs["olabel"][arcs["olabel"] > 0] = 1
    told = explain(
        replace(graph, arcs=arcs, word_source=("<eps>", "yes")), [[0.0, -0.5], [0.0, -0.25], [0.0, 1.0], [0.0, 1.0]],
        ["yes"], replace(NO_LIMITS, beam=3.6),
    )  # fmt: skip
    assert told.verdict == "correct"
    assert told.loss.frame == 2
    assert "the words are the reference's, on a path that costs 2.25 more than it need" in told.sentence


def test_words_that_are_silence_may_stand_anywhere():
    arcs = [(0, 0, 1, 1, 0.5), (0, 0, 2, 3, 0.0)]
    graph = make_search_graph(arc_table(1, arcs, finals={0: 0.0}), [-1, 0, 1], words=WORDS)
    scores = [[-9.0, 0.0], [0.0, -9.0], [-9.0, 0.0]]
    assert explain(graph, scores, ["yes"], NO_LIMITS).verdict == "frames"
    told = explain(graph, scores, ["yes"], NO_LIMITS, free_words=["sil"])
    assert told.verdict == "correct"
    assert told.reference.result.words == ("sil", "yes", "sil")


def test_bad_input_is_told():
    with pytest.raises(WfstAsrError, match="more than 1 states of the graph lie before word 2"):
        explain(two_words(), [[0.0, 0.0, 0.0]], ["yes"], max_states=1)
    with pytest.raises(WfstAsrError, match="no frames"):
        explain(two_words(), np.zeros((0, 3)), ["yes"])
    with pytest.raises(WfstAsrError, match="expected numbers of 1 and more"):
        graph_of_words(two_words(), [0])


@pytest.fixture(scope="module")
def kaldi(corpora, tmp_path_factory):
    from wfst_asr.io.archives import read_matrices
    from wfst_asr.kaldi.transition_model import read_transition_model

    source = corpora / "kaldi_an4"
    folder = tmp_path_factory.mktemp("an4")
    for name in ("HCLG.fst", "words.txt", "phones.txt", "align_lexicon.txt"):
        shutil.copyfile(source / "graph" / name, folder / name)
    model = read_transition_model(source / "model" / "final.mdl")
    labels = np.zeros(len(model.pdf_id), dtype=LABEL_DTYPE)
    labels["column"], labels["phone"], labels["hmm_state"] = model.pdf_id, model.phone, model.hmm_state
    labels["self_loop"] = model.is_self_loop
    rows = {line.split()[0]: line.split()[1:] for line in (source / "text").read_text().splitlines()}
    return load_graph(folder, columns=labels), dict(read_matrices(source / "loglikes.ark")), rows


OPTIONS = DecodeOptions(beam=13.0, max_active=7000, acoustic_scale=0.083333)


def test_real_errors_are_the_models_and_their_gaps_add_up(kaldi):
    graph, scores, texts = kaldi
    verdicts = {}
    for name, words in texts.items():
        told = explain(graph, scores[name], words, OPTIONS)
        verdicts[told.verdict] = verdicts.get(told.verdict, 0) + 1
        if told.reference is None:
            continue
        assert told.gap == pytest.approx(sum(r.gap for r in told.regions), abs=1e-3)
        for path in (told.reference, told.hypothesis):
            assert sum(row.graph_cost + row.acoustic_cost for row in path.costs) == pytest.approx(path.total, abs=1e-2)
            for row in path.costs:
                if row.phones:
                    assert row.phones in graph.pronunciations[row.word]
    assert verdicts.pop("correct") >= 10
    assert set(verdicts) <= {"model", "lexicon"}


def test_what_a_narrow_beam_loses_of_real_speech_the_named_beam_keeps(kaldi):
    graph, scores, texts = kaldi
    lost = 0
    for name, words in list(texts.items())[:8]:
        narrow = DecodeOptions(beam=4.0, max_active=None, min_active=0, acoustic_scale=0.083333)
        told = explain(graph, scores[name], words, narrow)
        if told.verdict != "search":
            continue
        if told.loss.beam is None:
            assert "for which no beam was tried" in told.sentence
            continue
        lost += 1
        kept = decode(graph, scores[name], replace(narrow, beam=told.loss.beam))
        assert kept.total_cost <= told.reference.total + 1e-2
        assert told.loss.gap > told.loss.width
        assert told.loss.highest_gap <= told.loss.beam + 1e-2
        if kept.words == told.reference.result.words:
            not_kept = decode(graph, scores[name], replace(narrow, beam=told.loss.beam - 0.01))
            assert not not_kept.reached_final or not_kept.total_cost > told.reference.total
        else:
            assert "costs still less" in told.sentence
    assert lost


def test_the_search_error_of_kaldis_fasterdecoder_is_told(kaldi, corpora):
    graph, scores, _ = kaldi
    found = corpora / "kaldi_an4" / "lattices"
    faster, lattice = (
        {
            line.split()[0]: [graph.word(int(word)) for word in line.split()[1:]]
            for line in path.read_text().splitlines()
        }
        for path in (found / "words_decode.int", found / "1best.words")
    )
    (name,) = [name for name in lattice if lattice[name] != faster[name]]
    options = replace(OPTIONS, min_active=20)  # FasterDecoder's
    assert explain(graph, scores[name], faster[name], options).verdict == "correct"
    told = explain(graph, scores[name], lattice[name], options)
    assert told.verdict == "search"
    assert told.loss.gap > told.loss.width
    assert told.gap < 0
    assert decode(graph, scores[name], replace(options, beam=told.loss.beam)).words == tuple(lattice[name])
    assert explain(graph, scores[name], lattice[name], OPTIONS).verdict == "correct"  # by its min_active of 200
    assert explain(graph, scores[name], faster[name], OPTIONS).verdict == "model"
