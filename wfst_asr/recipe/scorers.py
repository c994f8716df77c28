"""From a folder with an acoustic model to something that scores recordings."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.manifest import Manifest


@dataclass(frozen=True)
class Scorer:
    """An acoustic model as the decoder needs it.

    Attributes:
        sample_rate_hz: sample rate that recordings must have.
        num_columns: columns of its scores.
        scores: from (N,) samples in 16-bit scale to (T, P) natural-log likelihoods.
    """

    sample_rate_hz: int
    num_columns: int
    scores: Callable[[NDArray[np.float32]], NDArray[np.float32]]


def scorer_for(model_dir: str | os.PathLike[str]) -> Scorer:
    """Read an acoustic model; understood are PocketSphinx model folders (with `mdef` and `feat.params`).

    Raises:
        WfstAsrError: no such folder, or not a model of a known kind.
    """
    folder = Path(model_dir)
    if not folder.is_dir():
        raise WfstAsrError(f"{folder}: no such folder; give the folder of an acoustic model")
    if not (folder / "mdef").is_file():
        raise WfstAsrError(f"{folder}: has no 'mdef'; expected the folder of a PocketSphinx acoustic model")
    from wfst_asr.recipe.sphinx_recogniser import sphinx_scores
    from wfst_asr.sphinx.acoustic_model import read_model

    model = read_model(folder)
    return Scorer(int(model.feature_options.samprate), model.num_senones, lambda samples: sphinx_scores(model, samples))


def model_of_graph(manifest: Manifest | None, model_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the acoustic model that a graph was compiled from.

    Args:
        manifest: of the graph; where it tells the hash of the model's `mdef`, the model must have it.
        model_dir: the model; None takes the English model of the pip package pocketsphinx if the graph is of that one.

    Raises:
        WfstAsrError: the model is not the graph's, or the graph does not tell which it is.
    """
    wanted = manifest.inputs.get("mdef") if manifest else None
    if model_dir is None:
        from wfst_asr.recipe.english_graph import english_files

        installed = english_files().model_dir if wanted else None
        if installed is None or _sha256(installed / "mdef") != wanted:
            raise WfstAsrError("the graph does not tell which acoustic model it is for; give its folder with --model")
        return installed
    folder = Path(model_dir)
    if wanted and (folder / "mdef").is_file() and _sha256(folder / "mdef") != wanted:
        raise WfstAsrError(
            f"{folder / 'mdef'}: is not the one that the graph was compiled from; give that model, or compile the "
            "graph again"
        )
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
