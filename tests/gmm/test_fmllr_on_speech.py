"""fMLLR on real speakers: a model that Kaldi trained, its features and its alignments, two utterances a speaker."""

from pathlib import Path

import numpy as np
import pytest

from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.fmllr import (
    FmllrStatistics,
    accumulate_fmllr,
    apply_transform,
    estimate_fmllr,
    expected_statistics,
    identity_transform,
)
from wfst_asr.io.archives import read_integer_vectors, read_matrices
from wfst_asr.kaldi.acoustic_model import read_model

Utterance = tuple[np.ndarray, np.ndarray]  # speech frames (T, D) and their pdf-ids


@pytest.fixture(scope="module")
def an4(corpora: Path) -> tuple[AcousticModel, dict[str, list[Utterance]]]:
    folder = corpora / "kaldi_an4"
    transitions, model = read_model(folder / "model" / "final.mdl")
    names = dict(line.split() for line in (folder / "graph" / "phones.txt").read_text().splitlines())
    silence = {int(number) for name, number in names.items() if name.startswith(("SIL", "SPN"))}
    features = dict(read_matrices(folder / "feats_final.ark"))
    speaker = dict(line.split() for line in (folder / "utt2spk").read_text().splitlines())
    speakers: dict[str, list[Utterance]] = {}
    for utterance, ids in read_integer_vectors(folder / "lattices" / "1best.ali"):
        speech = ~np.isin(transitions.phone[ids], list(silence))
        own = (features[utterance][speech], transitions.pdf_id[ids[speech]])
        speakers.setdefault(speaker[utterance], []).append(own)
    return model, speakers


def adapted(model: AcousticModel, utterances: list[Utterance], *, prior: FmllrStatistics | None) -> np.ndarray:
    """The transform after two passes."""
    transform = identity_transform(model.dim)
    for _ in range(2):
        statistics = FmllrStatistics.zeros(model.dim)
        for features, pdf_ids in utterances:
            seen = apply_transform(features, transform)
            statistics += accumulate_fmllr(model, features, pdf_ids, posterior_features=seen)
        transform = estimate_fmllr(statistics, start=transform, prior=prior, min_count=0.0).transform
    return transform


def log_likelihood(model: AcousticModel, utterance: Utterance, transform: np.ndarray) -> float:
    """Of a frame of the utterance, log-determinant included."""
    scores = model.log_likelihoods(apply_transform(utterance[0], transform))
    own = scores[np.arange(len(scores)), utterance[1]].mean(dtype=np.float64)
    return float(own + np.linalg.slogdet(transform[:, : model.dim])[1])


def test_a_transform_raises_the_likelihood_of_its_own_speech(
    an4: tuple[AcousticModel, dict[str, list[Utterance]]],
) -> None:
    model, speakers = an4
    gains = []
    for utterances in list(speakers.values())[:5]:
        transform = adapted(model, utterances, prior=None)
        gains += [
            log_likelihood(model, one, transform) - log_likelihood(model, one, identity_transform(model.dim))
            for one in utterances
        ]
    assert min(gains) > 2.0
    assert 5.0 < np.mean(gains) < 25.0


def test_with_a_prior_half_a_speakers_speech_helps_the_other_half(
    an4: tuple[AcousticModel, dict[str, list[Utterance]]],
) -> None:
    model, speakers = an4
    prior = expected_statistics(model, np.ones(model.num_pdfs)).scaled(500.0)
    gains = []
    for utterances in speakers.values():
        for one, other in (utterances, utterances[::-1]):
            transform = adapted(model, [one], prior=prior)
            gains.append(log_likelihood(model, other, transform))
            gains[-1] -= log_likelihood(model, other, identity_transform(model.dim))
    assert np.mean(gains) > 0.5
