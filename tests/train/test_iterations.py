"""EM: likelihoods that never fall, soft training, what the log says, utterances that come and go."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.synthetic_speech import Spoken
from tests.train.stages import (
    DELTAS,
    LDA_MLLT,
    MFCC,
    MONO,
    SAT,
    alignments_of,
    logged,
    read_corpus,
    stages,
    with_schedule,
)
from wfst_asr.align.forced import score_columns, transition_costs
from wfst_asr.align.options import AlignOptions
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.gmm.estimate import EstimateOptions, estimate
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.hmm.estimate import estimate_transitions
from wfst_asr.hmm.forward_backward import forward_backward
from wfst_asr.recipe.corpus_features import load_corpus
from wfst_asr.train import training_split as on_split
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.iterations import IterationRecord
from wfst_asr.train.lang import TrainingLang, read_training_lang
from wfst_asr.train.schedule import Schedule
from wfst_asr.train.stage import StageResult, training_splits
from wfst_asr.train.triphone import train_triphones

Stages = dict[str, Callable[..., StageResult]]
OPTIONS = {"mono": MONO, "deltas": DELTAS, "lda-mllt": LDA_MLLT, "sat": SAT}


@pytest.fixture(scope="module")
def given(spoken: Spoken) -> tuple[Corpus, TrainingLang]:
    return read_corpus(spoken)


@pytest.fixture(scope="module")
def trainers(given: tuple[Corpus, TrainingLang]) -> Stages:
    return stages(*given)


def rises(log: list[IterationRecord]) -> list[float]:
    """How much an iteration raised the likelihood a frame, where nothing but EM was done."""
    return [
        after.log_likelihood_per_frame - before.log_likelihood_per_frame
        for earlier, before, after in zip([None, *log], log, log[1:], strict=False)
        if not after.realigned
        and not after.note
        and after.frames == before.frames
        and before.num_gaussians == (earlier.num_gaussians if earlier else after.num_gaussians)
    ]


@pytest.mark.parametrize("soft", [False, True], ids=["viterbi", "soft"])
@pytest.mark.parametrize("name", ["mono", "deltas"])
def test_the_likelihood_never_falls_without_splitting_or_realignment(trainers: Stages, name: str, soft: bool) -> None:
    realign = frozenset({1, 4})
    options = with_schedule(OPTIONS[name], soft=soft, num_iterations=12, realign=realign, num_gaussians=60)
    _, log = logged(trainers[name], options)
    assert [record.iteration for record in log] == list(range(1, 13))
    found = rises(log)
    assert len(found) >= 4
    assert min(found) > -1e-6
    assert max(found) > 1e-3


@pytest.mark.parametrize("name", ["lda-mllt", "sat"])
def test_transforms_and_em_together_raise_the_likelihood(trainers: Stages, name: str) -> None:
    _, log = logged(trainers[name], OPTIONS[name])
    assert [record.iteration for record in log if record.note] == [2, 4]
    assert min(rises(log)) > -1e-6
    assert log[-1].log_likelihood_per_frame > log[0].log_likelihood_per_frame


def test_soft_training_never_lowers_the_likelihood_over_all_paths(
    given: tuple[Corpus, TrainingLang], trainers: Stages
) -> None:
    corpus, lang = given
    options = with_schedule(MONO, num_iterations=2, last_increase=1, num_gaussians=1)
    model = trainers["mono"](options)
    gmm, transitions = model.gmm, model.transitions
    (split, *_) = training_splits(corpus.subset(range(4)), lang, {})
    on_split.set_features(split, MONO.pipeline, corpus.cmvn_stats, {})
    on_split.compile_graphs(split, TrainingGraphCompiler(lang.lexicon, model.tree, transitions))
    wide = AlignOptions(beam=300.0, retry_beam=300.0)
    totals = []
    for _ in range(5):
        totals.append(likelihood_of_all_paths(split, gmm, transitions, wide))
        on_split.realign(split, gmm, transitions, wide, soft=True)
        found = on_split.statistics(split, gmm, transitions)
        transitions, _ = estimate_transitions(transitions, found.transitions, floor=1e-9, min_count=0.0)
        gmm = estimate(gmm, found.gmm, EstimateOptions(min_variance=1e-9, min_occupancy=0.0)).model
    assert all(after > before - 1e-3 for before, after in pairwise(totals))
    assert totals[-1] > totals[0] + 1.0


def likelihood_of_all_paths(
    split: on_split.TrainingSplit, gmm: object, transitions: object, options: AlignOptions
) -> float:
    unscaled = on_split.unscaled_options(options)
    costs = transition_costs(transitions, unscaled)  # type: ignore[arg-type]
    total = 0.0
    for index, graph in enumerate(split.graphs):
        assert graph is not None
        pdfs = graph.pdfs(transitions)  # type: ignore[arg-type]
        scores = gmm.log_likelihoods(split.features_of(index), pdfs)  # type: ignore[attr-defined]
        columns = score_columns(transitions, pdfs)  # type: ignore[arg-type]
        total += forward_backward(graph, scores, columns, costs, unscaled).log_likelihood
    return total


def test_the_log_tells_sizes_and_realignments(trainers: Stages) -> None:
    result, log = logged(trainers["deltas"], DELTAS)
    assert [record.iteration for record in log if record.realigned] == [3, 6]
    for record in log:
        assert record.stage == "deltas"
        assert sum(record.gaussians_by_pdf.values()) == result.gmm.num_pdfs
        assert sum(size * pdfs for size, pdfs in record.gaussians_by_pdf.items()) == record.num_gaussians
        assert record.frames == sum(len(ids) for ids in result.alignments.values())
    assert log[-1].num_gaussians == result.gmm.num_gaussians == 40
    assert result.tree_report is not None
    assert result.tree_report.num_pdfs == result.gmm.num_pdfs <= 15


def test_soft_and_viterbi_training_end_close_to_each_other(trainers: Stages) -> None:
    hard, hard_log = logged(trainers["deltas"], DELTAS)
    soft, soft_log = logged(trainers["deltas"], with_schedule(DELTAS, soft=True))
    assert soft_log[-1].log_likelihood_per_frame == pytest.approx(hard_log[-1].log_likelihood_per_frame, abs=1.0)
    agreement = [np.mean(hard.alignments[name] == soft.alignments[name]) for name in hard.alignments]
    assert np.mean(agreement) > 0.9


def test_an_utterance_without_earlier_alignment_joins_at_the_next_realignment(
    given: tuple[Corpus, TrainingLang], trainers: Stages
) -> None:
    corpus, lang = given
    earlier = alignments_of(trainers["mono"]())
    names = corpus.utterances
    kept = {name: ids for name, ids in earlier.transition_ids.items() if name not in names[:2]}
    kept[names[1]] = earlier.transition_ids[names[1]][:-3]
    log: list[IterationRecord] = []
    result, log = logged(
        lambda options, **more: train_triphones(corpus, lang, replace(earlier, transition_ids=kept), options, **more),
        DELTAS,
    )
    assert log[0].frames == sum(len(kept[name]) for name in names[2:])
    assert log[-1].frames == corpus.num_frames
    assert result.failures == {}
    wrong = replace(earlier, transition_ids={f"x{name}": ids for name, ids in kept.items()})
    with pytest.raises(WfstAsrError, match="not one of 16 utterances has an alignment that fits"):
        train_triphones(corpus, lang, wrong, DELTAS)


def test_too_little_speech_for_the_dimensions_is_told_and_training_goes_on(trainers: Stages) -> None:
    with pytest.warns(WfstAsrWarning, match="LDA gives 14 dimensions, not 40: the alignments have 15 tied states"):
        result = trainers["lda-mllt"](replace(LDA_MLLT, dim=40))
    assert result.gmm.dim == result.pipeline.dim == 14


def test_an_mllt_that_cannot_be_estimated_is_left_out(trainers: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    from wfst_asr.train import lda_mllt

    def refuse(_stats: object) -> None:
        raise WfstAsrError("MLLT: 3 frames do not fill the 10 dimensions")

    monkeypatch.setattr(lda_mllt, "estimate_mllt", refuse)
    with pytest.warns(WfstAsrWarning, match="iteration 2 goes without MLLT: 3 frames") as told:
        _, log = logged(trainers["lda-mllt"], LDA_MLLT)
    assert len(told) == 1
    assert [record.note for record in log[:4]] == ["", "no MLLT", "", "no MLLT"]


def test_speakers_with_little_speech_keep_the_identity_transform(trainers: Stages) -> None:
    result = trainers["sat"](replace(SAT, min_count=1e6))
    for transform in result.transforms.values():
        np.testing.assert_array_equal(transform, np.eye(*transform.shape))
    adapted = trainers["sat"]()
    assert sorted(adapted.transforms) == ["anna", "bert"]
    assert not np.allclose(adapted.transforms["anna"], adapted.transforms["bert"], atol=0.05)


def test_real_recordings_of_yes_and_no(corpora: Path, tmp_path: Path) -> None:
    from wfst_asr.graph.lang_dir import make_lang_dir
    from wfst_asr.io.data_dir import DataDir, read_data_dir, write_data_dir
    from wfst_asr.lexicon.lexicon import Lexicon
    from wfst_asr.lexicon.phone_set import PhoneSet
    from wfst_asr.train.monophone import train_monophones

    whole = read_data_dir(corpora / "yesno")
    names = whole.utterances[:8]
    recordings, text = {name: whole.recordings[name] for name in names}, whole.text or {}
    write_data_dir(DataDir(recordings, None, {name: text[name] for name in names}), tmp_path / "data")
    lexicon = Lexicon.from_pairs([("YES", "Y"), ("NO", "N")])
    make_lang_dir(lexicon, tmp_path / "lang", PhoneSet.of_lexicon(lexicon, silence=("SIL",), optional_silence="SIL"))
    corpus, lang = load_corpus(tmp_path / "data", MFCC), read_training_lang(tmp_path / "lang")
    schedule = Schedule(12, frozenset({1, 2, 3}), num_gaussians=40, last_increase=6, first_beam=6.0)
    for soft in (False, True):
        _, log = logged(
            lambda options, **more: train_monophones(corpus, lang, options, **more),
            replace(MONO, schedule=replace(schedule, soft=soft)),
        )
        assert min(rises(log)) > -1e-6
