"""`wfst-asr train ctc`: a recurrent network of letters, from recordings and transcripts alone."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.train.ctc import CtcOptions

F = TypeVar("F", bound=Callable[..., Any])

_FIT = ("epochs", "batch_frames", "learning_rate", "schedule", "patience", "average", "seed", "threads", "device")
_NETWORK = ("num_layers", "hidden", "cell", "dropout")
_AUGMENT = ("band_masks", "frame_masks", "tempo", "warp", "noise")


def _dials(function: F) -> F:
    positive, share = click.FloatRange(0, min_open=True), click.FloatRange(0, 1, max_open=True)
    options = (
        click.option("--epochs", type=click.IntRange(1), default=40, show_default=True, help="Passes over the data."),
        click.option("--batch-frames", type=click.IntRange(1), default=6000, show_default=True, help="Of a batch."),
        click.option("--learning-rate", type=positive, default=2e-3, show_default=True, help="The highest."),
        click.option(
            "--schedule",
            type=click.Choice(["cosine", "plateau", "constant"]),
            default="cosine",
            show_default=True,
            help="Of the learning rate.",
        ),
        click.option(
            "--patience", type=click.IntRange(0), default=0, show_default=True, help="Epochs without a gain; 0: all."
        ),
        click.option("--average", type=share, default=0.99, show_default=True, help="Memory of averaged weights."),
        click.option("--num-layers", type=click.IntRange(1), default=2, show_default=True, help="Recurrent layers."),
        click.option("--hidden", type=click.IntRange(1), default=128, show_default=True, help="Units a direction."),
        click.option("--cell", type=click.Choice(["lstm", "gru"]), default="lstm", show_default=True, help="Of these."),
        click.option("--dropout", type=share, default=0.3, show_default=True, help="Between layers."),
        click.option("--band-masks", type=click.IntRange(0), default=2, show_default=True, help="An utterance."),
        click.option("--frame-masks", type=click.FloatRange(0), default=1.0, show_default=True, help="A second."),
        click.option("--tempo", type=click.FloatRange(0), default=0.15, show_default=True, help="Change of length."),
        click.option("--warp", type=click.FloatRange(0), default=0.1, show_default=True, help="Of frequencies."),
        click.option("--noise", type=click.FloatRange(0), default=0.2, show_default=True, help="On the features."),
        click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same model."),
        click.option(
            "--threads", type=click.IntRange(1), default=1, show_default=True, help="More may change the last bits."
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command("ctc")
@click.argument("data", metavar="DATA_DIR", type=click.Path(path_type=Path))
@click.argument("out", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.option(
    "--valid", type=click.Path(path_type=Path), help="Data to validate with.  [default: a tenth of the speakers]"
)
@click.option(
    "--features",
    "kind",
    type=click.Choice(["fbank", "slices"]),
    default="fbank",
    show_default=True,
    help="Mel bands, or 50 Hz bands of 20 ms slices.",
)
@click.option("--num-bins", type=click.IntRange(3), help="Mel bands.  [default: 40, below 16 kHz 30]")
@click.option("--padding", "padding_s", type=click.FloatRange(0), default=0.0, help="Seconds of silence at both ends.")
@click.option("--boundary", default="|", show_default=True, help="Token between words; '' for none.")
@_dials
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def ctc(
    data: Path,
    out: Path,
    valid: Path | None,
    kind: str,
    num_bins: int | None,
    padding_s: float,
    boundary: str,
    as_json: bool,
    **dials: Any,
) -> None:
    """Train a recurrent network of letters with CTC, on the recordings and transcripts of DATA_DIR.

    MODEL_DIR gets weights, tokens.txt, model.json and curves.json (curves.svg where matplotlib is installed).  The
    command may be killed at any time; the same command goes on from the last checkpoint, to the same weights.
    """
    if find_spec("torch") is None:
        raise WfstAsrError("networks need PyTorch; install it with: pip install 'wfst-asr[neural]'")
    from wfst_asr.cli.training_progress import progress_of_training
    from wfst_asr.recipe.ctc_training import train_ctc

    options = _options(data, kind, num_bins, padding_s, boundary, dials)
    began, cpu = time.perf_counter(), time.process_time()
    with progress_of_training("ctc") as step:
        summary = train_ctc(data, out, valid_dir=valid, options=options, step=step)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    if find_spec("matplotlib") is not None:
        from wfst_asr.plots.training_curves import draw_training_curves

        draw_training_curves(out, out / "curves.svg")
    if as_json:
        told = {"folder": str(out), **asdict(summary)}
        click.echo(json.dumps({**told, "seconds": round(seconds, 2), "cpu_seconds": round(cpu_seconds, 2)}))
        return
    click.echo(
        f"{out}: {summary.tokens} tokens, {summary.weights:,} weights from {summary.utterances} utterances "
        f"({summary.seconds / 60:.1f} min); epoch {summary.best_epoch} of {summary.epochs}: in validation "
        f"{summary.token_errors:.1f} % errors of tokens, {summary.word_errors:.1f} % of words; {cpu_seconds:.1f} s CPU"
    )


def _options(
    data: Path, kind: str, num_bins: int | None, padding_s: float, boundary: str, dials: dict[str, Any]
) -> "CtcOptions":
    from wfst_asr.features.network_features import NetworkFeatures
    from wfst_asr.neural.options import AugmentOptions, FitOptions, RecurrentOptions
    from wfst_asr.recipe.ctc_training import sample_rate_in
    from wfst_asr.train.ctc import CtcOptions

    rate = sample_rate_in(data)
    bins = num_bins or (40 if rate >= 16000 else 30)
    network = RecurrentOptions(**{name: dials[name] for name in _NETWORK})
    return CtcOptions(
        features=NetworkFeatures(kind, rate, bins, padding_s),
        network=replace(network, subsample=1 if kind == "slices" else 2),
        augment=AugmentOptions(**{name: dials[name] for name in _AUGMENT}),
        fit=FitOptions(**{name: dials[name] for name in _FIT}),
        boundary=boundary,
    )
