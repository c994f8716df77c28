"""Batches over threads and processes give the same, in order, and say what went wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.decoder.test_online import scores_of
from wfst_asr.decoder.batch import DecodeOne, decode_utterances, over_processes, over_threads
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table, write_const_fst
from wfst_asr.fst.manifest import Manifest, write_manifest


@dataclass(frozen=True)
class Doubler:
    fails_at: int = -1

    def __call__(self) -> Callable[[int], int]:
        return self.double

    def double(self, item: int) -> int:
        if item == self.fails_at:
            raise WfstAsrError(f"item {item} is bad")
        return 2 * item


class Unmade:
    def __call__(self) -> Callable[[int], int]:
        raise WfstAsrError("graph: no such folder")


def dies(item: int) -> int:
    import os

    os._exit(item)


def make_dying() -> Callable[[int], int]:
    return dies


def some_scores(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return scores_of(rng.integers(1, 4, size=20).tolist()) + rng.normal(size=(20, 3)).astype(np.float32)


def test_threads_and_processes_keep_the_order() -> None:
    expected = [2 * item for item in range(9)]
    assert list(over_threads(Doubler().double, range(9), num_jobs=2)) == expected
    assert list(over_processes(Doubler(), range(9), num_jobs=1)) == expected
    assert list(over_processes(Doubler(), range(9), num_jobs=2)) == expected


def test_what_goes_wrong_in_a_process_is_told() -> None:
    with pytest.raises(WfstAsrError, match="item 3 is bad"):
        list(over_processes(Doubler(3), range(9), num_jobs=2))
    with pytest.raises(WfstAsrError, match="no such folder"):
        list(over_processes(Unmade(), range(9), num_jobs=2))
    with pytest.raises(WfstAsrError, match="one of 2 processes ended before its time"):
        list(over_processes(make_dying, range(1, 5), num_jobs=2))
    with pytest.raises(WfstAsrError, match="num_jobs 0"):
        list(over_processes(Doubler(), [], num_jobs=0))


def test_processes_decode_as_threads_do(tmp_path: Path) -> None:
    arcs = [(0, 0, label, label - 1, 0.5) for label in (1, 2, 3)]
    write_const_fst(arc_table(1, arcs, finals={0: 0.5}), tmp_path / "HCLG.fst")
    write_manifest(tmp_path, Manifest(label_kind="pdf-id+1", num_columns=3, column_names="columns"))
    utterances = [(f"u{n}", partial(some_scores, n)) for n in range(5)]
    ours = list(over_processes(DecodeOne(tmp_path), utterances, num_jobs=2))
    theirs = list(decode_utterances(load_graph(tmp_path), utterances, num_jobs=2))
    assert [one.utterance for one in ours] == [one.utterance for one in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a.result is not None
        assert b.result is not None
        assert a.result.words == b.result.words
        assert a.result.total_cost == b.result.total_cost
