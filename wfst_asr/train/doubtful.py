"""Transcripts that hardly belong to their recordings, found by how much better other sounds would fit.

The gap of a frame is the log likelihood of the best tied state of all minus that of the state it is aligned with.  With
the right words its mean over an utterance is small whatever the voice and the room; with others it is many times that
of most utterances, though a path was found.
"""

from collections.abc import Mapping

import numpy as np

from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train.training_split import TrainingSplit

_FRAMES = 64  # of an utterance that are looked at
_FEWEST = 8  # utterances to tell what is usual
_DEVIATIONS, _LEAST = 8.0, 3.0


def transcript_gaps(
    split: TrainingSplit, gmm: AcousticModel, transitions: TransitionModel, silence: frozenset[int]
) -> dict[str, float]:
    """Return the mean gap, in nats a frame, over frames of speech of each aligned utterance of a split."""
    result = {}
    is_silence = np.isin(transitions.phone, sorted(silence))
    for index, ids in enumerate(split.alignments):
        speech = np.flatnonzero(~is_silence[ids]) if ids is not None else np.empty(0, np.int64)
        if ids is None or len(speech) == 0:
            continue
        frames = speech[np.linspace(0, len(speech) - 1, min(len(speech), _FRAMES)).astype(np.int64)]
        scores = gmm.log_likelihoods(split.features_of(index)[frames])
        own = scores[np.arange(len(frames)), transitions.pdf_id[ids[frames]]]
        result[split.corpus.utterances[index]] = float((scores.max(axis=1) - own).mean(dtype=np.float64))
    return result


def doubtful_transcripts(gaps: Mapping[str, float]) -> dict[str, str]:
    """Return the utterances whose gap is far above the usual, with a reason.

    Far is 8 standard deviations (from the median absolute deviation) and 3 nats; less than 8 utterances tell nothing.

    >>> gaps = {f"u{number}": 1.0 + 0.1 * (number % 3) for number in range(20)}
    >>> doubtful_transcripts({**gaps, "odd": 5.0})
    {'odd': 'its words fit the recording badly: other sounds fit better by 5.0 nats a frame, in most utterances by 1.1'}
    >>> doubtful_transcripts(gaps)
    {}
    """
    if len(gaps) < _FEWEST:
        return {}
    values = np.array(list(gaps.values()))
    usual = float(np.median(values))
    deviation = 1.4826 * float(np.median(np.abs(values - usual)))
    limit = usual + max(_DEVIATIONS * deviation, _LEAST)
    return {
        utterance: f"its words fit the recording badly: other sounds fit better by {gap:.1f} nats a frame, in most "
        f"utterances by {usual:.1f}"
        for utterance, gap in gaps.items()
        if gap > limit
    }
