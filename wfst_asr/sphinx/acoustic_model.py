"""A PocketSphinx acoustic model: the folder with mdef, means, variances, sendump, transition_matrices, feat.params."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.sphinx_options import SphinxFeatureOptions, read_feat_params
from wfst_asr.sphinx.context import SphinxContext
from wfst_asr.sphinx.dictionary import read_fillers
from wfst_asr.sphinx.gaussians import read_codebooks
from wfst_asr.sphinx.mdef import ModelDefinition, read_mdef
from wfst_asr.sphinx.scorer import MixtureScorer
from wfst_asr.sphinx.sendump import read_mixture_weights, read_sendump
from wfst_asr.sphinx.transitions import read_transitions


@dataclass(frozen=True)
class SphinxModel:
    """An acoustic model in memory.

    Attributes:
        path: its folder.
        mdef: base phones, triphones and senones.
        transitions: (matrices, states, states + 1) transition probabilities; the last column leaves the HMM.
        scorer: Gaussians and mixture weights.
        columns: (dim,) feature dimensions in the order of the streams, from `-svspec`; None where that is the identity.
        feature_options: what feat.params says.
        fillers: (filler word, phone) of the noisedict; empty without one.
    """

    path: Path
    mdef: ModelDefinition
    transitions: NDArray[np.float64]
    scorer: MixtureScorer
    columns: NDArray[np.intp] | None
    feature_options: SphinxFeatureOptions
    fillers: tuple[tuple[str, str], ...]

    @property
    def num_senones(self) -> int:
        """Number of senones (pdf-ids), the columns of `log_likelihoods`."""
        return self.mdef.num_senones

    @cached_property
    def context(self) -> SphinxContext:
        """The triphones as a ContextDependency over phones with word positions."""
        return SphinxContext(self.mdef)

    def log_likelihoods(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return (T, num_senones) float32 natural log-likelihoods, with all Gaussians; finite.

        Args:
            features: (T, dim) dynamic features, as feat.params describes them.

        Raises:
            WfstAsrError: the features have another dimension or are not finite.
        """
        if self.columns is not None and features.ndim == 2 and features.shape[1] > self.columns.max():
            features = features[:, self.columns]
        return self.scorer.log_likelihoods(features)

    @cached_property
    def transition_costs(self) -> NDArray[np.float32]:
        """(matrices, states, states + 1) float32, -log of `transitions`; infinite where there is no arc."""
        with np.errstate(divide="ignore"):
            return (-np.log(self.transitions)).astype(np.float32)

    def hmm(self, tmat: int) -> NDArray[np.float32]:
        """Return the (states, states + 1) transition costs of one matrix; the last column leaves the HMM."""
        return np.asarray(self.transition_costs[tmat])


def read_model(path: str | os.PathLike[str]) -> SphinxModel:
    """Read the acoustic model in a folder.

    The mixtures may be phonetically tied (a codebook a base phone), semi-continuous (one codebook) or continuous (a
    codebook a senone).  Weights come from `sendump`, else from `mixture_weights`.

    Raises:
        WfstAsrError: a file is missing or bad, or the files do not fit each other.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise WfstAsrError(f"{folder}: no such folder; expected a PocketSphinx acoustic model")
    options = read_feat_params(folder / "feat.params")
    mdef = read_mdef(folder / "mdef")
    codebooks = read_codebooks(folder / "means", folder / "variances")
    if (folder / "sendump").exists() or not (folder / "mixture_weights").exists():
        log_weights = read_sendump(folder / "sendump")[:, :, : mdef.num_senones]
    else:
        log_weights = read_mixture_weights(folder / "mixture_weights")
    transitions = read_transitions(folder / "transition_matrices")
    if transitions.shape[:2] != (mdef.num_tmats, mdef.num_states):
        raise WfstAsrError(
            f"{folder / 'transition_matrices'}: {transitions.shape[0]} matrices of {transitions.shape[1]} states; "
            f"the mdef has {mdef.num_tmats} of {mdef.num_states}"
        )
    scorer = MixtureScorer(codebooks, log_weights, _senone_codebook(folder, mdef, codebooks.num_codebooks))
    noisedict = folder / "noisedict"
    fillers = read_fillers(noisedict, phones=mdef.ci_phones) if noisedict.exists() else []
    columns = _stream_columns(folder, options.svspec, codebooks.stream_dims)
    return SphinxModel(folder, mdef, transitions, scorer, columns, options, tuple(fillers))


def _senone_codebook(folder: Path, mdef: ModelDefinition, num_codebooks: int) -> NDArray[np.int32]:
    if num_codebooks == len(mdef.ci_phones):
        return np.maximum(mdef.senone_base, 0)
    if num_codebooks == 1:
        return np.zeros(mdef.num_senones, dtype=np.int32)
    if num_codebooks == mdef.num_senones:
        return np.arange(mdef.num_senones, dtype=np.int32)
    raise WfstAsrError(
        f"{folder / 'means'}: {num_codebooks} codebooks; expected 1, one a base phone ({len(mdef.ci_phones)}) "
        f"or one a senone ({mdef.num_senones})"
    )


def _stream_columns(folder: Path, svspec: str, stream_dims: tuple[int, ...]) -> NDArray[np.intp] | None:
    """Return the order of the feature dimensions that `-svspec` ("0-12/13-25/26-38") asks for."""
    if not svspec:
        return None
    try:
        streams = [
            [dim for part in stream.split(",") for dim in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)]
            for stream in svspec.split("/")
        ]
    except ValueError as error:
        raise WfstAsrError(
            f"{folder / 'feat.params'}: -svspec is '{svspec}'; expected ranges such as 0-12/13-25"
        ) from error
    if tuple(len(stream) for stream in streams) != stream_dims:
        raise WfstAsrError(
            f"{folder / 'feat.params'}: -svspec '{svspec}' has streams of {[len(stream) for stream in streams]} "
            f"dimensions; the means have {list(stream_dims)}"
        )
    columns = np.array([dim for stream in streams for dim in stream], dtype=np.intp)
    return None if (columns == np.arange(len(columns))).all() else columns
