"""`wfst-asr decode`: words, times and costs of a data directory or of score matrices."""

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.decode_summary import DecodeSummary
from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.decoder.batch import Decoded
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.decoder.search_graph import SearchGraph


@click.command()
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, metavar="[DATA_DIR] OUT_DIR", type=click.Path(path_type=Path))
@click.option("--scores", type=click.Path(path_type=Path), help="Score matrices (ark or scp) in place of DATA_DIR.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the acoustic model that scores DATA_DIR.")
@click.option(
    "--transitions",
    type=click.Path(path_type=Path),
    help="Kaldi's final.mdl: the meaning of the labels of a graph that Kaldi made.",
)
@click.option("--beam", default=13.0, show_default=True, help="Search beam, in scaled cost.")
@click.option("--max-active", default=7000, show_default=True, help="Tokens expanded a frame at most; 0: no limit.")
@click.option("--min-active", default=200, show_default=True, help="Tokens expanded a frame at least.")
@click.option("--acoustic-scale", type=float, help="Factor on the scores.  [default: the graph's]")
@click.option(
    "--lm-weight", type=click.FloatRange(0, min_open=True), help="The inverse of the acoustic scale, in place of it."
)
@click.option("--insertion-penalty", default=0.0, show_default=True, help="Cost of every word.")
@click.option(
    "--passes",
    type=click.IntRange(1),
    help="Decodings by a speaker-adapted model: each adapts to the words of the one before.  [default: 4]",
)
@click.option("--no-adapt", is_flag=True, help="One pass, without adaptation to the speakers.")
@click.option("--num-jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Threads.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def decode(
    graph: Path,
    paths: tuple[Path, ...],
    scores: Path | None,
    model: Path | None,
    transitions: Path | None,
    beam: float,
    max_active: int,
    min_active: int,
    acoustic_scale: float | None,
    lm_weight: float | None,
    insertion_penalty: float,
    passes: int | None,
    no_adapt: bool,
    num_jobs: int,
    as_json: bool,
) -> None:
    r"""Decode recordings, or score matrices, with a compiled graph.

    \b
    wfst-asr decode GRAPH DATA_DIR OUT_DIR --model MODEL_DIR
    wfst-asr decode GRAPH --scores SCORES.ark OUT_DIR

    MODEL_DIR is a model of wfst-asr train or of Kaldi, or PocketSphinx's.  Writes into OUT_DIR: text (words by
    utterance, but for those that are only silence or noise), ctm (words with their times), costs (graph cost, acoustic
    cost, their scaled total, frames, and whether a final state was reached, by utterance) and, where it adapts to
    speakers, fmllr.ark (their transforms).
    """
    wanted = 1 if scores else 2
    if len(paths) != wanted:
        names = "OUT_DIR" if scores else "DATA_DIR OUT_DIR"
        raise click.UsageError(f"{len(paths)} paths after GRAPH, expected {wanted}: {names}")
    if scores and model:
        raise click.UsageError("--model scores DATA_DIR; leave it out with --scores")
    if lm_weight and acoustic_scale:
        raise click.UsageError("--lm-weight is the inverse of --acoustic-scale; give one of them")
    if no_adapt and passes:
        raise click.UsageError("--no-adapt is one pass; leave --passes out")
    if scores and (no_adapt or passes):
        raise click.UsageError("--passes and --no-adapt are of speaker-adapted models; leave them out with --scores")

    from wfst_asr.cli.training_progress import progress_of_training
    from wfst_asr.decoder.insertion_penalty import with_insertion_penalty
    from wfst_asr.decoder.options import DecodeOptions

    options = DecodeOptions(
        beam=beam,
        max_active=max_active or None,
        min_active=min(min_active, max_active) if max_active else min_active,
        acoustic_scale=1 / lm_weight if lm_weight else acoustic_scale,
    )
    trained = model is not None and _is_trained(model)
    loaded = with_insertion_penalty(_load(graph, transitions, model if trained else None), insertion_penalty)
    output = _Output(paths[-1], DecodeSummary(loaded.frame_shift_s))
    if trained and model is not None:
        count = 1 if no_adapt else passes
        with progress_of_training("decode") as step:
            _decode_trained(loaded, model, paths[0], output, options, passes=count, num_jobs=num_jobs, step=step)
    else:
        if passes and passes > 1:
            raise WfstAsrError(
                "--passes is of models that are adapted to speakers, which this one is not; leave it out"
            )
        source = _of_scores(scores) if scores else _of_data(paths[0], model, loaded)
        quiet = as_json or not sys.stderr.isatty()
        _decode_scored(loaded, source, output, options, num_jobs=num_jobs, quiet=quiet)
    output.summary.warn()
    click.echo(json.dumps(output.summary.record()) if as_json else output.summary.sentence(output.folder))


