"""`wfst-asr train`: acoustic models, stage by stage."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wfst_asr.cli.train_ctc import ctc
from wfst_asr.cli.train_hybrid import hybrid

if TYPE_CHECKING:
    from wfst_asr.recipe.training import TrainingSummary
    from wfst_asr.train.schedule import Schedule
    from wfst_asr.train.tying import TyingOptions

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def train() -> None:
    """Train acoustic models: monophones, triphones, LDA+MLLT, speaker-adaptive; networks of letters and of states."""


train.add_command(ctc)
train.add_command(hybrid)


def _folders(*names: str) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for name in reversed(names):
            function = click.argument(name, metavar=name.upper(), type=click.Path(path_type=Path))(function)
        return function

    return decorate


def _dials(function: F) -> F:
    options = (
        click.option("--num-gaussians", type=click.IntRange(1), help="At the end.  [default: by frames of speech]"),
        click.option(
            "--frames-per-gaussian", type=click.FloatRange(1), help="Frames of speech a Gaussian, in place of it."
        ),
        click.option("--num-iterations", type=click.IntRange(1), help="Passes over the data."),
        click.option("--beam", type=click.FloatRange(0, min_open=True), help="Of the alignment.  [default: 10]"),
        click.option("--retry-beam", type=click.FloatRange(0, min_open=True), help="Where that fails.  [default: 40]"),
        click.option("--soft", is_flag=True, help="Weigh all paths by forward-backward, not the best alone."),
        click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same model."),
        click.option("--num-jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes."),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _tree_dials(function: F) -> F:
    options = (
        click.option("--num-leaves", type=click.IntRange(1), help="Tied states at most.  [default: by frames]"),
        click.option("--frames-per-leaf", type=click.FloatRange(1), help="Frames of speech a leaf, in place of it."),
        click.option("--max-depth", type=click.IntRange(1), help="Questions above a leaf at most."),
        click.option("--min-count", type=click.FloatRange(0), help="Frames on both sides of a split at least."),
        click.option(
            "--questions", type=click.Path(path_type=Path), help="Phonetic classes, a line each.  [default: found]"
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@train.command("mono")
@_folders("data", "lang", "out")
@_dials
def mono(data: Path, lang: Path, out: Path, num_jobs: int, as_json: bool, **dials: Any) -> None:
    """Train monophones from a flat start: recordings, transcripts and a lexicon, nothing else."""
    from wfst_asr.recipe.training import train_mono
    from wfst_asr.train.monophone import MonophoneOptions

    options = MonophoneOptions(seed=dials["seed"])
    options = replace(options, schedule=_schedule(options.schedule, dials))
    _run("mono", as_json, lambda step: train_mono(data, lang, out, options=options, num_jobs=num_jobs, step=step))


@train.command("deltas")
@_folders("data", "lang", "alignments", "out")
@_dials
@_tree_dials
def deltas(data: Path, lang: Path, alignments: Path, out: Path, num_jobs: int, as_json: bool, **dials: Any) -> None:
    """Train triphones with tied states on cepstra and their differences, from the ALIGNMENTS of an earlier stage."""
    from wfst_asr.recipe.training import train_deltas
    from wfst_asr.train.triphone import TriphoneOptions

    options = TriphoneOptions(seed=dials["seed"])
    options = replace(options, schedule=_schedule(options.schedule, dials), tying=_tying(options.tying, dials, lang))
    _run(
        "deltas",
        as_json,
        lambda step: train_deltas(data, lang, alignments, out, options=options, num_jobs=num_jobs, step=step),
    )


@train.command("lda-mllt")
@_folders("data", "lang", "alignments", "out")
@_dials
@_tree_dials
@click.option("--dim", type=click.IntRange(1), default=40, show_default=True, help="Dimensions after LDA.")
@click.option("--splice", type=click.IntRange(0), default=3, show_default=True, help="Frames on either side.")
def lda_mllt(
    data: Path,
    lang: Path,
    alignments: Path,
    out: Path,
    num_jobs: int,
    as_json: bool,
    dim: int,
    splice: int,
    **dials: Any,
) -> None:
    """Train triphones on spliced cepstra reduced by LDA and turned by MLLT."""
    from wfst_asr.recipe.training import train_mllt
    from wfst_asr.train.lda_mllt import LdaMlltOptions

    options = LdaMlltOptions(seed=dials["seed"], dim=dim)
    options = replace(
        options,
        schedule=_schedule(options.schedule, dials),
        tying=_tying(options.tying, dials, lang),
        pipeline=replace(options.pipeline, splice=(splice, splice)),
    )
    _run(
        "lda-mllt",
        as_json,
        lambda step: train_mllt(data, lang, alignments, out, options=options, num_jobs=num_jobs, step=step),
    )


@train.command("sat")
@_folders("data", "lang", "alignments", "out")
@_dials
@_tree_dials
def sat(data: Path, lang: Path, alignments: Path, out: Path, num_jobs: int, as_json: bool, **dials: Any) -> None:
    """Train on features adapted to every speaker (fMLLR), from the model and alignments of an earlier stage."""
    from wfst_asr.recipe.training import train_adaptive
    from wfst_asr.train.sat import SatOptions

    options = SatOptions(seed=dials["seed"])
    options = replace(options, schedule=_schedule(options.schedule, dials), tying=_tying(options.tying, dials, lang))
    _run(
        "sat",
        as_json,
        lambda step: train_adaptive(data, lang, alignments, out, options=options, num_jobs=num_jobs, step=step),
    )


@train.command("plot")
@click.argument("model_dir", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.argument("picture", metavar="PICTURE", type=click.Path(path_type=Path))
def plot(model_dir: Path, picture: Path) -> None:
    """Draw the training of MODEL_DIR into PICTURE (png, pdf, svg).

    Of Gaussians: the objective and their numbers at every iteration; of a network: loss and errors at every epoch.
    """
    from wfst_asr.plots.training_curves import draw_training_curves, is_of_network

    if is_of_network(model_dir):
        draw_training_curves(model_dir, picture)
    else:
        from wfst_asr.plots.training import draw_training
        from wfst_asr.recipe.training_run import log_of

        draw_training(log_of(model_dir) if model_dir.is_dir() else model_dir, picture)
    click.echo(f"{picture}")


def _schedule(schedule: "Schedule", dials: dict[str, Any]) -> "Schedule":
    changes: dict[str, Any] = {"soft": dials["soft"]}
    if dials["num_gaussians"] and dials["frames_per_gaussian"]:
        raise click.UsageError("--num-gaussians and --frames-per-gaussian both say how many; give one")
    for name in ("num_gaussians", "frames_per_gaussian"):
        if dials[name]:
            changes[name] = dials[name]
    if dials["num_iterations"]:
        changes["num_iterations"] = dials["num_iterations"]
        changes["last_increase"] = min(schedule.last_increase, dials["num_iterations"])
    beams = {name: dials[name] for name in ("beam", "retry_beam") if dials[name]}
    return replace(schedule, **changes, align=replace(schedule.align, **beams))


def _tying(tying: "TyingOptions", dials: dict[str, Any], lang: Path) -> "TyingOptions":
    if dials["num_leaves"] and dials["frames_per_leaf"]:
        raise click.UsageError("--num-leaves and --frames-per-leaf both say how many; give one")
    names = ("num_leaves", "frames_per_leaf", "max_depth", "min_count")
    changes: dict[str, Any] = {name: dials[name] for name in names if dials[name] is not None}
    if dials["questions"]:
        from wfst_asr.fst.symbols import read_symbols
        from wfst_asr.tree.questions import read_questions

        changes["questions"] = read_questions(dials["questions"], read_symbols(lang / "phones.txt"))
    return replace(tying, **changes)


def _run(name: str, as_json: bool, stage: "Callable[[Callable[[str, int, int], None]], TrainingSummary]") -> None:
    from wfst_asr.cli.training_progress import progress_of_training

    began, cpu = time.perf_counter(), _cpu_seconds()
    with progress_of_training(name) as step:
        summary = stage(step)
    seconds, cpu_seconds = time.perf_counter() - began, _cpu_seconds() - cpu
    if summary.failures:
        import warnings

        from wfst_asr.errors import WfstAsrWarning

        warnings.warn(
            f"{summary.failures} utterances were left out; the reasons are in {summary.folder / 'failures.tsv'}",
            WfstAsrWarning,
            stacklevel=2,
        )
    if as_json:
        record = {**asdict(summary), "folder": str(summary.folder)}
        click.echo(json.dumps({**record, "seconds": round(seconds, 2), "cpu_seconds": round(cpu_seconds, 2)}))
        return
    click.echo(
        f"{summary.folder}: {summary.pdfs} tied states, {summary.gaussians} Gaussians from {summary.utterances} "
        f"utterances ({summary.frames} frames), {summary.log_likelihood_per_frame:.3f} a frame; {cpu_seconds:.1f} s CPU"
    )


def _cpu_seconds() -> float:
    import resource

    return sum(
        resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
