"""StreamingRecogniser: sound in, words out, while somebody is talking.

The sound is worked on in blocks of a tenth of a second, whatever pieces it comes in, so that the same sound gives the
same words every time.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.endpoint import EndpointOptions
from wfst_asr.decoder.online import CHECK_FRAMES, OnlineDecoder, PartialResult, Utterance
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.online_cmvn import OnlineCmvnOptions
from wfst_asr.features.sphinx_stream import OnlineCmnOptions
from wfst_asr.features.streams import FeatureStream
from wfst_asr.lattice.confidence import Calibration

Event = PartialResult | Utterance


@dataclass(frozen=True)
class StreamOptions:
    """How a stream is recognised.

    Attributes:
        search: dials of the search.
        endpoint: rules that end utterances; None for one utterance to the end of the stream.
        cmn: normalisation for PocketSphinx's models.
        cmvn: normalisation for trained models.
        partials: give the words so far after each block in which they changed.
        confidence: give confidences of words, which needs the lattice of the utterance under way.
        calibration: of the confidences, see `lattice.confidence.word_confidences`.
        lattices: give the lattice of each utterance.
    """

    search: DecodeOptions = field(default_factory=DecodeOptions)
    endpoint: EndpointOptions | None = field(default_factory=EndpointOptions)
    cmn: OnlineCmnOptions = field(default_factory=OnlineCmnOptions)
    cmvn: OnlineCmvnOptions = field(default_factory=OnlineCmvnOptions)
    partials: bool = True
    confidence: bool = False
    calibration: Calibration | None = None
    lattices: bool = False


class StreamModel(Protocol):
    """An acoustic model that can score a stream."""

    @property
    def num_columns(self) -> int:
        """Columns of its scores."""
        ...

    def stream(self, options: StreamOptions, prior: Any) -> FeatureStream:
        """Begin the features of a stream."""
        ...

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (T, P) natural-log likelihoods of features (T, D)."""
        ...


class StreamingRecogniser:
    """A recogniser of one stream of sound; its parts may serve any number of streams, one after another or at once.

    `accept_samples` gives events: a PartialResult where the words so far have changed, an Utterance where one has
    ended.
    """

    def __init__(
        self, model: StreamModel, graph: SearchGraph, options: StreamOptions | None = None, *, prior: Any = None
    ) -> None:
        """Begin a stream.

        Args:
            model: of `stream_model`.
            graph: compiled with that model.
            options: see StreamOptions.
            prior: what is known of the speaker or the microphone before: for PocketSphinx's models a `LiveMean`, for
                trained ones the statistics (2, D + 1) of `cmvn_stats`.

        Raises:
            WfstAsrError: a graph of another model, or that does not tell which of its phones are silence; features that
                need the whole recording.
        """
        if graph.num_columns != model.num_columns:
            raise WfstAsrError(
                f"{graph.name}: the graph needs scores of {graph.num_columns} columns, but the model gives "
                f"{model.num_columns}; compile the graph with this model"
            )
        self._model = model
        self._options = options or StreamOptions()
        self._features = model.stream(self._options, prior)
        self._decoder = OnlineDecoder(
            graph,
            self._options.search,
            endpoint=self._options.endpoint,
            confidence=self._options.confidence,
            calibration=self._options.calibration,
            lattices=self._options.lattices,
        )
        self._block = round(self.sample_rate_hz * graph.frame_shift_s * CHECK_FRAMES)
        self._held = np.empty(0, np.float32)
        self._shown: tuple[tuple[str, ...], int] = ((), 0)
        self._over = False

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate that the sound must have."""
        return self._features.sample_rate_hz

    @property
    def features(self) -> FeatureStream:
        """The stream's features, for what they have learnt about the microphone."""
        return self._features

    def accept_samples(self, samples: Any) -> tuple[Event, ...]:
        """Take the next samples and return what has come of them.

        Args:
            samples: (N,) in 16-bit scale at `sample_rate_hz`, N any number.

        Raises:
            WfstAsrError: samples that are not one channel of numbers, or the stream has been finished.
        """
        if self._over:
            raise WfstAsrError("the stream has been finished; begin another StreamingRecogniser")
        given = np.asarray(samples)
        if given.ndim != 1 or given.dtype.kind not in "fiu":
            raise WfstAsrError(
                f"samples have shape {given.shape} and type {given.dtype}; expected one channel (N,) of numbers"
            )
        if given.dtype.kind == "f" and not np.isfinite(given).all():
            raise WfstAsrError("a sample is NaN or infinite; expected numbers in 16-bit scale")
        self._held = np.concatenate([self._held, given.astype(np.float32)])
        events: list[Event] = []
        at = 0
        while len(self._held) - at >= self._block:
            self._features.accept(self._held[at : at + self._block])
            at += self._block
            events.extend(self._decode(all_frames=False))
        self._held = self._held[at:].copy()
        return tuple(events)

    def finish(self) -> tuple[Event, ...]:
        """End the stream and return what was still to come.

        Raises:
            WfstAsrError: the stream has been finished before.
        """
        if self._over:
            raise WfstAsrError("the stream has been finished; begin another StreamingRecogniser")
        self._over = True
        if len(self._held):
            self._features.accept(self._held)
        self._features.finish()
        events = list(self._decode(all_frames=True))
        last = self._decoder.finish()
        if last is not None:
            events = [event for event in events if isinstance(event, Utterance)]
            self._features.end_utterance()
            events.append(last)
        return tuple(events)

    def _decode(self, *, all_frames: bool) -> Iterator[Event]:
        """Score and search what is ready, in blocks that begin and end at the same frames whatever the pieces."""
        ended = False
        while self._features.ready >= CHECK_FRAMES or (all_frames and self._features.ready):
            scores = self._model.scores(self._features.take(CHECK_FRAMES))
            for utterance in self._decoder.accept(scores):
                self._features.end_utterance()
                self._shown = ((), 0)
                ended = True
                yield utterance
        if self._options.partials and not all_frames:
            partial = self._decoder.partial(confidence=False)
            shown = (partial.words, partial.num_stable)
            if shown != self._shown and (partial.words or not ended):
                self._shown = shown
                yield self._decoder.partial() if self._options.confidence else partial


