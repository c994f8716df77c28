"""Word alignment of random lattices against one path at a time, and of Kaldi's lattices."""

import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lattice.kaldi_text import compact, read_compact
from tests.reference.word_alignment import split_by_lexicon, split_by_marks
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lattice.phones import phone_segments
from wfst_asr.lattice.word_alignment import align_lexicon, align_words, partial_arcs
from wfst_asr.lattice.word_parsers import read_word_boundaries, word_boundaries

PHONES = ("<eps>", "SIL", "A_B", "A_I", "A_E", "A_S", "B_B", "B_I", "B_E", "B_S")
FIELDS = np.dtype([("phone", "<i4"), ("hmm_state", "<i2"), ("self_loop", "i1")])
# labels 2p - 1 (forward) and 2p (self-loop) of phone p
LABELS = np.array([(0, 0, 0), *((p, 0, loop) for p in range(1, len(PHONES)) for loop in (0, 1))], FIELDS)
MEANING = {i: tuple(row) for i, row in enumerate(LABELS.tolist())}
MARKED = {1: [(5,)], 2: [(2, 4), (2, 3, 4)], 3: [(9,), (6, 8)], 4: [(5,)]}  # 1 and 4 are homophones
MARKS = {p: PHONES[p][-1] if PHONES[p] != "SIL" else "" for p in range(1, len(PHONES))}
BOUNDARIES = word_boundaries(PHONES)
# without marks: prefixes of each other, an empty pronunciation, a word spoken as silence
PLAIN = {1: [(2,)], 2: [(2, 2), (2,)], 3: [(), (6,)], 4: [(1,)], 5: [(6, 2)]}
SILENCES = [(1,)]


@st.composite
def spoken_lattices(draw, lexicon):
    """A lattice of words and silences, its strings and words moved from where they were spoken."""
    nodes = draw(st.integers(2, 5))
    frame = list(range(0, 8 * nodes, 8))
    arcs = []
    for source in range(nodes - 1):
        targets = {source + 1} | set(draw(st.lists(st.integers(source + 1, nodes - 1), max_size=1)))
        for target in sorted(targets):
            for _ in range(draw(st.integers(1, 2))):
                word = draw(st.sampled_from([0, *lexicon]))
                variant = draw(st.sampled_from(lexicon[word] if word else [(1,), (1, 1)]))
                spare = frame[target] - frame[source] - len(variant)
                if not variant:  # labels must come from somewhere
                    variant, spare = (1,), spare - 1
                cuts = sorted(
                    draw(st.lists(st.integers(0, spare), min_size=len(variant) - 1, max_size=len(variant) - 1))
                )
                lengths = np.diff([0, *cuts, spare])
                labels = [x for p, n in zip(variant, lengths, strict=True) for x in [2 * p - 1, *[2 * p] * int(n)]]
                # a silence stands for the empty word, which may come before or after it
                arcs.append(
                    [source, target, word, float(draw(st.integers(0, 8))), float(draw(st.integers(0, 8))), labels]
                )
    final = (0.5, 1.0, [])
    # the first label of all arcs that leave a node may move to those that enter it, and back
    for node in range(nodes - 1, 0, -1):
        for _ in range(draw(st.integers(0, 9))):
            leaving = [arc for arc in arcs if arc[0] == node]
            entering = [arc for arc in arcs if arc[1] == node]
            if len({arc[5][0] if arc[5] else 0 for arc in leaving}) == 1 and leaving[0][5]:
                for arc in entering:
                    arc[5] = arc[5] + leaving[0][5][:1]
                for arc in leaving:
                    arc[5] = arc[5][1:]
                frame[node] += 1
    for _ in range(draw(st.integers(0, 6))):
        last = [arc for arc in arcs if arc[1] == nodes - 1]
        if len({arc[5][-1] if arc[5] else 0 for arc in last}) == 1 and last[0][5]:
            final = (*final[:2], [last[0][5][-1], *final[2]])
            for arc in last:
                arc[5] = arc[5][:-1]
            frame[nodes - 1] -= 1
    # arcs in two: the word on either half
    states, split = nodes, []
    for source, target, word, graph, acoustic, labels in arcs:
        at = draw(st.integers(0, len(labels)))
        if draw(st.booleans()):
            first = draw(st.booleans())
            split.append((source, states, word if first else 0, graph, 0.0, labels[:at]))
            split.append((states, target, 0 if first else word, 0.0, acoustic, labels[at:]))
            frame.append(frame[source] + at)
            states += 1
        else:
            split.append((source, target, word, graph, acoustic, labels))
    order = sorted(range(states), key=lambda s: (frame[s], s != 0, s == nodes - 1, s))
    rank = {s: i for i, s in enumerate(order)}
    moved = [(rank[a[0]], rank[a[1]], *a[2:]) for a in split]
    if not all(a[0] < a[1] for a in moved):  # an arc without labels between states of one frame
        entering = compact_order(states, split)
        moved = [(entering[a[0]], entering[a[1]], *a[2:]) for a in split]
        rank = entering
    frames = [0] * states
    for s in range(states):
        frames[rank[s]] = frame[s]
    return compact(states, moved, {rank[nodes - 1]: final}, frame=frames)


