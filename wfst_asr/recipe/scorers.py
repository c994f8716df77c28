"""From a folder with an acoustic model to something that scores recordings, and whether a graph is of that model."""

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.manifest import Manifest
from wfst_asr.fst.symbols import read_symbols
from wfst_asr.recipe.model_dir import MODEL_NAME
from wfst_asr.recipe.neural_model import MODEL_NAME as NEURAL_NAME
from wfst_asr.recipe.neural_model import TOKENS_NAME, is_neural_model, read_neural_model

SPHINX_NAME = "mdef"


@dataclass(frozen=True)
class Scorer:
    """An acoustic model as the decoder needs it.

    Attributes:
        sample_rate_hz: sample rate that recordings must have.
        num_columns: columns of its scores.
        scores: from (N,) samples in 16-bit scale to (T, P) natural-log likelihoods.
        tokens: names of the columns, of networks of letters; else empty.
        frame_shift_s: seconds from row to row of its scores; None where the graph tells.
    """

    sample_rate_hz: int
    num_columns: int
    scores: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    tokens: tuple[str, ...] = ()
    frame_shift_s: float | None = None


def is_trained_model(model_dir: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds a model of Gaussian mixtures (True), or one of PocketSphinx or a network (False).

    Raises:
        WfstAsrError: no such folder, or no kind of them.
    """
    folder = Path(model_dir)
    if not folder.is_dir():
        raise WfstAsrError(f"{folder}: no such folder; give the folder of an acoustic model")
    if (folder / MODEL_NAME).is_file():
        return True
    if (folder / SPHINX_NAME).is_file() or is_neural_model(folder):
        return False
    raise WfstAsrError(
        f"{folder}: has neither '{MODEL_NAME}' nor '{SPHINX_NAME}' nor '{NEURAL_NAME}'; expected the folder of a model "
        "of wfst-asr train, of Kaldi or of PocketSphinx"
    )


def scorer_for(model_dir: str | os.PathLike[str]) -> Scorer:
    """Read a model that scores a recording on its own: PocketSphinx's, a network, or Gaussians that know no speakers.

    A trained model normalises by the recording, not by the speaker, and uses no speaker's transform; whole data
    directories are decoded by `wfst_asr.recipe.decode_data`.

    Raises:
        WfstAsrError: no such folder, or not a model of a known kind.
    """
    folder = Path(model_dir)
    if is_trained_model(folder):
        from wfst_asr.recipe.model_dir import read_trained_model

        trained = read_trained_model(folder)
        first, pipeline = trained.first_scorer, trained.pipeline
        return Scorer(
            pipeline.sample_rate_hz,
            first.num_pdfs,
            lambda samples: first.log_likelihoods(pipeline.apply(pipeline.raw(samples))),
        )
    if is_neural_model(folder):
        network = read_neural_model(folder)
        rate = network.features.sample_rate_hz
        return Scorer(rate, len(network.tokens), network.scores, network.tokens, network.frame_shift_s)
    from wfst_asr.recipe.sphinx_recogniser import sphinx_scores
    from wfst_asr.sphinx.acoustic_model import read_model

    model = read_model(folder)
    return Scorer(int(model.feature_options.samprate), model.num_senones, lambda samples: sphinx_scores(model, samples))


def model_of_graph(manifest: Manifest | None, model_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the acoustic model that a graph was compiled from.

    Args:
        manifest: of the graph; where it tells the hash of the model's `mdef` or `final.mdl`, the model must have it.
        model_dir: the model; None takes the English model of the pip package pocketsphinx if the graph is of that one.

    Raises:
        WfstAsrError: the model is not the graph's, or the graph does not tell which it is.
    """
    wanted = manifest.inputs.get(SPHINX_NAME) if manifest else None
    if model_dir is None:
        from wfst_asr.recipe.english_graph import english_files

        installed = english_files().model_dir if wanted else None
        if installed is None or _sha256(installed / SPHINX_NAME) != wanted:
            raise WfstAsrError("the graph does not tell which acoustic model it is for; give its folder with --model")
        return installed
    folder = Path(model_dir)
    if wanted and (folder / SPHINX_NAME).is_file() and _sha256(folder / SPHINX_NAME) != wanted:
        raise WfstAsrError(
            f"{folder / SPHINX_NAME}: is not the one that the graph was compiled from; give that model, or compile the "
            "graph again"
        )
    if (folder / MODEL_NAME).is_file():
        check_graph_of_model(manifest, folder)
    return folder


def check_graph_of_scorer(graph: SearchGraph, scorer: Scorer) -> None:
    """Refuse a graph whose labels are not the scorer's columns; a frame shift that differs is a warning.

    Raises:
        WfstAsrError: other numbers of columns, or other tokens.
    """
    if scorer.num_columns != graph.num_columns:
        raise WfstAsrError(
            f"{graph.name}: expects scores of {graph.num_columns} columns, but the model gives {scorer.num_columns}; "
            "give the model that the graph was compiled for with --model"
        )
    path = Path(graph.name) / TOKENS_NAME
    manifest = graph.manifest
    if not scorer.tokens:
        return
    if manifest is not None and manifest.label_kind != "token+1":
        raise WfstAsrError(
            f"{graph.name}: its labels are of kind '{manifest.label_kind}', but the model gives scores of "
            f"{scorer.num_columns} tokens; compile a graph of tokens: wfst-asr graph compile-ctc"
        )
    if path.is_file():
        columns = read_symbols(path)
        for column, token in enumerate(scorer.tokens):
            if columns.names.get(column) != token:
                raise WfstAsrError(
                    f"{path}: column {column} is '{columns.names.get(column, '')}', but the model's is '{token}'; "
                    "compile the graph with the model's tokens.txt: wfst-asr graph compile-ctc"
                )
    shift = scorer.frame_shift_s
    if shift is not None and manifest is not None and abs(manifest.frame_shift_s - shift) > 1e-6:
        warnings.warn(
            f"{graph.name}: was compiled for a frame every {1000 * manifest.frame_shift_s:g} ms, but the model gives "
            f"one every {1000 * shift:g} ms; times of words are wrong by that factor",
            WfstAsrWarning,
            stacklevel=2,
        )


def check_graph_of_model(manifest: Manifest | None, model_dir: str | os.PathLike[str], *, graph: str = "") -> None:
    """Refuse a graph whose manifest tells that it was compiled with another trained model.

    Args:
        manifest: of the graph; a graph without one, such as Kaldi's, is not refused.
        model_dir: folder of the model, with final.mdl.
        graph: name of the graph, for the message.

    Raises:
        WfstAsrError: another model's.
    """
    inputs = manifest.inputs if manifest else {}
    path = Path(model_dir) / MODEL_NAME
    told = "the graph" if not graph else f"{graph}: the graph"
    if "model" not in inputs:
        if SPHINX_NAME in inputs:
            raise WfstAsrError(f"{told} was compiled for a PocketSphinx model, not for {path}; give that model")
        return
    if inputs["model"] == _sha256(path):
        return
    from wfst_asr.kaldi.transition_model import read_transition_model
    from wfst_asr.recipe.trained_graph import transitions_hash

    if inputs["model"] != transitions_hash(read_transition_model(path)):  # compiled from a model in memory
        raise WfstAsrError(
            f"{told} was compiled with another model than {path}; give the model that it was compiled with, or compile "
            "the graph again: wfst-asr graph compile"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
