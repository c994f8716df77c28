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


def of_scores(path: Path) -> ScoreSource:
    """Return the score matrices of an ark or scp.

    Raises:
        WfstAsrError: no such file; while it is read, an utterance that comes twice, or none.
    """
    from wfst_asr.io.archives import read_matrices

    if not path.exists():
        raise WfstAsrError(f"{path}: no such file; expected score matrices in an ark or scp")
    return ScoreSource(_once_each(path, read_matrices(path)))


def _once_each(path: Path, matrices: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Callable[[], Any]]]:
    seen: set[str] = set()
    for name, matrix in matrices:
        if name in seen:
            raise WfstAsrError(f"{path}: utterance '{name}' comes twice; keep one of its score matrices")
        seen.add(name)
        yield name, partial(_itself, matrix)
    if not seen:
        raise WfstAsrError(f"{path}: holds no score matrix; expected one an utterance")


def _itself(matrix: Any) -> Any:
    return matrix


def of_data(data_dir: Path, model: Path | None, graph: "SearchGraph") -> ScoreSource:
    """Return the recordings of a data directory, scored by a model of PocketSphinx.

    Raises:
        WfstAsrError: the directory or the model is bad, or the model is not the graph's.
    """
    from wfst_asr.io.data_dir import read_data_dir
    from wfst_asr.recipe.scorers import model_of_graph, scorer_for

    data = read_data_dir(data_dir)
    scorer = scorer_for(model_of_graph(graph.manifest, model))
    if scorer.num_columns != graph.num_columns:
        raise WfstAsrError(
            f"{graph.name}: expects scores of {graph.num_columns} columns, but the model gives {scorer.num_columns}; "
            "give the model that the graph was compiled for with --model"
        )
    sounds = data.audio(sample_rate_hz=scorer.sample_rate_hz)
    scored = ((name, partial(scorer.scores, sound.samples)) for name, sound in sounds)
    return ScoreSource(scored, len(data.utterances), places_of(data))


def places_of(data: Any) -> dict[str, tuple[str, float]]:
    """Return recording and start in seconds of the utterances that are part of one."""
    return {name: (part.recording, part.start_s) for name, part in (data.segments or {}).items()}
