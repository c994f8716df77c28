"""Recordings to words with a PocketSphinx acoustic model and a graph of its senones."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.decode import DecodeResult, decode, decode_blocks
from wfst_asr.decoder.lattice_words import LatticeOptions, decode_words
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.sphinx_dynamic import sphinx_dynamic_features
from wfst_asr.features.sphinx_mfcc import sphinx_mfcc
from wfst_asr.io.wav import Audio, read_audio
from wfst_asr.sphinx.acoustic_model import SphinxModel, read_model
from wfst_asr.sphinx.adaptation import AdaptOptions, TransformEstimator

_WHOLE_FRAMES = 6000  # a minute: 120 MB of scores
_BLOCK_FRAMES = 1024
_CONFIDENCE_FRAMES = 60_000  # ten minutes: 1.2 GB of scores

CMN_KINDS = ("smoothed", "batch", "live", "none")


@dataclass(frozen=True)
class CmnOptions:
    """Cepstral mean normalisation of a recording.

    Attributes:
        kind: "smoothed" takes the recording's mean after `prior_frames` frames of zero cepstra, which keeps the mean
            of a short recording from following its words; "batch" takes the recording's mean as it is; "live" the mean
            that feat.params begins live decoding with; "none" takes nothing off.
        prior_frames: see "smoothed".
    """

    kind: str = "smoothed"
    prior_frames: float = 30.0

    def __post_init__(self) -> None:
        if self.kind not in CMN_KINDS:
            raise WfstAsrError(f"cmn is '{self.kind}'; expected one of: {', '.join(CMN_KINDS)}")
        if not self.prior_frames >= 0:
            raise WfstAsrError(f"prior_frames is {self.prior_frames}; expected 0 or more")


def smoothed_mean(cepstra: Iterable[NDArray[np.float32]], *, prior_frames: float) -> NDArray[np.float64]:
    """Mean of the frames of one or more recordings, each (T, D), and of `prior_frames` frames of zeros.

    >>> smoothed_mean([np.array([[4.0, 2.0], [2.0, 0.0]], dtype=np.float32)], prior_frames=2.0)
    array([1.5, 0.5])
    """
    parts = [part for part in cepstra if len(part)]
    total: NDArray[np.float64] = np.sum([part.sum(axis=0, dtype=np.float64) for part in parts], axis=0)
    return total / (sum(len(part) for part in parts) + prior_frames)


def normalised_features(
    model: SphinxModel, samples: NDArray[np.float32], cmn: CmnOptions | None = None
) -> NDArray[np.float32]:
    """Return the (T, D) features of a recording that the model scores.

    Args:
        model: the acoustic model.
        samples: (N,) sound in 16-bit scale at the model's sample rate.
        cmn: normalisation of the cepstra.

    Raises:
        WfstAsrError: the recording is too short for one frame.
    """
    cmn = cmn or CmnOptions()
    options = model.feature_options
    cepstra = sphinx_mfcc(samples, options)
    if len(cepstra) == 0:
        raise WfstAsrError(
            f"the recording has {len(samples)} samples, too few for one frame; leave it out or take a longer one"
        )
    mean: str | NDArray[np.float64] = cmn.kind
    if cmn.kind == "smoothed":
        mean = smoothed_mean([cepstra], prior_frames=cmn.prior_frames)
    return sphinx_dynamic_features(cepstra, options, cmn=mean)


def sphinx_scores(
    model: SphinxModel, samples: NDArray[np.float32], cmn: CmnOptions | None = None
) -> NDArray[np.float32]:
    """Return the acoustic scores of a recording, (T, senones) float32 natural log-likelihoods.

    The arguments and errors are those of `normalised_features`.
    """
    return model.log_likelihoods(normalised_features(model, samples, cmn))


@dataclass(frozen=True)
class SphinxRecogniser:
    """An acoustic model with the graph of its senones.

    Attributes:
        model: acoustic model.
        graph: HCLG with input labels senone + 1.
    """

    model: SphinxModel
    graph: SearchGraph

    @classmethod
    def load(cls, model_dir: str | os.PathLike[str], graph_dir: str | os.PathLike[str]) -> "SphinxRecogniser":
        """Load both.

        Raises:
            WfstAsrError: one is missing or bad, or the graph was compiled for another number of senones.
        """
        model, graph = read_model(model_dir), load_graph(graph_dir)
        if graph.num_columns != model.num_senones:
            raise WfstAsrError(
                f"{graph_dir}: the graph needs scores of {graph.num_columns} columns, but {model_dir} has "
                f"{model.num_senones} senones; compile the graph from this model"
            )
        return cls(model, graph)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate that recordings are converted to."""
        return int(self.model.feature_options.samprate)

    def read(self, path: str | os.PathLike[str], *, warn: bool = True) -> Audio:
        """Read a recording at the model's sample rate."""
        return read_audio(Path(path), sample_rate_hz=self.sample_rate_hz, warn=warn)

    def recognise(
        self,
        samples: NDArray[np.float32],
        options: DecodeOptions | None = None,
        *,
        cmn: CmnOptions | None = None,
        adapt: AdaptOptions | None = None,
        wanted: LatticeOptions | None = None,
    ) -> DecodeResult:
        """Return the words of a recording, with their times and costs.

        Args:
            samples: (N,) sound in 16-bit scale at the model's sample rate.
            options: dials of the search.
            cmn: normalisation of the cepstra.
            adapt: decode first to learn, then once more with features transformed towards the model, as
                `adapted_features` does from the first result.  None decodes once, as it is.
            wanted: give the words confidences, with its calibration; of recordings up to ten minutes, since their
                scores must be in memory.

        Raises:
            WfstAsrError: the recording is too short, or too long for confidences.
        """
        features = heard = normalised_features(self.model, samples, cmn)
        options = options or DecodeOptions()
        if adapt is not None:
            first = replace(options, beam=min(options.beam, adapt.first_beam))
            for _ in range(adapt.rounds):
                features = self.adapted_features(heard, self._decode(features, first), adapt)
        if wanted is None:
            return self._decode(features, options)
        if len(features) > _CONFIDENCE_FRAMES:
            raise WfstAsrError(
                f"a recording of {len(features)} frames, but confidences are of at most {_CONFIDENCE_FRAMES}; leave "
                "them out, or let wfst-asr stream cut the recording into utterances"
            )
        return decode_words(self.graph, self.model.log_likelihoods(features), options, wanted=wanted).best

    def _decode(self, features: NDArray[np.float32], options: DecodeOptions) -> DecodeResult:
        """Score and search; long recordings block by block, so that their scores need not fit into memory."""
        if len(features) <= _WHOLE_FRAMES:
            return decode(self.graph, self.model.log_likelihoods(features), options)
        blocks = (features[at : at + _BLOCK_FRAMES] for at in range(0, len(features), _BLOCK_FRAMES))
        return decode_blocks(self.graph, map(self.model.log_likelihoods, blocks), options)

    def adapted_features(
        self, features: NDArray[np.float32], result: DecodeResult, options: AdaptOptions | None = None
    ) -> NDArray[np.float32]:
        """Transform features by the constrained MLLR transform that fits them to the senones of a result.

        Frames of silence and noise are transformed too, but not learnt from.

        Args:
            features: (T, D), as `normalised_features` returns them.
            result: what was recognised in them.
            options: of the estimation.

        Raises:
            WfstAsrError: the model's features are not cepstra and their differences in time, a stream each or in one.
        """
        senones = result.alignment - 1
        mdef = self.model.mdef
        speech = ~mdef.is_filler[mdef.senone_base[senones]]
        return self._estimator.estimate(features[speech], senones[speech], options).transform.apply(features)

    @cached_property
    def _estimator(self) -> TransformEstimator:
        options = self.model.feature_options
        if not options.feat.startswith("1s_c") or self.model.columns is not None:
            raise WfstAsrError(
                f"{self.model.path}: features of -feat {options.feat} -svspec '{options.svspec}' cannot be "
                "adapted; expected cepstra and then their differences in time; switch adaptation off"
            )
        return TransformEstimator(self.model.scorer, cepstra=options.ncep)
