"""The cepstra of a data directory: computed from its recordings, or read where they are already."""

import os
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.features.frames import FrameOptions
from wfst_asr.features.mfcc import MfccOptions, mfcc
from wfst_asr.io.archives import ArchiveTable, matrix_writer
from wfst_asr.io.data_dir import DataDir, read_data_dir
from wfst_asr.train.corpus import Corpus, corpus_of

FEATURES_NAME = "feats.scp"

Report = Callable[[int, int], None]  # done, total
_SAME = 1e-4  # cepstra that differ by less are those of one sound


def load_corpus(
    data_dir: str | os.PathLike[str],
    options: MfccOptions | None = None,
    *,
    report: Report | None = None,
) -> Corpus:
    """Load a data directory as a corpus of raw cepstra.

    Where the directory has a `feats.scp` (from `wfst-asr features extract DATA DATA` or Kaldi) it is read, else the
    recordings are.  Utterances that nothing can be made of (a recording that cannot be read, less than a frame, nothing
    but digital silence, features that are no numbers) are left out, named in `Corpus.left_out` and told once.

    Args:
        data_dir: Kaldi data directory with wav.scp, and text and utt2spk where they are needed.
        options: the cepstra; None: those of Kaldi's recipes (c0, not the energy) at the first recording's sample rate.
        report: called with (utterances done, all) now and then.

    Raises:
        WfstAsrError: the directory is bad, no utterance can be used, or stored features have another dimension.
    """
    folder = Path(data_dir)
    data = read_data_dir(folder)
    stored = folder / FEATURES_NAME
    options = options or MfccOptions(frames=FrameOptions(sample_rate_hz=sample_rate_of(data)), use_energy=False)
    rows, left_out = [], {}
    conversions: Counter[str] = Counter()
    matrices = _stored(stored, options) if stored.exists() else _computed(data, options, conversions)
    for done, utterance in enumerate(data.utterances):
        try:
            matrix = matrices(utterance)
        except UnusableError as error:
            left_out[utterance] = str(error)
        else:
            words = (data.text or {}).get(utterance, "").split()
            rows.append((utterance, data.speaker(utterance), words, matrix))
        if report:
            report(done + 1, len(data.utterances))
    if not rows:
        utterance, reason = next(iter(left_out.items()))
        raise WfstAsrError(f"{folder}: not one of {len(left_out)} utterances can be used; '{utterance}': {reason}")
    told = [f"{count} of {len(rows)} utterances, {conversion}" for conversion, count in conversions.items()]
    if left_out:
        some = ", ".join(f"'{name}' ({reason})" for name, reason in list(left_out.items())[:3])
        told.append(f"{len(left_out)} utterances were left out: {some}" + (", ..." if len(left_out) > 3 else ""))
    for text in told:
        warnings.warn(f"{folder}: {text}", WfstAsrWarning, stacklevel=2)
    return corpus_of(rows, frame_shift_s=options.frames.frame_shift_ms / 1000, left_out=left_out)


class UnusableError(WfstAsrError):
    """Nothing can be made of one utterance; the others may be fine."""


def sample_rate_of(data: DataDir) -> float:
    """Return the sample rate of the first recording that can be read, in Hz.

    Raises:
        WfstAsrError: none can be read: what is wrong with the first.
    """
    first: WfstAsrError | None = None
    for utterance in data.utterances:
        try:
            return float(data.read_audio(utterance, warn=False).sample_rate_hz)
        except WfstAsrError as error:
            first = first or error
    raise first or WfstAsrError("there are no recordings")


def store_features(
    data_dir: str | os.PathLike[str], options: MfccOptions | None = None, *, report: Report | None = None
) -> int:
    """Compute the cepstra of a data directory and write them into it (feats.ark, feats.scp); return the frames."""
    folder = Path(data_dir)
    (folder / FEATURES_NAME).unlink(missing_ok=True)
    corpus = load_corpus(folder, options, report=report)
    with matrix_writer(folder / "feats.ark", scp=folder / FEATURES_NAME) as write:
        for index, utterance in enumerate(corpus.utterances):
            write(utterance, corpus.raw(index))
    return corpus.num_frames


def _computed(data: DataDir, options: MfccOptions, conversions: Counter[str]) -> Callable[[str], NDArray[np.float32]]:
    rate = int(options.frames.sample_rate_hz)

    def compute(utterance: str) -> NDArray[np.float32]:
        try:
            audio = data.read_audio(utterance, sample_rate_hz=rate, warn=False)
        except WfstAsrError as error:
            raise UnusableError(str(error)) from error
        if audio.conversion:
            conversions[audio.conversion] += 1
        if len(audio.samples) and np.ptp(audio.samples) == 0:
            raise UnusableError(f"no sound: every sample is {audio.samples[0]:g}")
        return _usable(mfcc(audio.samples, options))

    return compute


def _stored(path: Path, options: MfccOptions) -> Callable[[str], NDArray[np.float32]]:
    table = ArchiveTable(path)

    def read(utterance: str) -> NDArray[np.float32]:
        if utterance not in table:
            raise UnusableError(f"{path.name} has no features of it")
        matrix = table[utterance]
        if len(matrix) and matrix.shape[1] != options.num_ceps:
            raise WfstAsrError(
                f"{path}: the features of '{utterance}' have {matrix.shape[1]} dimensions, expected "
                f"{options.num_ceps} cepstra; compute them again or remove the file"
            )
        return _usable(np.asarray(matrix, dtype=np.float32))

    return read


def _usable(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Refuse features that would spoil the normalisation of their speaker."""
    if len(matrix) == 0:
        raise UnusableError("shorter than a frame")
    if not np.isfinite(matrix).all():
        frame = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise UnusableError(f"its features hold a value that is no finite number, first in frame {frame}")
    if len(matrix) > 1 and float(np.ptp(matrix, axis=0).max()) < _SAME:
        raise UnusableError(f"no sound: all {len(matrix)} frames are the same")
    return matrix
