"""Small stages on the synthetic corpus, in memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tests.synthetic_speech import Spoken
from wfst_asr.features.frames import FrameOptions
from wfst_asr.features.mfcc import MfccOptions
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.recipe.corpus_features import load_corpus
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.iterations import IterationRecord, Progress
from wfst_asr.train.lang import TrainingLang, read_training_lang
from wfst_asr.train.lda_mllt import LdaMlltOptions, train_lda_mllt
from wfst_asr.train.monophone import MonophoneOptions, train_monophones
from wfst_asr.train.sat import SatOptions, train_sat
from wfst_asr.train.schedule import Schedule
from wfst_asr.train.stage import Alignments, StageResult
from wfst_asr.train.triphone import TriphoneOptions, train_triphones
from wfst_asr.train.tying import TyingOptions

MFCC = MfccOptions(frames=FrameOptions(sample_rate_hz=8000), use_energy=False)
PIPELINE = FeaturePipeline(MFCC)
MONO = MonophoneOptions(
    Schedule(8, frozenset({1, 2, 3, 5}), num_gaussians=40, last_increase=5, first_beam=6.0), PIPELINE
)
LATER = Schedule(8, frozenset({3, 6}), num_gaussians=40, last_increase=5)
TYING = TyingOptions(num_leaves=15, min_gain=20.0)
DELTAS = TriphoneOptions(LATER, TYING, PIPELINE)
LDA_MLLT = LdaMlltOptions(
    LATER, TYING, FeaturePipeline(MFCC, delta_order=0, splice=(2, 2)), dim=10, mllt_iterations=frozenset({2, 4})
)
SAT = SatOptions(LATER, TYING, frozenset({2, 4}), min_count=200.0)


def read_corpus(spoken: Spoken) -> tuple[Corpus, TrainingLang]:
    return load_corpus(spoken.data, MFCC), read_training_lang(spoken.lang)


def alignments_of(result: StageResult) -> Alignments:
    return Alignments(result.alignments, result.transitions)


def with_schedule(options: Any, **changes: Any) -> Any:
    """Change the schedule of a stage's options."""
    return replace(options, schedule=replace(options.schedule, **changes))


def stages(corpus: Corpus, lang: TrainingLang) -> dict[str, Callable[..., StageResult]]:
    """Every stage as a function of its options; those after the first begin with a small monophone model."""
    mono = train_monophones(corpus, lang, MONO)
    ali = alignments_of(mono)

    def sat(options: SatOptions = SAT, **more: Any) -> StageResult:
        return train_sat(corpus, lang, ali, mono.gmm, mono.pipeline, options, **more)

    return {
        "mono": lambda options=MONO, **more: train_monophones(corpus, lang, options, **more),
        "deltas": lambda options=DELTAS, **more: train_triphones(corpus, lang, ali, options, **more),
        "lda-mllt": lambda options=LDA_MLLT, **more: train_lda_mllt(corpus, lang, ali, options, **more),
        "sat": sat,
    }


def logged(stage: Callable[..., StageResult], options: Any, **more: Any) -> tuple[StageResult, list[IterationRecord]]:
    """Run a stage; return what it made and its log."""
    log: list[IterationRecord] = []
    return stage(options, progress=Progress(log=log.append), **more), log


def same_models(one: StageResult, other: StageResult) -> bool:
    """Tell whether every number of two models is the same."""
    pairs = [(one.gmm, other.gmm)] + ([(one.si_gmm, other.si_gmm)] if one.si_gmm and other.si_gmm else [])
    return (
        all(
            np.array_equal(getattr(a, name), getattr(b, name))
            for a, b in pairs
            for name in ("offsets", "weights", "means", "variances")
        )
        and np.array_equal(one.transitions.log_prob, other.transitions.log_prob)
        and one.alignments.keys() == other.alignments.keys()
        and all(np.array_equal(ids, other.alignments[name]) for name, ids in one.alignments.items())
    )
