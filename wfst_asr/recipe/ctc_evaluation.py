"""Error rates of a network of letters: read off frame by frame, and decoded with a graph T o L o G."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import check_writable_folder, written_aside
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.io.data_dir import DataDir, read_data_dir
from wfst_asr.recipe.decoding import SetOptions, decode_set, hypotheses_of
from wfst_asr.recipe.neural_model import NeuralModel, read_neural_model
from wfst_asr.recipe.scorers import check_graph_of_scorer, scorer_for
from wfst_asr.score.sweep import Sweep, score_sweep
from wfst_asr.score.wer import characters, score_texts

Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class GraphDecoding:
    """How `evaluate_with_graph` decodes.

    Attributes:
        beam: of the search, in scaled cost.
        lm_weights: inverse acoustic scales that the validation data choose among.
        insertion_penalties: costs a word that they choose among; less than 0 is a bonus.
    """

    beam: float = 16.0
    lm_weights: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
    insertion_penalties: tuple[float, ...] = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0)

    def options(self, acoustic_scale: float) -> SetOptions:
        """Return the options of the search."""
        search = DecodeOptions(beam=self.beam, acoustic_scale=acoustic_scale)
        return SetOptions(search, self.lm_weights, self.insertion_penalties)


@dataclass(frozen=True)
class _Heard:
    """A data directory and the scores of its utterances, as they are asked for."""

    data: DataDir
    scores: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    rate: int
    references: dict[str, list[str]] = field(default_factory=dict)

    def utterances(self) -> Iterator[tuple[str, Callable[[], NDArray[np.float32]]]]:
        for name in self.references:
            yield name, partial(self._of, name)

    def _of(self, name: str) -> NDArray[np.float32]:
        return self.scores(self.data.read_audio(name, sample_rate_hz=self.rate, warn=False).samples)


def evaluate_greedy(
    out_dir: Path, *, model_dir: Path, data_dir: Path, recordings: Path | None = None, step: Step | None = None
) -> dict[str, Any]:
    """Read letters off the best token of each frame, cut them into words at the boundary, and score both.

    No lexicon and no language model: a word is right if it is spelled right.  Writes text into `out_dir`.

    Args:
        out_dir: where to write.
        model_dir: the network.
        data_dir: data directory with transcripts.
        recordings: the folder that they are in: an input of a stage, not read here.
        step: told how far it is.

    Returns:
        "wer" of words and "ler" of letters (the space between words is one), in percent, and the numbers of both.
    """
    del recordings
    check_writable_folder(out_dir)
    model = read_neural_model(model_dir)
    heard = _heard(data_dir, model)
    found: dict[str, list[str]] = {}
    for number, (name, scores) in enumerate(heard.utterances(), start=1):
        found[name] = model.greedy_words(scores())
        if step:
            step("letters", number, len(heard.references))
    _write_text(out_dir, found)
    words = score_texts(heard.references, found).total
    letters = score_texts(
        {name: _letters(one) for name, one in heard.references.items()},
        {name: _letters(one) for name, one in found.items()},
    ).total
    return {
        "wer": round(100 * words.error_rate, 3),
        "ler": round(100 * letters.error_rate, 3),
        "words": words.reference_length,
        "letters": letters.reference_length,
    }


def evaluate_with_graph(
    out_dir: Path,
    *,
    model_dir: Path,
    graph_dir: Path,
    data_dir: Path,
    valid_dir: Path | None = None,
    recordings: Path | None = None,
    fixed: tuple[float, float] = (1.0, 0.0),
    decoding: GraphDecoding | None = None,
    num_jobs: int = 1,
    step: Step | None = None,
) -> dict[str, Any]:
    """Decode with a graph at the language-model weight and insertion penalty that validation data choose; score.

    Writes text (the words there) and scoring.txt (the error rates at all weights and penalties) into `out_dir`.

    Args:
        out_dir: where to write.
        model_dir: the network.
        graph_dir: of its tokens.
        data_dir: data directory with transcripts.
        valid_dir: the same, to choose with, of texts that the language model has not seen; None: take `fixed`.
        recordings: the folder that they are in: an input of a stage, not read here.
        fixed: language-model weight and insertion penalty, of those that `decoding` has.
        decoding: the search and the choice.
        num_jobs: threads.
        step: told how far it is.

    Returns:
        "wer" at the chosen "lm_weight" and "insertion_penalty", "wer_default" at 1 and 0, and, to compare, "wer_best"
        of all pairs, which the scored data chose themselves; in percent.

    Raises:
        WfstAsrError: a folder is missing or bad, or the graph is not of the network's tokens.
    """
    del recordings
    check_writable_folder(out_dir)
    chosen = decoding or GraphDecoding()
    graph = load_graph(graph_dir)
    check_graph_of_scorer(graph, scorer_for(model_dir))
    model = read_neural_model(model_dir)
    pair = fixed
    figures: dict[str, Any] = {}
    if valid_dir is not None:
        sweep, _ = _sweep(graph, _heard(valid_dir, model), chosen, num_jobs, step)
        pair = (sweep.best.lm_weight, sweep.best.insertion_penalty)
        figures["wer_valid"] = round(100 * sweep.best.counts.error_rate, 3)
    sweep, texts = _sweep(graph, _heard(data_dir, model), chosen, num_jobs, step)
    _write_text(out_dir, texts[pair])
    with written_aside(out_dir / "scoring.txt") as aside:
        aside.write_text(sweep.table() + "\n", encoding="utf-8")
    return {
        "wer": round(100 * sweep.at(*pair).counts.error_rate, 3),
        "lm_weight": pair[0],
        "insertion_penalty": pair[1],
        "wer_default": round(100 * sweep.at_default.counts.error_rate, 3),
        "wer_best": round(100 * sweep.best.counts.error_rate, 3),
        **figures,
        "words": sweep.best.counts.reference_length,
    }


def _sweep(
    graph: SearchGraph, heard: _Heard, decoding: GraphDecoding, num_jobs: int, step: Step | None
) -> tuple[Sweep, dict[tuple[float, float], dict[str, list[str]]]]:
    options = decoding.options(graph.acoustic_scale)
    if (1.0, 0.0) not in options.pairs:
        options = replace(
            options,
            lm_weights=tuple(sorted({1.0, *options.lm_weights})),
            insertion_penalties=tuple(sorted({0.0, *options.insertion_penalties})),
        )
    decoded = []
    for one in decode_set(graph, heard.utterances(), options, num_jobs=num_jobs):
        decoded.append(one)
        if step:
            step("decoding", len(decoded), len(heard.references))
    if not any(one.words for one in decoded):
        raise WfstAsrError(f"not one utterance could be decoded: {decoded[0].reason}")
    hypotheses = hypotheses_of(decoded, options)
    texts = {at: {name: list(words) for name, words in one.items()} for at, one in hypotheses.items()}
    return score_sweep(heard.references, hypotheses, default=(1.0, 0.0)), texts


def _heard(data_dir: Path, model: NeuralModel) -> _Heard:
    data = read_data_dir(data_dir)
    if not data.text:
        raise WfstAsrError(f"{data_dir}: has no transcripts to score with; add its file 'text'")
    references = {name: data.text[name].split() for name in data.utterances if name in data.text}
    return _Heard(data, model.scores, model.features.sample_rate_hz, references)


def _letters(words: list[str]) -> tuple[str, ...]:
    """Return letters with a space between words."""
    return characters([" ".join(words)]) if words else ()


def _write_text(folder: Path, texts: dict[str, list[str]]) -> None:
    with written_aside(folder / "text") as aside:
        lines = (" ".join([name, *words]) + "\n" for name, words in texts.items())
        aside.write_text("".join(lines), encoding="utf-8")
