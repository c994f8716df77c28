"""Sphinx's features while the sound arrives, with a mean that follows it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.products import product
from wfst_asr.features.sphinx_dynamic import LIVE_LIMIT, LiveMean, sphinx_dynamic_features
from wfst_asr.features.sphinx_mfcc import LOG_FLOOR, cepstral_matrix, frame_energies, mel_filters
from wfst_asr.features.sphinx_noise import noise_state
from wfst_asr.features.sphinx_options import SphinxFeatureOptions
from wfst_asr.features.streams import ContextStream, FrameQueue, Frames

_REACH = 4  # of the differences, in frames, at most
ONLINE_CMN_KINDS = ("live", "following", "none")


@dataclass(frozen=True)
class OnlineCmnOptions:
    """Cepstral mean normalisation of a stream.

    Attributes:
        kind: "live" does as PocketSphinx: it holds a mean through an utterance and updates it when the utterance ends,
            or when it has lasted for about 8 seconds; "following" takes from each frame the mean of the `window` frames
            up to it, smoothed by `prior_frames` of the prior mean; "none" takes nothing off.
        window: frames; see "following".
        prior_frames: see "following".
    """

    kind: str = "live"
    window: int = 1000
    prior_frames: float = 400.0

    def __post_init__(self) -> None:
        if self.kind not in ONLINE_CMN_KINDS:
            raise WfstAsrError(f"cmn is '{self.kind}'; expected one of: {', '.join(ONLINE_CMN_KINDS)}")
        if self.window < 1:
            raise WfstAsrError(f"window is {self.window}; expected at least 1")
        if not self.prior_frames >= 0:
            raise WfstAsrError(f"prior_frames is {self.prior_frames}; expected 0 or more")


class SphinxCepstraStream:
    """`sphinx_mfcc` of sound that arrives in pieces.

    >>> stream = SphinxCepstraStream(SphinxFeatureOptions())
    >>> len(stream.accept(np.ones(500, dtype=np.float32))), len(stream.accept(np.ones(500, dtype=np.float32)))
    (1, 3)
    >>> len(stream.finish())
    1
    """

    def __init__(self, options: SphinxFeatureOptions) -> None:
        """Begin a stream.

        Raises:
            WfstAsrError: options with dither.
        """
        if options.dither:
            raise WfstAsrError("streams take no dither; remove -dither from feat.params")
        self._options = options
        self._window = np.hamming(options.frame_length)
        self._filters = mel_filters(options)
        self._transform = cepstral_matrix(options)
        self._samples = np.zeros(1, np.float32)  # from the one before the next frame on
        self._noise: NDArray[np.float64] | None = None

    def accept(self, samples: NDArray[np.float32]) -> Frames:
        """Take samples (N,); return the cepstra (T, ncep) of the frames that are complete."""
        self._samples = np.concatenate([self._samples, np.asarray(samples, dtype=np.float32)])
        shift, length = self._options.frame_shift, self._options.frame_length
        frames = max((len(self._samples) - 1 - length) // shift + 1, 0)
        return self._cepstra(frames)

    def finish(self) -> Frames:
        """End the sound; return what is left over as one more frame, if anything is."""
        frames = int(len(self._samples) > 1)
        return self._cepstra(frames)

    def _cepstra(self, frames: int) -> Frames:
        if frames == 0:
            return np.empty((0, self._options.ncep), np.float32)
        energies = frame_energies(self._samples, frames, self._options, self._window, self._filters)
        self._samples = self._samples[frames * self._options.frame_shift :].copy()
        if self._options.remove_noise:
            from wfst_asr.features._kernels import remove_noise_kernel

            if self._noise is None:
                self._noise = noise_state(energies)
            energies = remove_noise_kernel(energies, self._noise)
        return product(np.log(energies + LOG_FLOOR), self._transform).astype(np.float32)


class SphinxFeatureStream:
    """What a Sphinx model scores, while the sound arrives.

    The differences are those of the cepstra, which a mean that changes does not touch.
    """

    def __init__(
        self, options: SphinxFeatureOptions, cmn: OnlineCmnOptions | None = None, *, prior: LiveMean | None = None
    ) -> None:
        """Begin a stream.

        Args:
            options: those of the model.
            cmn: the normalisation.
            prior: mean to begin with, such as `live_mean` of an earlier stream; None takes the model's (-cmninit).

        Raises:
            WfstAsrError: options that need the whole recording: variance normalisation, gain control; or dither.
        """
        if options.varnorm or options.agc != "none":
            raise WfstAsrError(
                "streams know neither variance normalisation nor gain control, which need the whole recording; "
                f"the model has -varnorm {'yes' if options.varnorm else 'no'} -agc {options.agc}"
            )
        self._options = options
        self._mean = OnlineMean(cmn or OnlineCmnOptions(), prior or LiveMean.from_options(options))
        self._cepstra = SphinxCepstraStream(options)
        self._context = ContextStream(
            lambda frames: sphinx_dynamic_features(frames, options, cmn="none"), left=_REACH, right=_REACH
        )
        self._raw = FrameQueue(options.ncep)
        self._queue: FrameQueue | None = None
        self._static = static_columns(options)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the sound."""
        return int(self._options.samprate)

    @property
    def ready(self) -> int:
        """Frames that can be taken."""
        return len(self._queue) if self._queue is not None else 0

    @property
    def live_mean(self) -> LiveMean:
        """The mean that another stream of the same microphone may begin with."""
        return self._mean.live

    def accept(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples (N,) in 16-bit scale."""
        self._put(self._cepstra.accept(samples))

    def finish(self) -> None:
        """End the sound."""
        self._put(self._cepstra.finish())
        rest = self._context.finish()
        if self._queue is not None and len(rest):
            self._queue.put(rest)

    def take(self, frames: int) -> Frames:
        """Return the next frames (T, D), at most `frames`."""
        if self._queue is None:
            return np.empty((0, len(self._static)), np.float32)
        features = self._queue.take(frames).copy()
        raw = self._raw.take(len(features))
        features[:, self._static] = raw - self._mean.next(raw)
        return features

    def end_utterance(self) -> None:
        """Update a live mean with the frames taken so far."""
        self._mean.end_utterance()

    def _put(self, cepstra: Frames) -> None:
        if len(cepstra) == 0:
            return
        self._raw.put(cepstra)
        features = self._context.accept(cepstra)
        if self._queue is None:
            self._queue = FrameQueue(features.shape[1])
        self._queue.put(features)


class OnlineMean:
    """The mean that is taken off each cepstrum of a stream."""

    def __init__(self, options: OnlineCmnOptions, prior: LiveMean) -> None:
        """Begin a stream with a mean known before."""
        self.live = prior
        self._options = options
        self._held = prior.mean
        self._prior = prior.mean
        self._sums = np.zeros((1, len(prior.total)))

    def next(self, cepstra: Frames) -> NDArray[np.float64]:
        """Return the mean of each of the next frames, (T, D) for cepstra (T, D)."""
        if self._options.kind == "none":
            return np.zeros(cepstra.shape)
        if self._options.kind == "following":
            return self._following(cepstra)
        means = np.empty(cepstra.shape)
        begin = 0
        while begin < len(cepstra):  # up to the frame that is one too many for a mean
            loud = np.cumsum(cepstra[begin:, 0] >= 0)
            over = np.flatnonzero(self.live.num_frames + loud > LIVE_LIMIT)
            end = begin + int(over[0]) + 1 if len(over) else len(cepstra)
            means[begin:end] = self._held
            if len(over):
                total = self.live.total + _loud_sum(cepstra[begin:end])
                self._held = total / (self.live.num_frames + loud[over[0]])
            self.live = self.live.updated(cepstra[begin:end])
            begin = end
        return means

    def end_utterance(self) -> None:
        """Hold from now on the mean of what has been seen."""
        self._held = self.live.mean

    def _following(self, cepstra: Frames) -> NDArray[np.float64]:
        window, weight = self._options.window, self._options.prior_frames
        wide = np.concatenate([self._sums[-1:], cepstra.astype(np.float64)])
        sums = np.concatenate([self._sums, np.cumsum(wide, axis=0)[1:]])
        here = len(self._sums) - 1 + np.arange(len(cepstra))
        first = np.maximum(here + 1 - window, 0)
        count = (here + 1 - first)[:, None]
        self._sums = sums[-window - 1 :].copy()
        self.live = self.live.updated(cepstra)
        means: NDArray[np.float64] = (sums[here + 1] - sums[first] + weight * self._prior) / (count + weight)
        return means


def _loud_sum(cepstra: Frames) -> NDArray[np.float64]:
    total: NDArray[np.float64] = cepstra[cepstra[:, 0] >= 0].sum(axis=0, dtype=np.float64)
    return total


def static_columns(options: SphinxFeatureOptions) -> NDArray[np.intp]:
    """Return which features are the cepstra themselves, in the order of the cepstra.

    >>> static_columns(SphinxFeatureOptions(ncep=2)), static_columns(SphinxFeatureOptions(feat="s3_1x39"))[:3]
    (array([0, 1]), array([24,  0,  1]))
    """
    if options.feat == "s3_1x39":
        return np.array([2 * (options.ncep - 1), *range(options.ncep - 1)], dtype=np.intp)
    return np.arange(options.ncep, dtype=np.intp)


def online_sphinx_features(
    cepstra: Frames,
    options: SphinxFeatureOptions,
    cmn: OnlineCmnOptions | None = None,
    *,
    prior: LiveMean | None = None,
    utterance_ends: tuple[int, ...] = (),
) -> Frames:
    """Return for a whole recording what `SphinxFeatureStream` gives for its pieces: (T, D).

    Args:
        cepstra: (T, ncep), of `sphinx_mfcc`.
        options: those of the model.
        cmn: as SphinxFeatureStream.
        prior: as SphinxFeatureStream.
        utterance_ends: frames after which `end_utterance` was called.
    """
    features = sphinx_dynamic_features(cepstra, options, cmn="none")
    mean = OnlineMean(cmn or OnlineCmnOptions(), prior or LiveMean.from_options(options))
    parts = []
    for begin, end in zip((0, *utterance_ends), (*utterance_ends, len(cepstra)), strict=True):
        parts.append(mean.next(cepstra[begin:end]))
        mean.end_utterance()
    features[:, static_columns(options)] = cepstra - np.concatenate(parts)
    return features
