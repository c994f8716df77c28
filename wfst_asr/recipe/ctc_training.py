"""Train a network of letters on data directories: features, training, the model's folder; a kill loses little."""

import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wfst_asr.atomic_files import check_writable_folder, written_aside
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.features.network_features import NetworkFeatures
from wfst_asr.io.data_dir import DataDir, read_data_dir
from wfst_asr.io.data_parts import with_speakers, with_utterances
from wfst_asr.recipe.corpus_features import sample_rate_of
from wfst_asr.recipe.corpus_layout import write_sets
from wfst_asr.recipe.neural_model import CURVES_NAME, NeuralModel, curves_text, write_neural_model
from wfst_asr.train.ctc import CtcOptions, Figures, SpokenText, train_ctc_network

Step = Callable[[str, int, int], None]
Folder = str | os.PathLike[str]
RUNNING_NAME, CHECKPOINT_NAME = ".training", "checkpoint"
_VALID_SHARE = 0.1


@dataclass(frozen=True)
class CtcSummary:
    """What a training came to.

    Attributes:
        tokens: of the network, blank among them.
        weights: numbers that were trained.
        utterances: trained on.
        seconds: of sound trained on.
        left_out: utterances that were not used.
        epochs: done.
        best_epoch: whose weights were kept.
        train_loss: of that epoch, a token.
        valid_loss: likewise.
        token_errors: greedy, of the validation data, in percent.
        word_errors: likewise, of words cut at the boundary.
        stopped: why it ended.
    """

    tokens: int
    weights: int
    utterances: int
    seconds: float
    left_out: int
    epochs: int
    best_epoch: int
    train_loss: float
    valid_loss: float
    token_errors: float
    word_errors: float
    stopped: str


def train_ctc(
    data_dir: Path | Sequence[Path],
    out_dir: Path,
    *,
    valid_dir: Path | Sequence[Path] | None = None,
    options: CtcOptions | None = None,
    recordings: Path | None = None,
    step: Step | None = None,
) -> CtcSummary:
    """Train a network and write its folder, see `wfst_asr.recipe.neural_model`.

    While it runs, the checkpoint and curves.json are in the folder `.training` inside; a call with the same data and
    options goes on there.  A model that the folder held stays until the new one is whole.

    Args:
        data_dir: data directory with transcripts, or several.
        out_dir: folder of the model.
        valid_dir: the same to validate with; None: one speaker in ten of `data_dir`, which is not trained on, or one
            utterance in ten where there are fewer than ten speakers.
        options: see CtcOptions; None: the usual ones at the sample rate of the first recording.
        recordings: the folder that they are in: an input of a stage, not read here.
        step: told what is done.

    Raises:
        WfstAsrError: a directory is bad, nothing can be used, or training fails.
    """
    del recordings
    if options is None:
        rate = sample_rate_in(_listed(data_dir)[0])
        options = CtcOptions(NetworkFeatures(sample_rate_hz=rate, num_bins=40 if rate >= 16000 else 30))
    told = step or (lambda _what, _at, _of: None)
    check_writable_folder(out_dir)
    train = [_with_text(folder) for folder in _listed(data_dir)]
    if valid_dir is None:
        parts = [split_valid(data) for data in train]
        train, valid = [first for first, _ in parts], [second for _, second in parts]
    else:
        valid = [_with_text(folder) for folder in _listed(valid_dir)]
    left_out: dict[str, str] = {}
    spoken = [one for data in train for one in spoken_texts(data, options.features, left_out, step=told)]
    held_out = [one for data in valid for one in spoken_texts(data, options.features, left_out, step=told)]
    running = out_dir / RUNNING_NAME
    checkpoint = running / CHECKPOINT_NAME
    try:
        trained = train_ctc_network(
            spoken,
            held_out,
            options,
            checkpoint=checkpoint,
            progress=told,
            on_epoch=lambda history: _write_curves(running / CURVES_NAME, history),
        )
    except BaseException:
        if not checkpoint.exists():
            shutil.rmtree(running, ignore_errors=True)
            with suppress(OSError):
                out_dir.rmdir()
        raise
    left_out.update(trained.left_out)
    _warn_of(left_out, len(spoken) + len(held_out))
    best = trained.best
    summary = CtcSummary(
        tokens=len(trained.tokens),
        weights=sum(weight.numel() for weight in trained.network.parameters()),
        utterances=trained.utterances,
        seconds=round(trained.seconds, 1),
        left_out=len(left_out),
        epochs=len(trained.history),
        best_epoch=trained.best_epoch,
        train_loss=round(best["train_loss"], 4),
        valid_loss=round(best["loss"], 4),
        token_errors=round(best["token_errors"], 3),
        word_errors=round(best["word_errors"], 3),
        stopped=trained.stopped,
    )
    figures = {**vars(summary), "seed": options.fit.seed}
    model = NeuralModel(trained.network, trained.tokens, options.features, 0, options.boundary, figures)
    write_neural_model(model, out_dir, history=trained.history)
    shutil.rmtree(running, ignore_errors=True)
    return summary