@dataclass
class _Output:
    """The folder to write, and what goes into it."""

    folder: Path
    summary: DecodeSummary
    places: dict[str, tuple[str, float]] = field(default_factory=dict)  # of utterances that are part of a recording
    silent: Collection[str] = frozenset()  # words that `text` is without
    _rows: list[tuple[str, str, str, list[Any]]] = field(default_factory=list)

    def add(self, one: "Decoded") -> None:
        """Take up an utterance."""
        from wfst_asr.io.ctm import CtmWord

        result = one.result
        words = [word for word in result.words if word not in self.silent] if result else []
        self.summary.add(one, words=len(words))
        if result is None:
            return
        costs = (
            f"{one.utterance}\t{result.graph_cost:.4f}\t{result.acoustic_cost:.4f}\t{result.total_cost:.4f}\t"
            f"{len(result.alignment)}\t{int(result.reached_final)}\n"
        )
        recording, offset_s = self.places.get(one.utterance, (one.utterance, 0.0))
        times = [
            CtmWord(recording, "1", offset_s + time.start_s, time.end_s - time.start_s, time.word)
            for time in result.word_times
        ]
        self._rows.append((one.utterance, f"{one.utterance} {' '.join(words)}".rstrip() + "\n", costs, times))

    def check(self) -> None:
        """Refuse to write nothing.

        Raises:
            WfstAsrError: no utterance was decoded.
        """
        if not self._rows:
            raise WfstAsrError(
                f"none of {self.summary.utterances} utterances could be decoded: {self.summary.first_reason}"
            )

    def write(self, order: Iterable[str] | None = None) -> None:
        """Write text, costs and ctm, utterances as they came or in the order given."""
        from wfst_asr.atomic_files import written_aside
        from wfst_asr.io.ctm import write_ctm

        self.check()
        rows = self._rows
        if order is not None:
            place = {utterance: number for number, utterance in enumerate(order)}
            rows = sorted(rows, key=lambda row: place[row[0]])
        header = "utterance\tgraph_cost\tacoustic_cost\ttotal_cost\tframes\treached_final\n"
        with written_aside(self.folder / "text") as text, written_aside(self.folder / "costs") as costs:
            text.write_text("".join(row[1] for row in rows), encoding="utf-8")
            costs.write_text(header + "".join(row[2] for row in rows), encoding="utf-8")
            write_ctm([word for row in rows for word in row[3]], self.folder / "ctm")


