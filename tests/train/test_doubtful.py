"""Transcripts that hardly belong to their recordings."""

import numpy as np
import pytest

from tests.synthetic_speech import Spoken
from tests.train.stages import MONO, read_corpus, stages
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.train import training_split as on_split
from wfst_asr.train.doubtful import doubtful_transcripts, transcript_gaps


def test_gaps_equal_those_of_every_frame_by_itself(spoken: Spoken) -> None:
    corpus, lang = read_corpus(spoken)
    model = stages(corpus, lang)["mono"]()
    assert model.doubtful == {}
    split = on_split.TrainingSplit(corpus, [lang.word_ids(words) for words in corpus.words or ()])
    on_split.set_features(split, MONO.pipeline, corpus.cmvn_stats, {})
    on_split.compile_graphs(split, TrainingGraphCompiler(lang.lexicon, model.tree, model.transitions))
    on_split.realign(split, model.gmm, model.transitions, MONO.schedule.align)
    split.alignments[3] = None
    found = transcript_gaps(split, model.gmm, model.transitions, lang.silence)
    assert found.keys() == set(corpus.utterances) - {corpus.utterances[3]}
    for index, utterance in enumerate(corpus.utterances):
        ids = split.alignments[index]
        if ids is None:
            continue
        speech = [t for t, number in enumerate(ids) if model.transitions.phone[number] not in lang.silence]
        chosen = [speech[int(place)] for place in np.linspace(0, len(speech) - 1, 64)]
        gaps = []
        for frame in chosen:
            scores = model.gmm.log_likelihoods(split.features_of(index)[frame : frame + 1])[0]
            gaps.append(max(scores) - scores[model.transitions.pdf_id[ids[frame]]])
        assert found[utterance] == pytest.approx(np.mean(gaps), rel=1e-4)


def test_few_utterances_tell_nothing_and_many_need_a_clear_difference() -> None:
    assert doubtful_transcripts({}) == {}
    assert doubtful_transcripts({"a": 0.0, "b": 99.0}) == {}
    gaps = {f"u{number}": 1.0 for number in range(8)}
    assert doubtful_transcripts({**gaps, "x": 3.9}) == {}
    assert list(doubtful_transcripts({**gaps, "x": 4.1, "y": 50.0})) == ["x", "y"]
