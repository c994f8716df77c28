"""`wfst-asr decode`: words, times and costs of a data directory or of score matrices."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.decode_output import DecodeOutput
from wfst_asr.cli.decode_source import ScoreSource, change_of_scores, of_data, of_scores, places_of
from wfst_asr.cli.decode_summary import DecodeSummary
from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.decoder.lattice_words import LatticeOptions
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.decoder.search_graph import SearchGraph
    from wfst_asr.recipe.decoding import DecodedUtterance


@click.command()
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, metavar="[DATA_DIR] OUT_DIR", type=click.Path(path_type=Path))
@click.option(
    "--scores",
    type=click.Path(path_type=Path),
    help="Score matrices in place of DATA_DIR: .npy, .npz, a folder of .npy, ark or scp.",
)
@click.option("--logits", is_flag=True, help="The matrices are what a network gave before its softmax: apply it.")
@click.option(
    "--priors",
    type=click.Path(path_type=Path),
    help="Divide posteriors by priors: counts, priors or their logarithms by column (.npy or text).",
)
@click.option(
    "--prior-scale", default=1.0, show_default=True, type=click.FloatRange(0), help="Power of the priors, in --priors."
)
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the acoustic model that scores DATA_DIR.")
@click.option(
    "--transitions",
    type=click.Path(path_type=Path),
    help="Kaldi's final.mdl: the meaning of the labels of a graph that Kaldi made.",
)
@click.option("--beam", default=13.0, show_default=True, help="Search beam, in scaled cost.")
@click.option("--max-active", default=7000, show_default=True, help="Tokens expanded a frame at most; 0: no limit.")
@click.option("--min-active", default=200, show_default=True, help="Tokens expanded a frame at least.")
@click.option(
    "--acoustic-scale", type=float, help="Factor on the scores.  [default: the graph's; for hybrid networks 0.1]"
)
@click.option(
    "--lm-weight", type=click.FloatRange(0, min_open=True), help="The inverse of the acoustic scale, in place of it."
)
@click.option(
    "--skip-blank",
    type=click.FloatRange(0.5, 1, min_open=True),
    metavar="PROBABILITY",
    help="Graphs of CTC: search runs of frames with at least this probability of the blank as one; usual is 0.98.",
)
@click.option("--insertion-penalty", default=0.0, show_default=True, help="Cost of every word.")
@click.option(
    "--passes",
    type=click.IntRange(1),
    help="Decodings by a speaker-adapted model: each adapts to the words of the one before.  [default: 4]",
)
@click.option("--no-adapt", is_flag=True, help="One pass, without adaptation to the speakers.")
@click.option("--lattices", is_flag=True, help="Write lattices of words: lat.ark and lat.scp, Kaldi's CompactLattice.")
@click.option("--raw-lattices", is_flag=True, help="Write state-level lattices there: Kaldi's Lattice.")
@click.option(
    "--lattice-beam",
    default=8.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Lattices, n-best lists and confidences are of paths at most this much costlier than the best.",
)
@click.option("--nbest", type=click.IntRange(1), help="Write so many of the best word sequences: nbest.jsonl.")
@click.option("--mbr", is_flag=True, help="Write the words of least expected error in place of the best path's.")
@click.option("--confidence", is_flag=True, help="Write confidences into ctm, as all options on lattices do.")
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Calibrate confidences with what wfst-asr lattice calibrate made.",
)
@click.option("--statistics", is_flag=True, help="Write what the search did in each frame: statistics.tsv.")
@click.option("--num-jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Threads.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def decode(
    graph: Path,
    paths: tuple[Path, ...],
    scores: Path | None,
    logits: bool,
    priors: Path | None,
    prior_scale: float,
    model: Path | None,
    transitions: Path | None,
    beam: float,
    max_active: int,
    min_active: int,
    acoustic_scale: float | None,
    lm_weight: float | None,
    skip_blank: float | None,
    insertion_penalty: float,
    passes: int | None,
    no_adapt: bool,
    lattices: bool,
    raw_lattices: bool,
    lattice_beam: float,
    nbest: int | None,
    mbr: bool,
    confidence: bool,
    calibration: Path | None,
    statistics: bool,
    num_jobs: int,
    as_json: bool,
) -> None:
    """Decode recordings, or score matrices, with a compiled graph.

    \b
    wfst-asr decode GRAPH DATA_DIR OUT_DIR --model MODEL_DIR
    wfst-asr decode GRAPH --scores SCORES.npz OUT_DIR

    MODEL_DIR is a model of wfst-asr train or of Kaldi, or PocketSphinx's.  Writes into OUT_DIR: text (words by
    utterance, but for those that are only silence or noise), ctm (words with their times), costs (graph cost, acoustic
    cost, their scaled total, frames, and whether a final state was reached, by utterance) and, where it adapts to
    speakers, fmllr.ark (their transforms).  Lattices, n-best lists, confidences and statistics are of the last pass;
    costs are those of the best path.
    """  # noqa: D301
    if len(paths) != (count := 1 if scores else 2):
        names = "OUT_DIR" if scores else "DATA_DIR OUT_DIR"
        raise click.UsageError(f"{len(paths)} paths after GRAPH, expected {count}: {names}")
    if scores and model:
        raise click.UsageError("--model scores DATA_DIR; leave it out with --scores")
    if lm_weight and acoustic_scale:
        raise click.UsageError("--lm-weight is the inverse of --acoustic-scale; give one of them")
    if no_adapt and passes:
        raise click.UsageError("--no-adapt is one pass; leave --passes out")
    if scores and (no_adapt or passes):
        raise click.UsageError("--passes and --no-adapt are of speaker-adapted models; leave them out with --scores")
    if (logits or priors) and not scores:
        raise click.UsageError("--logits and --priors change the matrices of --scores; leave them out without it")
    if lattices and raw_lattices:
        raise click.UsageError(
            "--lattices or --raw-lattices; wfst-asr lattice determinize makes the one from the other"
        )

    from wfst_asr.cli.training_progress import progress_of_training
    from wfst_asr.decoder.insertion_penalty import with_insertion_penalty
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.recipe.labelled_graph import load_graph_with_labels

    options = DecodeOptions(
        beam=beam,
        max_active=max_active or None,
        min_active=min(min_active, max_active) if max_active else min_active,
        acoustic_scale=1 / lm_weight if lm_weight else acoustic_scale,
        skip_blank=skip_blank,
    )
    wanted = None
    if lattices or raw_lattices or nbest or mbr or confidence or calibration:
        kept = "words" if lattices else "states" if raw_lattices else ""
        wanted = _wanted(kept, nbest or 0, lattice_beam, mbr=mbr, calibration=calibration)
    trained = model is not None and _is_trained(model)
    read = load_graph_with_labels(graph, transitions=transitions, model=model if trained else None)
    loaded = with_insertion_penalty(read, insertion_penalty)
    output = DecodeOutput(
        paths[-1],
        DecodeSummary(loaded.frame_shift_s),
        n_best=nbest is not None,
        archive=lattices or raw_lattices,
        statistics=statistics,
    )
    if trained and model is not None:
        asked = 1 if no_adapt else passes
        with progress_of_training("decode") as step:
            _decode_trained(
                loaded, model, paths[0], output, options, wanted, passes=asked, num_jobs=num_jobs, step=step
            )
    else:
        if passes and passes > 1:
            raise WfstAsrError(
                "--passes is of models that are adapted to speakers, which this one is not; leave it out"
            )
        if scores:
            change = change_of_scores(loaded, logits=logits, priors=priors, prior_scale=prior_scale)
            source = of_scores(scores, change)
        else:
            source = of_data(paths[0], model, loaded)
        quiet = as_json or not sys.stderr.isatty()
        _decode_scored(loaded, source, output, options, wanted, num_jobs=num_jobs, quiet=quiet)
    output.summary.warn()
    click.echo(json.dumps(output.summary.record()) if as_json else output.summary.sentence(output.folder))


def _wanted(keep: str, num_best: int, lattice_beam: float, *, mbr: bool, calibration: Path | None) -> "LatticeOptions":
    from wfst_asr.decoder.lattice_words import LatticeOptions
    from wfst_asr.score.calibration import load_calibration

    calibrated = load_calibration(calibration) if calibration else None
    return LatticeOptions(keep=keep, num_best=num_best, mbr=mbr, calibration=calibrated, lattice_beam=lattice_beam)


def _without_silence(
    wanted: "LatticeOptions | None", graph: "SearchGraph", silent: frozenset[str]
) -> "LatticeOptions | None":
    """Tell the labels of the words that are only silence or noise."""
    if wanted is None or not (wanted.mbr and silent):
        return wanted
    return replace(wanted, no_words=frozenset(label for label, word in enumerate(graph.words) if word in silent))


def _decode_trained(
    graph: "SearchGraph",
    model_dir: Path,
    data_dir: Path,
    output: DecodeOutput,
    search: "DecodeOptions",
    wanted: "LatticeOptions | None",
    *,
    passes: int | None,
    num_jobs: int,
    step: Callable[[str, int, int], None],
) -> None:
    """Decode a data directory with a model of Gaussian mixtures, normalised and adapted by speaker."""
    import numpy as np

    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.io.archives import matrix_writer
    from wfst_asr.recipe.decode_data import DataDecoder
    from wfst_asr.recipe.decoding import SetOptions
    from wfst_asr.recipe.evaluation import EvaluationOptions
    from wfst_asr.recipe.hybrid_model import USUAL_LM_WEIGHT
    from wfst_asr.recipe.labelled_graph import words_of_silence
    from wfst_asr.recipe.speaker_adaptation import AdaptationOptions
    from wfst_asr.recipe.trained_graph import usual_acoustic_scale

    check_writable_folder(output.folder)
    decoder = DataDecoder.of_folders(graph, model_dir, data_dir, step=step)
    if passes and passes > 1 and not decoder.model.adapted:
        raise WfstAsrError(f"{model_dir}: is not adapted to speakers (wfst-asr train sat); leave --passes out")
    if search.acoustic_scale is None:
        usual = usual_acoustic_scale(decoder.model.tree)
        if decoder.model.network is not None:
            search = replace(search, acoustic_scale=1.0 / USUAL_LM_WEIGHT)
        else:
            search = replace(search, acoustic_scale=graph.acoustic_scale if graph.manifest else usual)
    adaptation = AdaptationOptions(passes=passes - 1) if passes else AdaptationOptions()
    silent = words_of_silence(Path(graph.name) / "align_lexicon.txt", decoder.model.silence)
    wanted = _without_silence(wanted, graph, silent)
    options = EvaluationOptions(SetOptions(search, wanted=wanted, keep_statistics=output.statistics), adaptation)
    summary = output.summary
    summary.passes = decoder.passes(options)
    output.places = places_of(decoder.data)
    output.silent = silent
    transforms: dict[str, Any] = {}

    def take(one: "DecodedUtterance") -> None:
        output.keep_lattice(one.utterance, one.from_lattice)

    with output.opened():
        for group in decoder.decode(options, num_jobs=num_jobs, step=step, take=take):
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


def _decode_scored(
    graph: "SearchGraph",
    source: ScoreSource,
    output: DecodeOutput,
    options: "DecodeOptions",
    wanted: "LatticeOptions | None",
    *,
    num_jobs: int,
    quiet: bool,
) -> None:
    """Decode score matrices, as they are or computed an utterance at a time."""
    from rich.console import Console
    from rich.progress import track

    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.decoder.batch import decode_utterances
    from wfst_asr.recipe.labelled_graph import silent_words

    check_writable_folder(output.folder)
    output.places = source.places
    output.silent = silent = silent_words(graph)
    wanted = _without_silence(wanted, graph, silent)
    decoded = track(
        decode_utterances(
            graph, source.utterances, options, wanted=wanted, keep_statistics=output.statistics, num_jobs=num_jobs
        ),
        description="decoding",
        total=source.count,
        disable=quiet,
        console=Console(stderr=True),
    )
    with output.opened():
        for one in decoded:
            output.keep_lattice(one.utterance, one.from_lattice)
            output.add(one)
        output.write()


def _is_trained(model: Path) -> bool:
    from wfst_asr.recipe.scorers import is_trained_model

    return is_trained_model(model)