def _decode_trained(
    graph: "SearchGraph",
    model_dir: Path,
    data_dir: Path,
    output: _Output,
    search: "DecodeOptions",
    *,
    passes: int | None,
    num_jobs: int,
    step: Callable[[str, int, int], None],
) -> None:
    """Decode a data directory with a model of Gaussian mixtures, normalised and adapted by speaker."""
    from dataclasses import replace

    import numpy as np

    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.io.archives import matrix_writer
    from wfst_asr.recipe.decode_data import DataDecoder
    from wfst_asr.recipe.decoding import SetOptions
    from wfst_asr.recipe.evaluation import EvaluationOptions, words_of_silence
    from wfst_asr.recipe.speaker_adaptation import AdaptationOptions
    from wfst_asr.recipe.trained_graph import usual_acoustic_scale

    check_writable_folder(output.folder)
    decoder = DataDecoder.of_folders(graph, model_dir, data_dir, step=step)
    if passes and passes > 1 and not decoder.model.adapted:
        raise WfstAsrError(f"{model_dir}: is not adapted to speakers (wfst-asr train sat); leave --passes out")
    if search.acoustic_scale is None:
        usual = usual_acoustic_scale(decoder.model.tree)
        search = replace(search, acoustic_scale=graph.acoustic_scale if graph.manifest else usual)
    adaptation = AdaptationOptions(passes=passes - 1) if passes else AdaptationOptions()
    options = EvaluationOptions(SetOptions(search), adaptation)
    summary = output.summary
    summary.passes = decoder.passes(options)
    output.places = _places(decoder.data)
    output.silent = words_of_silence(Path(graph.name) / "align_lexicon.txt", decoder.model.silence)
    transforms: dict[str, Any] = {}
    for group in decoder.decode(options, num_jobs=num_jobs, step=step):
        for one in group.decoded:
            output.add(one)
        transforms.update(group.transforms)
    for utterance, reason in decoder.corpus.left_out.items():
        summary.leave_out(utterance, reason, told=True)
    summary.speakers = len(transforms)
    output.write(decoder.data.utterances)
    if transforms:
        with matrix_writer(output.folder / "fmllr.ark") as write:
            for speaker in sorted(transforms):
                write(speaker, transforms[speaker].astype(np.float32))
    else:
        (output.folder / "fmllr.ark").unlink(missing_ok=True)


@dataclass(frozen=True)
class _Source:
    """Utterances, each with what makes its scores."""

    utterances: Iterator[tuple[str, Callable[[], Any]]]
    count: int | None = None
    places: dict[str, tuple[str, float]] = field(default_factory=dict)


def _decode_scored(
    graph: "SearchGraph", source: _Source, output: _Output, options: "DecodeOptions", *, num_jobs: int, quiet: bool
) -> None:
    """Decode score matrices, as they are or computed an utterance at a time."""
    from rich.console import Console
    from rich.progress import track

    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.decoder.batch import decode_utterances

    check_writable_folder(output.folder)
    output.places = source.places
    output.silent = _silent_words(graph)
    decoded = track(
        decode_utterances(graph, source.utterances, options, num_jobs=num_jobs),
        description="decoding",
        total=source.count,
        disable=quiet,
        console=Console(stderr=True),
    )
    for one in decoded:
        output.add(one)
    output.write()


def _silent_words(graph: "SearchGraph") -> frozenset[str]:
    """Return the words of the graph of a trained model that are only spoken as silence or noise."""
    if graph.manifest is None or "model" not in graph.manifest.inputs:
        return frozenset()
    from wfst_asr.recipe.evaluation import words_of_silence

    return words_of_silence(Path(graph.name) / "align_lexicon.txt", graph.manifest.silence_phones)


def _is_trained(model: Path) -> bool:
    from wfst_asr.recipe.scorers import is_trained_model

    return is_trained_model(model)


def _load(graph: Path, transitions: Path | None, trained: Path | None) -> "SearchGraph":
    from wfst_asr.decoder.search_graph import LABEL_DTYPE, LABELS_NAME, load_graph

    if transitions is None and trained is not None and graph.is_dir() and not (graph / LABELS_NAME).exists():
        transitions = trained / "final.mdl"  # a graph that Kaldi made
    if transitions is None:
        return load_graph(graph)
    import numpy as np

    from wfst_asr.kaldi.transition_model import read_transition_model

    model = read_transition_model(transitions)
    labels = np.zeros(len(model.pdf_id), dtype=LABEL_DTYPE)
    labels["column"], labels["phone"], labels["hmm_state"] = model.pdf_id, model.phone, model.hmm_state
    labels["self_loop"] = model.is_self_loop
    return load_graph(graph, columns=labels)


def _of_scores(path: Path) -> _Source:
    from wfst_asr.io.archives import read_matrices

    if not path.exists():
        raise WfstAsrError(f"{path}: no such file; expected score matrices in an ark or scp")
    return _Source(_once_each(path, read_matrices(path)))


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


def _of_data(data_dir: Path, model: Path | None, graph: "SearchGraph") -> _Source:
    """Return the recordings of a data directory, scored by a model of PocketSphinx."""
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
    return _Source(scored, len(data.utterances), _places(data))


def _places(data: Any) -> dict[str, tuple[str, float]]:
    return {name: (part.recording, part.start_s) for name, part in (data.segments or {}).items()}
