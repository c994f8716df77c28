"""`wfst-asr train hybrid`: a network that scores the tied states of a model of Gaussian mixtures."""

import json
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import click

from wfst_asr.errors import WfstAsrError


@click.command("hybrid")
@click.argument("model", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.argument("data", metavar="DATA_DIR", type=click.Path(path_type=Path))
@click.argument("alignments", metavar="ALIGNMENTS", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT_DIR", type=click.Path(path_type=Path))
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="Passes over the data.")
@click.option("--batch-frames", type=click.IntRange(1), default=3000, show_default=True, help="Of a batch.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=2e-3,
    show_default=True,
    help="The highest; it falls along a cosine.",
)
@click.option("--hidden", type=click.IntRange(1), default=256, show_default=True, help="Units of a layer.")
@click.option(
    "--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.2, show_default=True, help="After each layer."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same network.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="More may change the last bits.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def hybrid(
    model: Path,
    data: Path,
    alignments: Path,
    out: Path,
    epochs: int,
    batch_frames: int,
    learning_rate: float,
    hidden: int,
    dropout: float,
    seed: int,
    threads: int,
    device: str,
    as_json: bool,
) -> None:
    """Train a time-delay network for the tied states of MODEL_DIR, on the frames of DATA_DIR.

    ALIGNMENTS, transition-ids by utterance (ali.ark, or its folder), tell the state of each frame.

    OUT_DIR is a model as MODEL_DIR is, but for the network that scores in place of the Gaussians: the graphs of
    MODEL_DIR are its graphs (wfst-asr decode GRAPH DATA OUT --model OUT_DIR).  The command may be killed at any time;
    the same command goes on from the last checkpoint.
    """
    if find_spec("torch") is None:
        raise WfstAsrError("networks need PyTorch; install it with: pip install 'wfst-asr[neural]'")
    from wfst_asr.cli.training_progress import progress_of_training
    from wfst_asr.neural.options import FitOptions
    from wfst_asr.neural.tdnn_options import TdnnOptions
    from wfst_asr.recipe.hybrid_training import train_hybrid
    from wfst_asr.train.hybrid import HybridOptions

    options = HybridOptions(
        network=TdnnOptions(hidden=hidden, dropout=dropout),
        fit=FitOptions(
            epochs=epochs,
            batch_frames=batch_frames,
            learning_rate=learning_rate,
            average=0.99,
            seed=seed,
            threads=threads,
            device=device,
        ),
    )
    began, cpu = time.perf_counter(), time.process_time()
    with progress_of_training("hybrid") as step:
        summary = train_hybrid(model, data, alignments, out, options=options, step=step)
    seconds, cpu_seconds = round(time.perf_counter() - began, 2), round(time.process_time() - cpu, 2)
    if as_json:
        told = {"folder": str(out), **asdict(summary), "seconds": seconds, "cpu_seconds": cpu_seconds}
        click.echo(json.dumps(told))
        return
    click.echo(
        f"{out}: {summary.pdfs} pdfs, {summary.weights:,} weights from {summary.utterances} utterances "
        f"({summary.frames} frames); epoch {summary.best_epoch} of {summary.epochs}: {summary.frame_errors:.1f} % of "
        f"the frames of speakers held out have another best pdf; {cpu_seconds:.1f} s CPU"
    )
