"""The warning that max_active, not the beam, decides what is followed."""

import warnings

import numpy as np
import pytest

from tests.decoder.test_search import random_graph
from wfst_asr.decoder.decode import decode, decode_blocks
from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.online import OnlineDecoder
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.errors import WfstAsrWarning

NARROW = DecodeOptions(beam=20.0, max_active=20, min_active=5)


def make():
    graph = make_search_graph(random_graph(500, 4000, labels=10, seed=7), np.arange(-1, 10))
    return graph, np.random.default_rng(8).normal(0, 3, (120, 10)).astype(np.float32)


def stream(graph, scores, options):
    decoder = OnlineDecoder(graph, options)
    decoder.accept(scores)
    decoder.finish()


@pytest.mark.parametrize(
    "search", [decode, lambda *given: decode_blocks(given[0], [given[1]], given[2]), decode_lattice, stream]
)
def test_a_beam_cut_over_most_frames_is_told_once_a_graph(search):
    graph, scores = make()
    with pytest.warns(
        WfstAsrWarning, match=r"max_active 20 cut the beam 20 in \d+ of 120 frames.*smaller beam"
    ) as told:
        search(graph, scores, NARROW)
    assert told[0].filename == __file__
    search(graph, scores, NARROW)  # a second warning would be an error here
    other, _ = make()
    with pytest.warns(WfstAsrWarning):
        search(other, scores, NARROW)


def test_few_frames_or_few_that_are_cut_are_not_told():
    graph, scores = make()
    decode(graph, scores[:99], NARROW)
    decode(graph, np.tile(scores, (2, 1)), DecodeOptions(beam=1.0))
    assert graph.limited_frames.limited > 50
    assert 2 * graph.limited_frames.limited < graph.limited_frames.frames


def test_without_a_beam_max_active_is_meant():
    graph, scores = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(graph, scores, DecodeOptions(beam=np.inf, max_active=20, min_active=5))
    assert graph.limited_frames.frames == 0