@dataclass(frozen=True)
class SphinxStreamModel:
    """A PocketSphinx model for streams."""

    model: Any

    @property
    def num_columns(self) -> int:
        """Columns of its scores."""
        return int(self.model.num_senones)

    def stream(self, options: StreamOptions, prior: Any) -> FeatureStream:
        """Begin the features of a stream."""
        from wfst_asr.features.sphinx_stream import SphinxFeatureStream

        return SphinxFeatureStream(self.model.feature_options, options.cmn, prior=prior)

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (T, P) natural-log likelihoods of features (T, D)."""
        found: NDArray[np.float32] = self.model.log_likelihoods(features)
        return found


@dataclass(frozen=True)
class TrainedStreamModel:
    """A model of `wfst-asr train` for streams; one trained on adapted features takes its model for unadapted ones."""

    model: Any

    @property
    def num_columns(self) -> int:
        """Columns of its scores."""
        return int(self._gmm.num_pdfs)

    @property
    def _gmm(self) -> Any:
        return self.model.si_gmm or self.model.gmm

    def stream(self, options: StreamOptions, prior: Any) -> FeatureStream:
        """Begin the features of a stream."""
        from wfst_asr.features.pipeline_stream import PipelineStream

        return PipelineStream(self.model.pipeline, options.cmvn, prior=prior)

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (T, P) natural-log likelihoods of features (T, D)."""
        found: NDArray[np.float32] = self._gmm.log_likelihoods(features)
        return found


def stream_model(model_dir: str | os.PathLike[str]) -> StreamModel:
    """Read a model for streams: PocketSphinx's, or a trained one.

    Raises:
        WfstAsrError: no such folder, or not a model of a known kind.
    """
    from wfst_asr.recipe.neural_model import is_neural_model
    from wfst_asr.recipe.scorers import is_trained_model

    folder = Path(model_dir)
    if is_trained_model(folder):
        from wfst_asr.recipe.model_dir import read_trained_model

        model = read_trained_model(folder)
        if model.network is not None:
            raise WfstAsrError(
                f"{folder}: a network of states sees frames to come, which a stream does not have; decode whole "
                "recordings (wfst-asr decode), or stream with the model of Gaussian mixtures that it was trained from"
            )
        return TrainedStreamModel(model)
    if is_neural_model(folder):
        raise WfstAsrError(
            f"{folder}: is a network that reads both ways, which needs the whole recording; use wfst-asr decode"
        )
    from wfst_asr.sphinx.acoustic_model import read_model

    return SphinxStreamModel(read_model(folder))


def load_stream(
    graph_dir: str | os.PathLike[str],
    model_dir: str | os.PathLike[str] | None = None,
    options: StreamOptions | None = None,
    *,
    prior: Any = None,
) -> StreamingRecogniser:
    """Load a graph and its model and begin a stream.

    Args:
        graph_dir: a graph folder.
        model_dir: the model that it was compiled with; None for the English model of the pip package pocketsphinx.
        options: see StreamOptions.
        prior: see StreamingRecogniser.

    Raises:
        WfstAsrError: one is missing or bad, or they do not belong together.
    """
    from wfst_asr.recipe.scorers import model_of_graph

    graph = load_graph(graph_dir)
    model = stream_model(model_of_graph(graph.manifest, model_dir))
    return StreamingRecogniser(model, graph, options, prior=prior)
