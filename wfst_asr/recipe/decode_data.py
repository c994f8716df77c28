"""Decode a data directory, with or without transcripts, with a trained model: a group of speakers after another."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.batch import Decoded
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.io.data_dir import DataDir, read_data_dir
from wfst_asr.recipe.corpus_features import load_corpus, sample_rate_of
from wfst_asr.recipe.decoding import DecodedUtterance
from wfst_asr.recipe.evaluation import EvaluationOptions, check_columns, decode_passes, with_silence_of
from wfst_asr.recipe.model_dir import TrainedModel, read_trained_model
from wfst_asr.recipe.scorers import check_graph_of_model
from wfst_asr.train.corpus import Corpus

_GROUP = 200  # utterances of a group: speakers are added until it has as many

Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DecodedGroup:
    """What was found for some speakers.

    Attributes:
        decoded: their utterances.
        transforms: by speaker, those of the last pass; none where the model is not adapted to speakers.
    """

    decoded: tuple[Decoded, ...]
    transforms: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class DataDecoder:
    """A graph, the trained model that it is of, and recordings.

    Attributes:
        graph: to search.
        model: with which it was compiled.
        data: the recordings.
        corpus: their cepstra; what nothing can be made of is not in it, but in its `left_out`.
    """

    graph: SearchGraph
    model: TrainedModel
    data: DataDir
    corpus: Corpus

    @classmethod
    def of_folders(
        cls,
        graph: SearchGraph,
        model_dir: str | os.PathLike[str],
        data_dir: str | os.PathLike[str],
        *,
        step: Step | None = None,
    ) -> "DataDecoder":
        """Read a model and a data directory for a graph.

        Raises:
            WfstAsrError: a folder is missing or bad, or the graph is of another model.
        """
        told = step or (lambda _what, _at, _of: None)
        data = read_data_dir(data_dir)
        check_graph_of_model(graph.manifest, model_dir, graph=graph.name)
        model = read_trained_model(model_dir, sample_rate_hz=sample_rate_of(data))
        check_columns(graph, model, Path(model_dir))
        model = with_silence_of(graph, model)
        corpus = load_corpus(data_dir, model.pipeline.mfcc, report=lambda at, of: told("cepstra", at, of))
        return cls(graph, model, data, corpus)

    def passes(self, options: EvaluationOptions) -> int:
        """Return how often an utterance is decoded."""
        return 1 + (options.adaptation.passes if self.model.adapted else 0)

    def decode(
        self,
        options: EvaluationOptions,
        *,
        num_jobs: int = 1,
        step: Step | None = None,
        take: Callable[[DecodedUtterance], None] | None = None,
    ) -> Iterator[DecodedGroup]:
        """Yield groups of whole speakers; what is found for a speaker does not depend on the group.

        Args:
            options: search and adaptation; `decoding.only_best` is taken as true.
            num_jobs: threads.
            step: called with ("decoding", decodings done, of all).
            take: called with each utterance of the last pass; only it sees the lattices that `decoding.wanted` asks to
                keep.
        """
        options = replace(options, decoding=replace(options.decoding, only_best=True))
        told, passes = step or (lambda _what, _at, _of: None), self.passes(options)
        done, of = 0, passes * len(self.corpus.utterances)

        def count(_what: str, _at: int, _of: int) -> None:
            nonlocal done
            done += 1
            told("decoding", done, of)

        for group in self._groups():
            found = decode_passes(
                self.corpus.subset(group), self.model, self.graph, options, num_jobs=num_jobs, step=count, take=take
            )
            decoded = tuple(Decoded(one.utterance, one.best, one.reason, one.from_lattice) for one in found.decoded[-1])
            yield DecodedGroup(decoded, found.transforms)

    def _groups(self) -> Iterator[list[int]]:
        members: dict[str, list[int]] = {}
        for index, speaker in enumerate(self.corpus.speakers):
            members.setdefault(speaker, []).append(index)
        group: list[int] = []
        for speaker in members:
            group += members[speaker]
            if len(group) >= _GROUP:
                yield group
                group = []
        if group:
            yield group
