"""The folder of a trained model: Kaldi's files, and a record of the features that the Gaussians are of."""

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import files_together, written_aside
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.features.pipeline import FeaturePipeline, pipeline_of_record
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.kaldi.acoustic_model import read_model, write_model
from wfst_asr.kaldi.matrix import read_matrix, write_matrix
from wfst_asr.kaldi.tree import read_tree, write_tree
from wfst_asr.recipe.hybrid_model import HybridNetwork, read_hybrid
from wfst_asr.recipe.kaldi_features import described, kaldi_pipeline
from wfst_asr.tree.decision_tree import DecisionTree

MODEL_NAME, SI_MODEL_NAME = "final.mdl", "final.alimdl"
TREE_NAME, MATRIX_NAME, FEATURES_NAME = "tree", "final.mat", "features.json"
_FORMAT = 1


@dataclass(frozen=True)
class TrainedModel:
    """An acoustic model with all that scoring a recording needs.

    Attributes:
        tree: tied states.
        transitions: transition model.
        gmm: Gaussians.
        pipeline: the features that they are of.
        si_gmm: Gaussians for features without the speaker's transform; None where the model has no such transforms.
        silence: names of the phones of silence and noise.
        info: what else is told of the model (stage, sizes).
        network: scores the frames in place of the Gaussians, which aligned its training data; None: they do.
    """

    tree: DecisionTree
    transitions: TransitionModel
    gmm: AcousticModel
    pipeline: FeaturePipeline
    si_gmm: AcousticModel | None = None
    silence: tuple[str, ...] = ()
    info: Mapping[str, Any] | None = None
    network: HybridNetwork | None = None

    @property
    def first_scorer(self) -> AcousticModel | HybridNetwork:
        """What scores features without a speaker's transform: `log_likelihoods`."""
        return self.network or self.si_gmm or self.gmm

    @property
    def adapted(self) -> bool:
        """Whether the model is of features with a transform for every speaker (fMLLR)."""
        return self.si_gmm is not None


def write_trained_model(model: TrainedModel, folder: str | os.PathLike[str]) -> None:
    """Write final.mdl, tree, features.json, and final.mat and final.alimdl where the model has them.

    A model that was there before is replaced when all is written, and stays as it was where writing fails.

    Raises:
        WfstAsrError: the folder cannot be written.
    """
    with files_together(folder, last=MODEL_NAME, others=(MATRIX_NAME, SI_MODEL_NAME)) as aside:
        write_model_files(model, aside)


def write_model_files(model: TrainedModel, folder: str | os.PathLike[str]) -> None:
    """Write the files of a model, one after the other, into a folder that has no other model."""
    root = Path(folder)
    write_tree(model.tree, root / TREE_NAME)
    if model.pipeline.matrix is not None:
        write_matrix(model.pipeline.matrix.astype(np.float32), root / MATRIX_NAME)
    if model.si_gmm is not None:
        write_model(model.transitions, model.si_gmm, root / SI_MODEL_NAME)
    record = {
        "format": _FORMAT,
        **model.pipeline.record(),
        "silence_phones": list(model.silence),
        "info": dict(model.info or {}),
    }
    with written_aside(root / FEATURES_NAME) as aside:
        aside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_model(model.transitions, model.gmm, root / MODEL_NAME)


def read_trained_model(
    folder: str | os.PathLike[str], *, sample_rate_hz: float | None = None, network: bool = True
) -> TrainedModel:
    """Read the folder of a trained model, of ours or Kaldi's.

    Kaldi's has no features.json; its features are worked out by `kaldi_pipeline` and told in a note.

    Args:
        folder: with final.mdl and tree.
        sample_rate_hz: of the recordings, for a folder of Kaldi's that does not tell it.
        network: with the network that scores in place of the Gaussians, where the folder has one, and its features.

    Raises:
        WfstAsrError: a file is missing or damaged, or files are of different models.
    """
    root = Path(folder)
    if not root.is_dir():
        raise WfstAsrError(f"{root}: no such folder; give the folder of a model made with: wfst-asr train")
    if not (root / MODEL_NAME).exists():
        raise WfstAsrError(f"{root}: has no {MODEL_NAME}; its training did not end, run it again")
    transitions, gmm = read_model(root / MODEL_NAME)
    tree = read_tree(root / TREE_NAME)
    matrix = read_matrix(root / MATRIX_NAME) if (root / MATRIX_NAME).exists() else None
    record: dict[str, Any] = {}
    if (root / FEATURES_NAME).exists():
        record = _read_record(root / FEATURES_NAME)
        try:
            pipeline = pipeline_of_record(record, matrix)
        except WfstAsrError as error:
            raise WfstAsrError(f"{root / FEATURES_NAME}: {error}") from error
    else:
        pipeline = kaldi_pipeline(root, gmm.dim, matrix, sample_rate_hz=sample_rate_hz)
        warnings.warn(
            f"{root}: has no {FEATURES_NAME}, so it is taken for a model of Kaldi's with these features: "
            f"{described(pipeline)}",
            WfstAsrWarning,
            stacklevel=2,
        )
    si_gmm = read_model(root / SI_MODEL_NAME)[1] if (root / SI_MODEL_NAME).exists() else None
    if pipeline.dim != gmm.dim or tree.num_pdfs != gmm.num_pdfs or transitions.num_pdfs > gmm.num_pdfs:
        raise WfstAsrError(
            f"{root}: its files are of different models ({gmm.dim} dimensions and {gmm.num_pdfs} pdfs in {MODEL_NAME}, "
            f"{pipeline.dim} dimensions of features, {tree.num_pdfs} pdfs in {TREE_NAME}); train it again"
        )
    silence = tuple(str(name) for name in record.get("silence_phones", ()))
    made = TrainedModel(tree, transitions, gmm, pipeline, si_gmm, silence, record.get("info"))
    hybrid = read_hybrid(root) if network else None
    if hybrid is None:
        return made
    if hybrid.num_pdfs != gmm.num_pdfs:
        raise WfstAsrError(
            f"{root}: its network tells {hybrid.num_pdfs} pdfs, but {MODEL_NAME} has {gmm.num_pdfs}; train it again"
        )
    return replace(made, pipeline=hybrid.pipeline, si_gmm=None, network=hybrid)


def read_transforms(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float64]]:
    """Read transforms by speaker (`fmllr.ark`); none where there is no such file."""
    from wfst_asr.io.archives import read_matrices

    if not Path(path).exists():
        return {}
    return {speaker: np.asarray(matrix, dtype=np.float64) for speaker, matrix in read_matrices(path)}


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WfstAsrError(
            f"{path}: cannot be read ({error.strerror}); it tells the features of the model: train the model again, or "
            "copy the file from a model of the same features"
        ) from error
    except ValueError as error:
        raise WfstAsrError(f"{path}: is not JSON ({error}); train the model again") from error
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise WfstAsrError(f"{path}: expected a record of format {_FORMAT}; train the model again")
    return record
