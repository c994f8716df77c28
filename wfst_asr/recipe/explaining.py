"""What an explanation needs from files: the graph, the scores of a recording, the language model."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.explain import LmCosts
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError
from wfst_asr.io.wav import read_audio
from wfst_asr.recipe.neural_model import is_neural_model
from wfst_asr.recipe.scorers import check_graph_of_scorer, is_trained_model, model_of_graph, scorer_for
from wfst_asr.recipe.sphinx_recogniser import CmnOptions, SphinxRecogniser, normalised_features
from wfst_asr.sphinx.adaptation import AdaptOptions

_TRIE = b"Trie Language Model"
Folder = str | os.PathLike[str]


def scores_of_recording(
    graph: SearchGraph,
    audio: Folder,
    options: DecodeOptions,
    *,
    model: Folder | None = None,
    adapt: bool = False,
    cmn: str = "smoothed",
) -> NDArray[np.float32]:
    """Score a recording as the last pass of its decoding does.

    A trained model normalises by the recording alone, without adaptation to its speaker.

    Args:
        graph: to decode with.
        audio: the recording.
        options: of the passes that adapt.
        model: folder of the model; None for that of the pip package pocketsphinx, if the graph is of it.
        adapt: adapt the features to the recording first, as `wfst-asr transcribe` does (models of PocketSphinx).
        cmn: normalisation of the cepstra of a model of PocketSphinx, see `CmnOptions`.

    Raises:
        WfstAsrError: a file is missing or bad, the model is not the graph's, or cannot be adapted.
    """
    folder = model_of_graph(graph.manifest, model)
    if is_trained_model(folder) or is_neural_model(folder):
        if adapt:
            raise WfstAsrError(f"{folder}: adaptation is of the models of PocketSphinx; leave --adapt out")
        scorer = scorer_for(folder)
        check_graph_of_scorer(graph, scorer)
        return scorer.scores(read_audio(Path(audio), sample_rate_hz=scorer.sample_rate_hz).samples)
    from wfst_asr.sphinx.acoustic_model import read_model

    recogniser = SphinxRecogniser(read_model(folder), graph)
    _check_columns(graph, recogniser.model.num_senones)
    heard = normalised_features(recogniser.model, recogniser.read(audio).samples, CmnOptions(cmn))
    features = heard
    if adapt:
        adaptation = AdaptOptions()
        first = replace(options, beam=min(options.beam, adaptation.first_beam))
        for _ in range(adaptation.rounds):
            result = decode(graph, recogniser.model.log_likelihoods(features), first)
            features = recogniser.adapted_features(heard, result, adaptation)
    return recogniser.model.log_likelihoods(features)


def _check_columns(graph: SearchGraph, columns: int) -> None:
    if columns != graph.num_columns:
        raise WfstAsrError(
            f"{graph.name}: expects scores of {graph.num_columns} columns, but the model gives {columns}; "
            "give the model that the graph was compiled for with --model"
        )


def lm_costs_of(path: Folder, words: Mapping[str, int]) -> LmCosts:
    """Read a language model for `explain`.

    Args:
        path: ARPA or any other form of `wfst-asr lm`, G.fst, or the trie of PocketSphinx.
        words: ids by word.

    Raises:
        WfstAsrError: the file is missing or bad, or shares no word with the graph.
    """
    from functools import partial

    from wfst_asr.lattice.sentence_costs import sentence_costs
    from wfst_asr.recipe.rescoring import language_model_fst

    try:
        with Path(path).open("rb") as file:
            is_trie = file.read(len(_TRIE)) == _TRIE
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); give the path of a language model") from error
    if is_trie:
        from wfst_asr.sphinx.lm import read_lm

        return partial(sentence_costs, language_model_fst(read_lm(path), words))
    return partial(sentence_costs, language_model_fst(path, words))
