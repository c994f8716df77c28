"""`wfst-asr features`: compute the features of a data directory."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = ("mfcc", "fbank", "spectrogram", "sphinx")


@click.group()
def features() -> None:
    """Compute features of recordings."""


@features.command()
@click.argument("data_dir", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(KINDS), default="mfcc", show_default=True)
@click.option("--feat-params", type=click.Path(path_type=Path), help="Of the Sphinx model (kind sphinx).")
@click.option(
    "--sample-rate",
    "sample_rate_hz",
    type=click.IntRange(1),
    help="In Hz; 16000, or what feat.params says, if not given.",
)
@click.option("--num-mel-bins", type=int, help="Mel filters (mfcc and fbank; 23 if not given).")
@click.option("--num-ceps", type=int, help="Cepstra (mfcc; 13 if not given).")
@click.option("--low-freq", "low_freq_hz", type=float, help="Lower edge of the filters in Hz (mfcc and fbank).")
@click.option("--high-freq", "high_freq_hz", type=float, help="Upper edge in Hz; 0 or less counts from the top.")
@click.option("--frame-shift-ms", type=float, help="10 if not given (not for sphinx).")
@click.option("--frame-length-ms", type=float, help="25 if not given (not for sphinx).")
@click.option("--window", type=str, help="povey, hamming, hanning, rectangular, blackman or sine (not for sphinx).")
@click.option("--snip-edges/--no-snip-edges", default=None, help="Only frames that fit (not for sphinx).")
@click.option("--use-energy/--no-use-energy", default=None, help="Energy for c0, or before the filters (mfcc, fbank).")
@click.option("--dither", type=float, default=0.0, show_default=True, help="Kaldi's default is 1 (not for sphinx).")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the dither.")
@click.option("--compress", is_flag=True, help="Write Kaldi's compressed matrices.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def extract(data_dir: Path, output: Path, compress: bool, as_json: bool, **choices: Any) -> None:
    """Compute features of every utterance of DATA_DIR, into OUTPUT/feats.ark and OUTPUT/feats.scp."""
    from rich.progress import track

    from wfst_asr.io.archives import matrix_writer
    from wfst_asr.io.data_dir import read_data_dir

    compute, rate = _computer(**choices)
    data = read_data_dir(data_dir)
    started, cpu_started = time.perf_counter(), time.process_time()
    seconds, frames, empty = 0.0, 0, []
    with matrix_writer(output / "feats.ark", scp=output / "feats.scp", compress=compress) as write:
        sounds = track(
            data.audio(sample_rate_hz=rate),
            description=f"{choices['kind']} features",
            total=len(data.utterances),
            disable=as_json or not sys.stderr.isatty(),
            console=_stderr(),
        )
        for utterance, sound in sounds:
            matrix = compute(sound.samples)
            seconds += sound.duration_s
            if len(matrix) == 0:
                empty.append(utterance)
                continue
            frames += len(matrix)
            write(utterance, matrix)
        if len(empty) == len(data.utterances):
            raise WfstAsrError(f"{data_dir}: every recording is shorter than one frame; check the sample rate")
    if empty:
        import warnings

        from wfst_asr.errors import WfstAsrWarning

        some = ", ".join(empty[:3]) + (" ..." if len(empty) > 3 else "")
        warnings.warn(
            f"utterances shorter than a frame were left out, {len(empty)}: {some}", WfstAsrWarning, stacklevel=2
        )
    result = {
        "kind": choices["kind"],
        "utterances": len(data.utterances) - len(empty),
        "left_out": empty,
        "frames": frames,
        "audio_seconds": round(seconds, 2),
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(time.process_time() - cpu_started, 3),
        "scp": str(output / "feats.scp"),
    }
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(
            f"{result['scp']}: {frames} frames of {result['utterances']} utterances, {seconds:.1f} s of sound in "
            f"{result['cpu_seconds']} s CPU"
        )


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _computer(
    kind: str, feat_params: Path | None, sample_rate_hz: int | None, seed: int, **choices: Any
) -> tuple[Callable[["NDArray[np.float32]"], "NDArray[np.float32]"], int]:
    """Return what computes one recording's features, and the sample rate it wants."""
    import numpy as np

    rng = np.random.default_rng(seed)
    if kind == "sphinx":
        return _sphinx_computer(feat_params, sample_rate_hz, {**choices, "dither": choices["dither"] or None})
    if feat_params is not None:
        raise click.UsageError("--feat-params goes with --kind sphinx.")
    from wfst_asr.features.fbank import FbankOptions, fbank
    from wfst_asr.features.frames import FrameOptions
    from wfst_asr.features.mel import MelOptions
    from wfst_asr.features.mfcc import MfccOptions, mfcc
    from wfst_asr.features.spectrogram import SpectrogramOptions, spectrogram

    given = {name: value for name, value in choices.items() if value is not None}
    names = {"num_mel_bins": "num_bins", "low_freq_hz": "low_freq_hz", "high_freq_hz": "high_freq_hz"}
    mel = {names[name]: given.pop(name) for name in names if name in given}
    others = {name: given.pop(name) for name in ("num_ceps", "use_energy") if name in given}
    rate = sample_rate_hz or 16000
    frames = FrameOptions(sample_rate_hz=rate, **given)
    unfit = {"mfcc": set(), "fbank": {"num_ceps"}}.get(kind, {*mel, *others}) & {*mel, *others}
    if unfit:
        raise click.UsageError(f"--kind {kind} has no option {', '.join(sorted(unfit))}.")
    if kind == "mfcc":
        mfcc_options = MfccOptions(frames=frames, mel=MelOptions(**mel), **others)
        return lambda samples: mfcc(samples, mfcc_options, rng=rng), rate
    if kind == "fbank":
        fbank_options = FbankOptions(frames=frames, mel=MelOptions(**mel), **others)
        return lambda samples: fbank(samples, fbank_options, rng=rng), rate
    options = SpectrogramOptions(frames=frames)
    return lambda samples: spectrogram(samples, options, rng=rng), rate


def _sphinx_computer(
    feat_params: Path | None, sample_rate_hz: int | None, choices: dict[str, Any]
) -> tuple[Callable[["NDArray[np.float32]"], "NDArray[np.float32]"], int]:
    from dataclasses import replace

    from wfst_asr.features.sphinx_mfcc import sphinx_mfcc
    from wfst_asr.features.sphinx_options import SphinxFeatureOptions, read_feat_params

    unfit = sorted(name for name, value in choices.items() if value is not None)
    if unfit:
        raise click.UsageError(f"--kind sphinx takes its options from --feat-params, not {', '.join(unfit)}.")
    options = SphinxFeatureOptions() if feat_params is None else read_feat_params(feat_params)
    if sample_rate_hz:
        options = replace(options, samprate=float(sample_rate_hz))
    return lambda samples: sphinx_mfcc(samples, options), round(options.samprate)
