"""Where `wfst-asr decode` takes scores from: archives of them, or recordings and a model of PocketSphinx."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.decoder.search_graph import SearchGraph


@dataclass(frozen=True)
class ScoreSource:
    """Utterances, each with what makes its scores."""

    utterances: Iterator[tuple[str, Callable[[], Any]]]
    count: int | None = None
    places: dict[str, tuple[str, float]] = field(default_factory=dict)


def of_scores(path: Path, change: Callable[[Any], Any] | None = None) -> ScoreSource:
    """Return the score matrices of a file or folder (.npy, .npz, ark, scp), each changed by `change` if given.

    Raises:
        WfstAsrError: no such file; while it is read, an utterance that comes twice, or none.
    """
    from wfst_asr.io.score_files import read_score_matrices

    if not path.exists():
        raise WfstAsrError(f"{path}: no such file; expected score matrices: .npy, .npz, a folder of .npy, ark or scp")
    taken = change or _itself
    return ScoreSource((name, partial(taken, matrix)) for name, matrix in read_score_matrices(path))


def _itself(matrix: Any) -> Any:
    return matrix


def change_of_scores(
    graph: "SearchGraph", *, logits: bool, priors: Path | None, prior_scale: float
) -> Callable[[Any], Any] | None:
    """Return what is done to score matrices first: log-softmax, division by priors; None for nothing.

    Raises:
        WfstAsrError: priors that are in no order, or are not as many as the graph has columns.
    """
    if priors is None:
        return partial(_changed, log_prior=None, prior_scale=0.0) if logits else None
    from wfst_asr.decoder.posteriors import log_priors
    from wfst_asr.io.score_files import read_prior_vector

    try:
        log_prior = log_priors(read_prior_vector(priors))
    except WfstAsrError as error:
        raise error if str(error).startswith(str(priors)) else WfstAsrError(f"{priors}: {error}") from error
    if len(log_prior) != graph.num_columns:
        raise WfstAsrError(
            f"{priors}: holds {len(log_prior)} priors, but the graph expects {graph.num_columns} columns; give the "
            "priors of the network's own outputs"
        )
    return partial(_changed, log_prior=log_prior, prior_scale=prior_scale, logits=logits)


def _changed(matrix: Any, *, log_prior: Any, prior_scale: float, logits: bool = True) -> Any:
    from wfst_asr.decoder.posteriors import divide_by_priors, log_softmax

    rows = log_softmax(matrix) if logits else matrix
    return rows if log_prior is None else divide_by_priors(rows, log_prior, prior_scale=prior_scale)


def of_data(data_dir: Path, model: Path | None, graph: "SearchGraph") -> ScoreSource:
    """Return the recordings of a data directory, scored by a model of PocketSphinx or a network.

    Raises:
        WfstAsrError: the directory or the model is bad, or the model is not the graph's.
    """
    from wfst_asr.io.data_dir import read_data_dir
    from wfst_asr.recipe.scorers import check_graph_of_scorer, model_of_graph, scorer_for

    data = read_data_dir(data_dir)
    scorer = scorer_for(model_of_graph(graph.manifest, model))
    check_graph_of_scorer(graph, scorer)
    sounds = data.audio(sample_rate_hz=scorer.sample_rate_hz)
    scored = ((name, partial(scorer.scores, sound.samples)) for name, sound in sounds)
    return ScoreSource(scored, len(data.utterances), places_of(data))


def places_of(data: Any) -> dict[str, tuple[str, float]]:
    """Return recording and start in seconds of the utterances that are part of one."""
    return {name: (part.recording, part.start_s) for name, part in (data.segments or {}).items()}
