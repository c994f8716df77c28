"""The cepstra of a data directory: computed from its recordings, or read where they are already."""

import os
import warnings
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


def load_corpus(
    data_dir: str | os.PathLike[str],
    options: MfccOptions | None = None,
    *,
    report: Report | None = None,
) -> Corpus:
    """Load a data directory as a corpus of raw cepstra.

    Where the directory has a `feats.scp` (from `wfst-asr features extract DATA DATA` or Kaldi) it is read, else the
    recordings are.  Utterances without frames are left out and told once.

    Args:
        data_dir: Kaldi data directory with wav.scp, and text and utt2spk where they are needed.
        options: the cepstra; None: those of Kaldi's recipes (c0, not the energy) at the first recording's sample rate.
        report: called with (utterances done, all) now and then.

    Raises:
        WfstAsrError: the directory is bad, no utterance has frames, or the features have another dimension.
    """
    folder = Path(data_dir)
    data = read_data_dir(folder)
    stored = folder / FEATURES_NAME
    options = options or MfccOptions(frames=FrameOptions(sample_rate_hz=sample_rate_of(data)), use_energy=False)
    rows, empty = [], []
    matrices = _stored(stored, options) if stored.exists() else _computed(data, options)
    for done, utterance in enumerate(data.utterances):
        matrix = matrices(utterance)
        if len(matrix) == 0:
            empty.append(utterance)
        else:
            words = (data.text or {}).get(utterance, "").split()
            rows.append((utterance, data.speaker(utterance), words, matrix))
        if report:
            report(done + 1, len(data.utterances))
    if empty:
        some = ", ".join(empty[:3]) + (" ..." if len(empty) > 3 else "")
        warnings.warn(
            f"{folder}: {len(empty)} utterances shorter than a frame were left out: {some}",
            WfstAsrWarning,
            stacklevel=2,
        )
    if not rows:
        raise WfstAsrError(f"{folder}: every recording is shorter than one frame; check the recordings")
    return corpus_of(rows, frame_shift_s=options.frames.frame_shift_ms / 1000)


def sample_rate_of(data: DataDir) -> float:
    """Return the sample rate of the first recording, in Hz."""
    return float(data.read_audio(data.utterances[0]).sample_rate_hz)


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


def _computed(data: DataDir, options: MfccOptions) -> Callable[[str], NDArray[np.float32]]:
    rate = int(options.frames.sample_rate_hz)

    def compute(utterance: str) -> NDArray[np.float32]:
        return mfcc(data.read_audio(utterance, sample_rate_hz=rate).samples, options)

    return compute


def _stored(path: Path, options: MfccOptions) -> Callable[[str], NDArray[np.float32]]:
    table = ArchiveTable(path)
    nothing = np.empty((0, options.num_ceps), dtype=np.float32)

    def read(utterance: str) -> NDArray[np.float32]:
        if utterance not in table:
            return nothing
        matrix = table[utterance]
        if matrix.shape[1] != options.num_ceps:
            raise WfstAsrError(
                f"{path}: the features of '{utterance}' have {matrix.shape[1]} dimensions, expected "
                f"{options.num_ceps} cepstra; compute them again or remove the file"
            )
        return np.asarray(matrix, dtype=np.float32)

    return read
