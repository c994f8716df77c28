"""Pictures of lattices of words, and the command that draws them."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoder.test_decode_command import run
from tests.lattice.word_lattices import all_paths, compact_lattices, linear_compact
from wfst_asr.errors import WfstAsrError
from wfst_asr.kaldi.lattice import write_lattices
from wfst_asr.lattice.posteriors import arc_posteriors
from wfst_asr.plots.lattice import draw_lattice
from wfst_asr.plots.lattice_layout import lattice_picture

NAMES = ["<eps>", "a", "b$_c", "$", "d&<"]
TWO = [((1, 2, 3), 0.0), ((1, 4), 1.0)]


@settings(max_examples=200, deadline=None)
@given(compact_lattices(), st.integers(1, 14))
def test_whole_paths_are_drawn_with_posteriors_of_the_whole_lattice(lattice, max_arcs):
    paths = all_paths(lattice)
    if not paths:
        return
    picture = lattice_picture(lattice, max_arcs=max_arcs)
    best = min(cost for _, _, cost in paths)
    inside, near = (
        {arc for arcs, _, cost in paths if cost <= best + picture.beam + rounding for arc in arcs}
        for rounding in (1e-9, 3e-6)
    )
    assert len(inside) <= picture.num_drawn <= len(near)
    assert picture.num_drawn <= max_arcs or picture.beam == 0
    posteriors, _ = arc_posteriors(lattice)
    drawn = {(arc.word, round(arc.posterior, 6)) for arc in picture.arcs if arc.word}
    of_inside, of_near = (
        {(int(lattice.olabel[a]), round(float(posteriors[a]), 6)) for a in arcs if lattice.olabel[a]}
        for arcs in (inside, near)
    )
    assert of_inside <= drawn <= of_near


@settings(max_examples=200, deadline=None)
@given(compact_lattices())
def test_the_best_path_is_straight_and_every_arc_goes_forward(lattice):
    paths = all_paths(lattice)
    if not paths:
        return
    picture = lattice_picture(lattice, max_arcs=100)
    best = [arc for arc in picture.arcs if arc.is_best]
    best_words = tuple(arc.word for arc in best if arc.word)
    least = min(cost for _, _, cost in paths)
    assert best_words in {words for _, words, cost in paths if cost <= least + 1e-4}
    if best:
        assert best[0].source == 0
        assert best[-1].dest == len(picture.states) - 1
    for arc, following in pairwise(best):
        assert arc.dest == following.source
    for arc in picture.arcs:
        assert picture.states[arc.source][0] < picture.states[arc.dest][0]
        if arc.is_best:
            assert arc.lane == picture.states[arc.source][1] == picture.states[arc.dest][1] == 0


@settings(max_examples=200, deadline=None)
@given(compact_lattices())
def test_words_and_states_do_not_lie_upon_each_other(lattice):
    if not all_paths(lattice):
        return
    picture = lattice_picture(lattice, max_arcs=100)
    assert len(set(picture.states)) == len(picture.states)
    spans = [(arc.lane, picture.states[arc.source][0], picture.states[arc.dest][0]) for arc in picture.arcs]
    for number, (lane, begin, end) in enumerate(spans):
        for other_lane, other_begin, other_end in spans[:number]:
            assert lane != other_lane or end <= other_begin or other_end <= begin


def test_a_small_lattice_by_hand():
    picture = lattice_picture(linear_compact(TWO))
    share = 1 / (1 + np.exp(-1))
    found = [(arc.source, arc.dest, arc.lane, arc.word, round(arc.posterior, 6), arc.is_best) for arc in picture.arcs]
    end = len(picture.states) - 1
    assert [(lane, word, best) for _, _, lane, word, _, best in found] == [
        (0, 1, True),
        (0, 2, True),
        (0, 3, True),
        (1, 1, False),
        (1, 4, False),
        (1, 0, False),
    ]
    assert {row[4] for row in found} == {round(share, 6), round(1 - share, 6)}
    assert (found[2][1], found[5][1]) == (end, end)
    assert [time for time, _ in picture.states] == [0.0, 1.0, 2.0, 1.0, 2.0, 3.0]
    few = lattice_picture(linear_compact(TWO), max_arcs=4)
    assert (few.num_drawn, few.num_arcs, few.beam) == (3, 5, 0.0)


def test_an_svg_tells_words_and_is_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg"):
        draw_lattice(linear_compact(TWO), tmp_path / name, words=NAMES, title="u$1$ <1>")
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert "<dc:date>" not in text
    for word in ("a 0.73", "b$_c 0.73", "$ 0.73", "d&amp;&lt; 0.27", "u$1$ &lt;1&gt;: 5 arcs"):
        assert f">{word}</text>" in text
    draw_lattice(linear_compact(TWO), tmp_path / "few.svg", max_arcs=4, acoustic_scale=0.1)
    text = (tmp_path / "few.svg").read_text()
    assert "Lattice: 3 of 5 arcs, those on paths costing at most 0.00 more than the best" in text
    assert ">3 0.73</text>" in text
    assert ">4 0.27</text>" not in text


@pytest.mark.parametrize("texts", [[((), 0.0)], [((1,), 0.0), ((), 1.0)]], ids=["no words", "words or none"])
def test_lattices_with_little_in_them_are_images(tmp_path, texts):
    pytest.importorskip("matplotlib")
    draw_lattice(linear_compact(texts), tmp_path / "lattice.png", words=NAMES)
    assert (tmp_path / "lattice.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_told(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(WfstAsrError, match="word 4 has no name"):
        draw_lattice(linear_compact(TWO), tmp_path / "lattice.png", words=NAMES[:4])
    with pytest.raises(WfstAsrError, match="max_arcs 0"):
        lattice_picture(linear_compact(TWO), max_arcs=0)
    with pytest.raises(WfstAsrError, match="no kind of image"):
        draw_lattice(linear_compact(TWO), tmp_path / "lattice.xyz")


def test_the_command_draws_one_lattice_of_an_archive(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    write_lattices(tmp_path / "lat.ark", [("u1", linear_compact([((1,), 0.0)])), ("u2", linear_compact(TWO))])
    (tmp_path / "words.txt").write_text("".join(f"{word} {label}\n" for label, word in enumerate(NAMES)))
    draw = ("lattice", "draw", tmp_path / "lat.ark")
    options = ("--acoustic-scale", 1, "--words", tmp_path / "words.txt")
    assert run(*draw, "u2", tmp_path / "u2.svg", *options, "--max-arcs", 3, "--frame-shift-ms", 30) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'u2.svg'}: u2, 3 of 5 arcs\n"
    assert re.search(r">u2: 3 of 5 arcs, .*</text>", (tmp_path / "u2.svg").read_text())
    assert run(*draw, "u3", tmp_path / "u3.svg", *options) == 1
    assert "has no lattice of utterance 'u3'; the first that it has is 'u1'" in capsys.readouterr().err
    assert run(*draw, "u1", tmp_path / "u1.xyz", *options) == 1
    assert "no kind of image" in capsys.readouterr().err
    (tmp_path / "words.txt").write_text("<eps> 0\na 1\n")
    assert run(*draw, "u2", tmp_path / "u2.png", *options) == 1
    assert "has words beyond number 1" in capsys.readouterr().err
    assert run(*draw, "u2", tmp_path / "u2.png") == 2
    assert run(*draw, "u2", tmp_path / "u2.png", *options, "--transitions", tmp_path / "final.mdl") == 2