def compact_order(states, arcs):
    from tests.lattice.kaldi_text import topological

    return topological(states, arcs)


def paths(lattice):
    """Yield (words, alignment, cost, arcs) of each path."""
    stack = [(0, ())]
    while stack:
        state, arcs = stack.pop()
        if np.isfinite(lattice.final_cost[state]):
            strings = [lattice.labels[lattice.first_label[a] : lattice.first_label[a + 1]].tolist() for a in arcs]
            end = lattice.final_labels[lattice.first_final_label[state] : lattice.first_final_label[state + 1]].tolist()
            graph = sum(float(lattice.graph_cost[a]) for a in arcs) + float(lattice.final_cost[state])
            acoustic = sum(float(lattice.acoustic_cost[a]) for a in arcs) + float(lattice.final_acoustic_cost[state])
            words = tuple(int(lattice.olabel[a]) for a in arcs if lattice.olabel[a])
            yield words, tuple([x for string in strings for x in string] + end), (graph, acoustic), arcs
        for a in range(lattice.first_arc[state], lattice.first_arc[state + 1]):
            stack.append((int(lattice.nextstate[a]), (*arcs, a)))


def best_costs(lattice):
    best = {}
    for words, alignment, cost, _ in paths(lattice):
        best[words, alignment] = min(best.get((words, alignment), (np.inf,)), (sum(cost), *cost))
    return best


def check(lattice, aligned, split):
    """The same paths at the same costs, each cut in one way of those that the naive twin finds."""
    expected, found = best_costs(lattice), best_costs(aligned)
    assert found.keys() == expected.keys()
    for key, cost in expected.items():
        assert found[key][0] == pytest.approx(cost[0], abs=1e-4)
    assert (aligned.nextstate > aligned.source).all()
    assert aligned.num_frames == lattice.num_frames
    lengths = np.diff(aligned.first_label)
    assert (aligned.frame[aligned.nextstate] - aligned.frame[aligned.source] == lengths).all()
    assert ((aligned.olabel != 0) | (lengths > 0)).all()
    seen = Counter()
    for words, alignment, _, arcs in paths(aligned):
        assert [(int(aligned.olabel[a]), int(lengths[a])) for a in arcs] in split(alignment, words)
        seen[words, alignment] += 1
    assert seen <= Counter((words, alignment) for words, alignment, _, _ in paths(lattice))  # one division a path


@settings(max_examples=150)
@given(spoken_lattices(MARKED))
def test_word_boundaries_keep_every_path_and_cut_it_as_one_path_alone_is_cut(lattice):
    aligned = align_words(lattice, LABELS, BOUNDARIES)
    check(lattice, aligned, lambda labels, words: [split_by_marks(labels, words, MEANING, MARKS)])
    assert not partial_arcs(aligned, LABELS, boundaries=BOUNDARIES).any()
    assert_same(align_words(aligned, LABELS, BOUNDARIES), aligned)


@settings(max_examples=150)
@given(spoken_lattices(PLAIN))
def test_pronunciations_keep_every_path_and_cut_it_as_one_path_alone_is_cut(lattice):
    lexicon = PLAIN | {0: SILENCES}
    aligned = align_lexicon(lattice, LABELS, lexicon)
    check(lattice, aligned, lambda labels, words: split_by_lexicon(labels, words, MEANING, PLAIN, SILENCES))
    assert not partial_arcs(aligned, LABELS, pronunciations=lexicon).any()


