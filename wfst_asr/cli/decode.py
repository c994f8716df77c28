"""`wfst-asr decode`: words, times and costs of a data directory or of score matrices."""

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.errors import WfstAsrError, WfstAsrWarning

if TYPE_CHECKING:
    from wfst_asr.decoder.batch import Decoded
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
    num_jobs: int,
    as_json: bool,
) -> None:
    r"""Decode recordings, or score matrices, with a compiled graph.

    \b
    wfst-asr decode GRAPH DATA_DIR OUT_DIR
    wfst-asr decode GRAPH --scores SCORES.ark OUT_DIR

    Writes into OUT_DIR: text (words by utterance), ctm (words with their times) and costs (graph cost, acoustic cost,
    their scaled total, frames, and whether a final state was reached, by utterance).
    """
    wanted = 1 if scores else 2
    if len(paths) != wanted:
        names = "OUT_DIR" if scores else "DATA_DIR OUT_DIR"
        raise click.UsageError(f"{len(paths)} paths after GRAPH, expected {wanted}: {names}")
    if scores and model:
        raise click.UsageError("--model scores DATA_DIR; leave it out with --scores")

    from rich.console import Console
    from rich.progress import track

    from wfst_asr.atomic_files import written_aside
    from wfst_asr.decoder.batch import decode_utterances
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.io.ctm import CtmWord, write_ctm

    options = DecodeOptions(
        beam=beam,
        max_active=max_active or None,
        min_active=min(min_active, max_active) if max_active else min_active,
        acoustic_scale=acoustic_scale,
    )
    out_dir = paths[-1]
    loaded = _load(graph, transitions)
    utterances, count, places = _of_scores(scores) if scores else _of_data(paths[0], model, loaded)
    summary = _Summary(frame_shift_s=loaded.frame_shift_s)
    ctm: list[CtmWord] = []
    with written_aside(out_dir / "text") as text_path, written_aside(out_dir / "costs") as costs_path:
        with text_path.open("w", encoding="utf-8") as text, costs_path.open("w", encoding="utf-8") as costs:
            costs.write("utterance\tgraph_cost\tacoustic_cost\ttotal_cost\tframes\treached_final\n")
            decoded = track(
                decode_utterances(loaded, utterances, options, num_jobs=num_jobs),
                description="decoding",
                total=count,
                disable=as_json or not sys.stderr.isatty(),
                console=Console(stderr=True),
            )
            for one in decoded:
                result = one.result
                summary.add(one)
                if result is None:
                    continue
                text.write(f"{one.utterance} {result.text}".rstrip() + "\n")
                costs.write(
                    f"{one.utterance}\t{result.graph_cost:.4f}\t{result.acoustic_cost:.4f}\t{result.total_cost:.4f}\t"
                    f"{len(result.alignment)}\t{int(result.reached_final)}\n"
                )
                recording, offset_s = places.get(one.utterance, (one.utterance, 0.0))
                ctm += [
                    CtmWord(recording, "1", offset_s + w.start_s, w.end_s - w.start_s, w.word)
                    for w in result.word_times
                ]
            if not summary.decoded:
                raise WfstAsrError(f"none of {summary.utterances} utterances could be decoded: {summary.first_reason}")
        write_ctm(ctm, out_dir / "ctm")
    summary.warn()
    click.echo(json.dumps(summary.record()) if as_json else summary.sentence(out_dir))


