"""The features of `pipeline.FeaturePipeline` while the sound arrives."""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.cmvn import sliding_cmvn
from wfst_asr.features.deltas import add_deltas, splice
from wfst_asr.features.frames import num_frames
from wfst_asr.features.mel import mel_filters
from wfst_asr.features.mfcc import MfccOptions, cepstral_matrix, mfcc, mfcc_through
from wfst_asr.features.online_cmvn import OnlineCmvn, OnlineCmvnOptions
from wfst_asr.features.pipeline import FeaturePipeline, affine
from wfst_asr.features.streams import ContextStream, FrameQueue, Frames

_SLOPE_REACH = 2


class MfccStream:
    """`mfcc` of sound that arrives in pieces.

    >>> stream = MfccStream(MfccOptions())
    >>> len(stream.accept(np.ones(500, dtype=np.float32))), len(stream.accept(np.ones(500, dtype=np.float32)))
    (1, 3)
    """

    def __init__(self, options: MfccOptions) -> None:
        """Begin a stream.

        Raises:
            WfstAsrError: options with dither, or whose frames are mirrored at the edges of the recording.
        """
        if options.frames.dither:
            raise WfstAsrError("streams take no dither; set dither=0")
        if not options.frames.snip_edges:
            raise WfstAsrError("streams do not mirror the edges of a recording; they need snip_edges=True")
        self._options = options
        self._filters = mel_filters(options.mel, options.frames)
        self._transform = cepstral_matrix(options)
        self._samples = np.empty(0, np.float32)

    def accept(self, samples: NDArray[np.float32]) -> Frames:
        """Take samples (N,); return the cepstra (T, num_ceps) of the frames that are complete."""
        self._samples = np.concatenate([self._samples, np.asarray(samples, dtype=np.float32)])
        frames = num_frames(len(self._samples), self._options.frames)
        made = mfcc_through(self._samples, self._options, self._filters, self._transform)
        self._samples = self._samples[frames * self._options.frames.frame_shift :].copy()
        return made


class PipelineStream:
    """A trained model's features while the sound arrives, normalised by a sliding window instead of by the speaker.

    A frame is given once the frames that its differences or its neighbourhood reach to are there, and at the start,
    without a prior, once `min_window` frames are.
    """

    def __init__(
        self,
        pipeline: FeaturePipeline,
        options: OnlineCmvnOptions | None = None,
        *,
        prior: NDArray[np.float64] | None = None,
    ) -> None:
        """Begin a stream.

        Args:
            pipeline: of the model.
            options: of the normalisation.
            prior: normalisation statistics (2, num_ceps + 1) known before, of the speaker or of other sound from the
                same microphone, of `cmvn_stats`.

        Raises:
            WfstAsrError: cepstra with dither or mirrored edges, or a prior of another dimension.
        """
        self._pipeline = pipeline
        self._cepstra = MfccStream(pipeline.mfcc)
        self._normalise = OnlineCmvn(options, norm_vars=pipeline.norm_vars, prior=prior)
        self._contexts: list[ContextStream] = []
        if prior is not None and prior.shape[1] != pipeline.mfcc.num_ceps + 1:
            raise WfstAsrError(
                f"the prior statistics are of {prior.shape[1] - 1} dimensions; expected {pipeline.mfcc.num_ceps}"
            )
        if order := pipeline.delta_order:
            reach = order * _SLOPE_REACH
            self._contexts.append(ContextStream(lambda x: add_deltas(x, order=order), left=reach, right=reach))
        if any(pipeline.splice):
            left, right = pipeline.splice
            self._contexts.append(ContextStream(lambda x: splice(x, left=left, right=right), left=left, right=right))
        self._queue = FrameQueue(pipeline.mfcc.num_ceps * (pipeline.delta_order + 1) * (sum(pipeline.splice) + 1))

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the sound."""
        return self._pipeline.sample_rate_hz

    @property
    def ready(self) -> int:
        """Frames that can be taken."""
        return len(self._queue)

    def accept(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples (N,) in 16-bit scale."""
        self._put(self._normalise.accept(self._cepstra.accept(samples)), 0)

    def finish(self) -> None:
        """End the sound."""
        self._put(self._normalise.finish(), 0)
        for number, context in enumerate(self._contexts):
            self._put(context.finish(), number + 1)

    def take(self, frames: int) -> Frames:
        """Return the next frames (T, D), at most `frames`."""
        features = self._queue.take(frames)
        if self._pipeline.matrix is not None:
            features = affine(features, self._pipeline.matrix)
        return np.ascontiguousarray(features, dtype=np.float32)

    def end_utterance(self) -> None:
        """Do nothing: the window goes on sliding."""

    def _put(self, features: Frames, stage: int) -> None:
        """Put frames through the contexts from one on, and into the queue."""
        for context in self._contexts[stage:]:
            if len(features) == 0:
                return
            features = context.accept(features)
        if len(features):
            self._queue.put(features)


def online_pipeline_features(
    pipeline: FeaturePipeline,
    samples: NDArray[np.float32],
    options: OnlineCmvnOptions | None = None,
    *,
    prior: NDArray[np.float64] | None = None,
) -> Frames:
    """Return for a whole recording what `PipelineStream` gives for its pieces: (T, D).

    The arguments are those of `PipelineStream`.
    """
    chosen = options or OnlineCmvnOptions()
    features = sliding_cmvn(
        mfcc(samples, pipeline.mfcc),
        window=chosen.window,
        min_window=chosen.min_window,
        norm_vars=pipeline.norm_vars,
        prior=prior,
        prior_frames=chosen.prior_frames,
    )
    return pipeline.dynamic(features)