def spoken_texts(
    data: DataDir, features: NetworkFeatures, left_out: dict[str, str], *, step: Step | None = None
) -> list[SpokenText]:
    """Return the utterances of a data directory with their features.

    Args:
        data: with transcripts.
        features: to compute.
        left_out: gets the reason of each utterance that nothing can be made of.
        step: told how far it is.
    """
    found = []
    for number, utterance in enumerate(data.utterances, start=1):
        try:
            sound = data.read_audio(utterance, sample_rate_hz=features.sample_rate_hz, warn=False)
        except WfstAsrError as error:
            left_out[utterance] = str(error)
            continue
        matrix = features.of(sound.samples)
        if len(sound.samples) == 0 or len(matrix) == 0:
            left_out[utterance] = "shorter than a frame"
        elif np.ptp(sound.samples) == 0:
            left_out[utterance] = "no sound: every sample is the same"
        else:
            found.append(SpokenText(utterance, matrix, tuple((data.text or {}).get(utterance, "").split())))
        if step:
            step("features", number, len(data.utterances))
    return found


def split_valid(data: DataDir) -> tuple[DataDir, DataDir]:
    """Return data to train on and to validate with: one speaker in ten, or one utterance in ten of fewer speakers.

    Raises:
        WfstAsrError: there is but one utterance.
    """
    every = round(1 / _VALID_SHARE)
    if len(data.spk2utt) >= every:
        held = list(data.spk2utt)[every // 2 :: every]
        kept = [speaker for speaker in data.spk2utt if speaker not in held]
        return with_speakers(data, kept), with_speakers(data, held)
    if len(data.utterances) < 2:
        raise WfstAsrError("one utterance is not enough to train and to validate; name data to validate with")
    chosen = set(data.utterances[min(every // 2, len(data.utterances) - 1) :: every])
    return with_utterances(data, [name for name in data.utterances if name not in chosen]), with_utterances(
        data, chosen
    )


def hold_out(out_dir: Path, *, data_dir: Path) -> dict[str, Any]:
    """Write train/ and valid/ below a folder, see `split_valid`; return numbers of utterances and speakers."""
    train, valid = split_valid(_with_text(data_dir))
    return write_sets({"train": train, "valid": valid}, out_dir)


def sample_rate_in(data_dir: Path) -> int:
    """Return the sample rate of the first recording of a data directory that can be read, in Hz.

    Raises:
        WfstAsrError: the directory is bad, or none can be read.
    """
    return int(sample_rate_of(_with_text(data_dir)))


def _with_text(folder: Path) -> DataDir:
    data = read_data_dir(folder)
    if data.text is None:
        raise WfstAsrError(f"{folder / 'text'}: no such file; expected 'utterance-id WORDS' lines")
    return data


def _listed(folders: Path | Sequence[Path]) -> list[Path]:
    return [folders] if isinstance(folders, Path) else list(folders)


def _write_curves(path: Path, history: Sequence[Figures]) -> None:
    with written_aside(path) as aside:
        aside.write_text(curves_text(history), encoding="utf-8")


def _warn_of(left_out: Mapping[str, str], used: int) -> None:
    if not left_out:
        return
    some = ", ".join(f"'{name}' ({reason})" for name, reason in list(left_out.items())[:3])
    more = ", ..." if len(left_out) > 3 else ""
    warnings.warn(
        f"{len(left_out)} of {len(left_out) + used} utterances were left out: {some}{more}",
        WfstAsrWarning,
        stacklevel=3,
    )