@dataclass
class _Summary:
    """Counts over the utterances as they are decoded."""

    frame_shift_s: float
    utterances: int = 0
    decoded: int = 0
    frames: int = 0
    words: int = 0
    cost: float = 0.0
    left_out: list[str] = field(default_factory=list)
    first_reason: str = "there are none"
    partial: list[str] = field(default_factory=list)
    limited_frames: int = 0
    _began: tuple[float, float] = field(default_factory=lambda: (time.perf_counter(), time.process_time()))

    def add(self, one: "Decoded") -> None:
        self.utterances += 1
        if one.result is None:
            if not self.left_out:
                self.first_reason = f"'{one.utterance}': {one.reason}"
            self.left_out.append(one.utterance)
            return
        self.decoded += 1
        self.frames += len(one.result.alignment)
        self.words += len(one.result.words)
        self.cost += one.result.total_cost
        self.limited_frames += one.result.counts.frames_limited
        if not one.result.reached_final:
            self.partial.append(one.utterance)

    def warn(self) -> None:
        """Tell what is not as it should be, each kind once with a count."""
        if self.left_out:
            _note(f"{_some(self.left_out)} left out ({self.first_reason})")
        if self.partial:
            _note(f"{_some(self.partial)} ended in no final state: the words are of the best path so far")
        if 2 * self.limited_frames > self.frames:
            _note(
                f"max_active cut the beam in {self.limited_frames} of {self.frames} frames; "
                "a smaller --beam gives the same words in the same time, a larger --max-active a wider search"
            )

    def record(self) -> dict[str, Any]:
        """Return the summary as a record for JSON."""
        seconds, cpu = (now - then for now, then in zip(_clocks(), self._began, strict=True))
        audio_s = self.frames * self.frame_shift_s
        return {
            "utterances": self.utterances,
            "decoded": self.decoded,
            "left_out": self.left_out,
            "no_final_state": self.partial,
            "words": self.words,
            "frames": self.frames,
            "audio_seconds": round(audio_s, 3),
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu, 3),
            "real_time_factor": round(seconds / audio_s, 5),
            "cost_per_frame": round(self.cost / self.frames, 5),
            "frames_limited_by_max_active": self.limited_frames,
        }

    def sentence(self, out_dir: Path) -> str:
        """Return the summary for people."""
        record = self.record()
        return (
            f"{record['decoded']} utterances, {record['words']} words, {record['audio_seconds']:.1f} s of speech in "
            f"{record['seconds']:.2f} s ({record['cpu_seconds']:.2f} s CPU, {record['real_time_factor']:.4f} times "
            f"real time), cost {record['cost_per_frame']:.4f} a frame; written: {out_dir}"
        )


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _some(names: list[str]) -> str:
    plural, more = "s" if len(names) > 1 else "", " ..." if len(names) > 3 else ""
    return f"{len(names)} utterance{plural} ({', '.join(names[:3])}{more})"


def _note(message: str) -> None:
    warnings.warn(message, WfstAsrWarning, stacklevel=3)


def _load(graph: Path, transitions: Path | None) -> "SearchGraph":
    from wfst_asr.decoder.search_graph import LABEL_DTYPE, load_graph

    if transitions is None:
        return load_graph(graph)
    import numpy as np

    from wfst_asr.kaldi.transition_model import read_transition_model

    model = read_transition_model(transitions)
    labels = np.zeros(len(model.pdf_id), dtype=LABEL_DTYPE)
    labels["column"], labels["phone"], labels["hmm_state"] = model.pdf_id, model.phone, model.hmm_state
    labels["self_loop"] = model.is_self_loop
    return load_graph(graph, columns=labels)


_Utterances = Iterator[tuple[str, Callable[[], Any]]]
_Places = dict[str, tuple[str, float]]  # recording and offset of utterances that are part of one


def _of_scores(path: Path) -> tuple[_Utterances, int | None, _Places]:
    from wfst_asr.io.archives import read_matrices

    if not path.exists():
        raise WfstAsrError(f"{path}: no such file; expected score matrices in an ark or scp")
    return _once_each(path, read_matrices(path)), None, {}


def _once_each(path: Path, matrices: Iterator[tuple[str, Any]]) -> _Utterances:
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


def _of_data(data_dir: Path, model: Path | None, graph: "SearchGraph") -> tuple[_Utterances, int | None, _Places]:
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
    places = {name: (part.recording, part.start_s) for name, part in (data.segments or {}).items()}
    return (
        ((name, partial(scorer.scores, sound.samples)) for name, sound in sounds),
        len(data.utterances),
        places,
    )
