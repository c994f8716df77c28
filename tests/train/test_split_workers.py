"""Splits over processes: the same results however many there are, and errors that come through."""

import os
import signal
import struct
import sys
import time

import numpy as np
import pytest

from tests.synthetic_speech import Spoken
from tests.train.stages import LDA_MLLT, MONO, SAT, read_corpus, same_models, stages
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.train import training_split as on_split
from wfst_asr.train.iterations import merged
from wfst_asr.train.split_workers import SplitWorkers, _run
from wfst_asr.train.stage import training_splits


def total(split: list[int], factor: int) -> int:
    return sum(split) * factor


def fill(split: list[int]) -> None:
    split.append(100)


def refuse(split: list[int]) -> None:
    if split == [3]:
        raise WfstAsrError("the third does not work")


def die(split: list[int]) -> None:
    if split == [2]:
        os._exit(1)


@pytest.mark.parametrize("num_jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_splits_and_splits_keep_changes(num_jobs: int) -> None:
    with SplitWorkers([[1], [2], [3]], num_jobs=num_jobs) as workers:
        assert len(workers) == 3
        assert workers.map(total, 2) == [2, 4, 6]
        workers.map(fill)
        assert workers.map(total, factor=1) == [101, 102, 103]


@pytest.mark.parametrize("num_jobs", [1, 2])
def test_an_error_on_a_split_comes_through(num_jobs: int) -> None:
    with (
        SplitWorkers([[1], [2], [3]], num_jobs=num_jobs) as workers,
        pytest.raises(WfstAsrError, match="the third does not work"),
    ):
        workers.map(refuse)


def test_a_killed_process_is_told() -> None:
    with (
        SplitWorkers([[1], [2], [3]], num_jobs=2) as workers,
        pytest.raises(WfstAsrError, match="a worker process was killed, most often because the memory was full"),
    ):
        workers.map(die)


def die_while_telling(split: list[int]) -> None:
    """Write the begin of a message into the pipe of results, and end."""
    if split != [2]:
        return
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    os.write(frame.f_locals["result_queue"]._writer.fileno(), struct.pack("!i", 1000) + b"ten bytes.")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_while_it_tells_a_result_is_told() -> None:
    with (
        SplitWorkers([[1], [2], [3]], num_jobs=2) as workers,
        pytest.raises(WfstAsrError, match="a worker process was killed, most often because the memory was full"),
    ):
        workers.map(die_while_telling)


def test_an_interruption_does_not_wait_for_half_a_result() -> None:
    workers = SplitWorkers([[1], [2]], num_jobs=2)
    workers._workers[1].submit(_run, die_while_telling, 0, (), {})
    time.sleep(1.0)
    began = time.monotonic()
    workers.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert time.monotonic() - began < 10


def test_no_processes_are_refused() -> None:
    with pytest.raises(WfstAsrError, match="num_jobs is 0; expected at least 1"):
        SplitWorkers([[1]], num_jobs=0)


def nap(_split: list[int]) -> None:
    time.sleep(60)


def test_an_interruption_does_not_wait_for_the_processes() -> None:
    began = time.monotonic()
    workers = SplitWorkers([[1], [2]], num_jobs=2)
    workers._workers[0].submit(nap, [1])
    workers.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert time.monotonic() - began < 10


def test_one_process_and_four_give_equal_models(spoken: Spoken) -> None:
    trainers = stages(*read_corpus(spoken))
    for name, options in (("mono", MONO), ("lda-mllt", LDA_MLLT), ("sat", SAT)):
        one, four = trainers[name](options), trainers[name](options, num_jobs=4)
        assert same_models(one, four), name


def test_splits_and_the_whole_give_equal_statistics_to_rounding(spoken: Spoken) -> None:
    corpus, lang = read_corpus(spoken)
    model = stages(corpus, lang)["mono"]()
    compiler = TrainingGraphCompiler(lang.lexicon, model.tree, model.transitions)
    whole = on_split.TrainingSplit(corpus, [lang.word_ids(words) for words in corpus.words or ()])
    found = []
    for splits in ([whole], training_splits(corpus, lang, {})):
        with SplitWorkers(splits) as workers:
            workers.map(on_split.set_features, MONO.pipeline, corpus.cmvn_stats, {})
            workers.map(on_split.compile_graphs, compiler)
            workers.map(on_split.realign, model.gmm, model.transitions, MONO.schedule.align)
            found.append(merged(workers.map(on_split.statistics, model.gmm, model.transitions)))
    one, many = found
    np.testing.assert_array_equal(one.transitions, many.transitions)
    np.testing.assert_array_equal(one.pdf_occupancy, many.pdf_occupancy)
    for name in ("occupancy", "first", "second"):
        np.testing.assert_allclose(getattr(one.gmm, name), getattr(many.gmm, name), rtol=1e-9, atol=1e-6)
    assert one.gmm.log_likelihood == pytest.approx(many.gmm.log_likelihood, rel=1e-12)


def test_splits_are_of_about_equal_length_and_none_is_empty(spoken: Spoken) -> None:
    corpus, lang = read_corpus(spoken)
    for count in (1, 2, 7, 16):
        part = corpus.subset(range(count))
        splits = training_splits(part, lang, {})
        assert 1 <= len(splits) <= 16
        assert [name for split in splits for name in split.corpus.utterances] == list(part.utterances)
        assert min(split.corpus.num_frames for split in splits) > 0