def assert_same(one, other):
    for name in ("frame", "first_arc", "nextstate", "olabel", "labels"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    assert one.graph_cost == pytest.approx(other.graph_cost, abs=1e-4)
    assert one.acoustic_cost == pytest.approx(other.acoustic_cost, abs=1e-4)


def labels_of(*phones):
    return [label for p in phones for label in (2 * PHONES.index(p) - 1, 2 * PHONES.index(p))]


def chain(*parts, reached_final=True):
    """A path of (word, labels)."""
    arcs = [(i, i + 1, word, 1.0, 0.0, labels) for i, (word, labels) in enumerate(parts)]
    return compact(len(parts) + 1, arcs, {len(parts): (0.25, 0.0, [])}, reached_final=reached_final)


def spans(aligned):
    return list(zip(aligned.olabel.tolist(), aligned.frame[aligned.source].tolist(), strict=True))


def test_a_word_that_breaks_off_is_flagged_and_kept():
    broken = chain((1, labels_of("A_S")), (2, labels_of("SIL", "A_B", "A_I")), reached_final=False)
    for aligned, options in (
        (align_words(broken, LABELS, BOUNDARIES), {"boundaries": BOUNDARIES}),
        (align_lexicon(broken, LABELS, MARKED | {0: [(1,)]}), {"pronunciations": MARKED | {0: [(1,)]}}),
    ):
        assert spans(aligned) == [(1, 0), (0, 2), (2, 4)]
        assert partial_arcs(aligned, LABELS, **options).tolist() == [False, False, True]


def test_phones_without_a_word_at_the_end_are_flagged():
    broken = chain((1, labels_of("A_S", "SIL", "A_B")), reached_final=False)
    aligned = align_words(broken, LABELS, BOUNDARIES)
    assert spans(aligned) == [(1, 0), (0, 2), (0, 4)]
    assert partial_arcs(aligned, LABELS, boundaries=BOUNDARIES).tolist() == [False, False, True]


def test_words_without_phones_at_the_end_are_flagged():
    broken = chain((1, labels_of("A_S")), (2, []), (3, []), reached_final=False)
    aligned = align_words(broken, LABELS, BOUNDARIES)
    assert aligned.olabel.tolist() == [1, 2, 3]
    assert partial_arcs(aligned, LABELS, boundaries=BOUNDARIES).tolist() == [False, True, True]


def test_a_phone_cut_in_its_first_state_is_flagged():
    table = np.array([(0, 0, 0), (1, 0, -1), (1, 1, -1)], FIELDS)
    one = chain((7, [1, 2]), (7, [1, 1]), reached_final=False)
    aligned = align_lexicon(one, table, {7: [(1,)]})
    assert spans(aligned) == [(7, 0), (7, 2)]
    assert partial_arcs(aligned, table, pronunciations={7: [(1,)]}).tolist() == [False, True]


def test_phones_that_are_not_the_words_are_told_once_where_the_lattice_is_complete():
    wrong = chain((2, labels_of("A_B", "SIL")))
    with pytest.warns(WfstAsrWarning, match="are not those of the words"):
        aligned = align_words(wrong, LABELS, BOUNDARIES)
    assert aligned.olabel.tolist() == [2]
    assert partial_arcs(aligned, LABELS, boundaries=BOUNDARIES).tolist() == [True]


def test_an_empty_pronunciation_takes_no_frames():
    one = chain((1, [3, 1]), (3, []), (1, [3, 4]))
    aligned = align_lexicon(one, LABELS, PLAIN | {0: SILENCES})
    assert spans(aligned) == [(1, 0), (0, 1), (3, 2), (1, 2)]


def test_bad_input_is_told():
    one = chain((1, labels_of("A_S")))
    with pytest.raises(WfstAsrError, match="word 1 of the lattice has no pronunciation"):
        align_lexicon(one, LABELS, {0: [(1,)]})
    with pytest.raises(WfstAsrError, match="the meaning of 3 is known"):
        align_words(one, LABELS[:4], BOUNDARIES)
    with pytest.raises(WfstAsrError, match="has no place in words"):
        align_words(one, LABELS, BOUNDARIES[:3])
    with pytest.raises(WfstAsrError, match="more than 1 states"):
        align_words(one, LABELS, BOUNDARIES, max_states=1)
    with pytest.raises(WfstAsrError, match="give either"):
        partial_arcs(one, LABELS)


def test_phones_that_can_be_divided_in_too_many_ways_meet_a_limit():
    lexicon = {1: [(2,), (2, 2)], 2: [(2, 2), (2,)], 0: [(1,)]}
    arcs = [(i, i + 1, word, 0.0, 0.0, [3, 3]) for i in range(30) for word in (1, 2)]
    with pytest.raises(WfstAsrError, match="need more than 1000 states to be told apart"):
        align_lexicon(compact(31, arcs, {30: (0.0, 0.0, [])}), LABELS, lexicon, max_states=1000)


def test_word_boundary_files_are_read_and_checked(tmp_path):
    path = tmp_path / "word_boundary.int"
    path.write_text("1 nonword\n2 begin\n4 singleton\n")
    assert read_word_boundaries(path).tolist() == [-1, 0, 1, -1, 4]
    path.write_text("1 beginning\n")
    with pytest.raises(WfstAsrError, match=r"word_boundary.int:1: '1 beginning', expected"):
        read_word_boundaries(path)
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read_word_boundaries(tmp_path / "missing")


@pytest.fixture(scope="module")
def kaldi(corpora):
    from wfst_asr.decoder.symbols import read_symbols
    from wfst_asr.kaldi.transition_model import read_transition_model

    source = corpora / "kaldi_an4"
    model = read_transition_model(source / "model" / "final.mdl")
    labels = np.zeros(len(model.pdf_id), FIELDS)
    labels["phone"], labels["hmm_state"], labels["self_loop"] = model.phone, model.hmm_state, model.is_self_loop
    lexicon = {}
    for line in (source / "graph" / "align_lexicon.int").read_text().splitlines():
        word, _, *phones = map(int, line.split())
        lexicon.setdefault(word, []).append(tuple(phones))
    boundaries = read_word_boundaries(source / "graph" / "word_boundary.int")
    lattices = read_compact(source / "lattices" / "clat.txt.gz", 0.083333)
    return lattices, labels, boundaries, lexicon, read_symbols(source / "graph" / "phones.txt")


def test_kaldis_lattices_are_cut_the_same_by_marks_and_by_lexicon(kaldi):
    lattices, labels, boundaries, lexicon, phones = kaldi
    assert word_boundaries(phones)[1:-4].tolist() == boundaries[1:].tolist()[: len(phones) - 5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for lattice in lattices.values():
            aligned = align_words(lattice, labels, boundaries)
            assert_same(align_lexicon(lattice, labels, lexicon), aligned)
            assert not partial_arcs(aligned, labels, boundaries=boundaries).any()
            before, after = best_costs(lattice), best_costs(aligned)
            assert before.keys() == after.keys()
            for key, cost in before.items():
                assert after[key] == pytest.approx(cost, abs=0.05)
            for arc in range(aligned.num_arcs):
                string = aligned.labels[aligned.first_label[arc] : aligned.first_label[arc + 1]]
                first = int(aligned.frame[aligned.source[arc]])
                segments = phone_segments(labels, phones, string, first_frame=first)
                assert segments[0].start == first
                assert segments[-1].end == aligned.frame[aligned.nextstate[arc]]
                names = tuple(phones.index(s.phone) for s in segments)
                assert names in lexicon[int(aligned.olabel[arc])]


def test_kaldis_lattices_that_break_off_keep_every_path(kaldi):
    lattices, labels, boundaries, lexicon, _ = kaldi
    for lattice in lattices.values():
        broken = cut_short(lattice, int(lattice.num_frames * 0.6))
        for aligned in (align_words(broken, labels, boundaries), align_lexicon(broken, labels, lexicon)):
            before, after = best_costs(broken), best_costs(aligned)
            assert before.keys() == after.keys()


def cut_short(lattice, frames):
    """Let paths end where they pass a frame, in the middle of an arc, as if the audio ended there."""
    arcs, finals, number = [], {}, lattice.num_states
    for arc in range(lattice.num_arcs):
        source, target = int(lattice.source[arc]), int(lattice.nextstate[arc])
        string = lattice.labels[lattice.first_label[arc] : lattice.first_label[arc + 1]].tolist()
        row = (int(lattice.olabel[arc]), float(lattice.graph_cost[arc]), float(lattice.acoustic_cost[arc]))
        if lattice.frame[source] >= frames:
            continue
        if lattice.frame[target] <= frames:
            arcs.append((source, target, *row, string))
        else:
            arcs.append((source, number, *row, string[: frames - int(lattice.frame[source])]))
            finals[number] = (0.0, 0.0, [])
            number += 1
    finals |= {s: (0.0, 0.0, []) for s in range(lattice.num_states) if lattice.frame[s] == frames}
    return compact(number, arcs, finals, lattice.acoustic_scale, reached_final=False)
