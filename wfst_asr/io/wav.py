"""Recordings: wav, flac, ogg and whatever else libsndfile reads, as one float32 channel.

The unit of samples is the 16-bit integer's, as Kaldi's and Sphinx's features expect: full scale is 32768, whatever the
file's own sample type.
"""

import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning

FULL_SCALE = 32768.0


@dataclass(frozen=True)
class Audio:
    """One channel of sound.

    Attributes:
        samples: (N,) float32 in 16-bit integer scale: full scale is 32768.
        sample_rate_hz: samples a second.
        conversion: what was done to the file to get here ("44100 Hz stereo: mixed to ..."), empty if nothing.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    conversion: str = ""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz


def read_audio(
    path: str | os.PathLike[str],
    *,
    sample_rate_hz: int | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    warn: bool = True,
) -> Audio:
    """Read a recording as one channel in 16-bit scale.

    Several channels are averaged; another sample rate is converted with `scipy.signal.resample_poly`.  Either gives one
    WfstAsrWarning that says what was done, or, with `warn=False`, only the text in `Audio.conversion` (for callers that
    read many files and warn once).

    Args:
        path: wav, flac, ogg or another file of libsndfile.
        sample_rate_hz: the rate wanted; None keeps the file's.
        start_s: where to start, in seconds.
        end_s: where to end, in seconds; None reads to the end, and an end after the file's is the file's.
        warn: give the note as a warning.

    Raises:
        WfstAsrError: the file is missing, a folder, not audio, empty, or has NaN or infinite samples; or nothing of it
            lies between `start_s` and `end_s`.

    >>> import tempfile, soundfile
    >>> name = os.path.join(tempfile.mkdtemp(), "a.wav")
    >>> soundfile.write(name, np.array([0.5, -0.25]), 8000)
    >>> read_audio(name).samples
    array([16384., -8192.], dtype=float32)
    """
    blocks, rate = _read_blocks(Path(path), start_s, end_s)
    if not np.isfinite(blocks).all():
        bad = int(np.argmin(np.isfinite(blocks).all(axis=1)))
        raise WfstAsrError(
            f"{path}: sample {bad} is NaN or infinite; expected numbers: write the recording again from its source"
        )
    channels = blocks.shape[1]
    actions = []
    if channels > 1:
        samples = blocks.mean(axis=1, dtype=np.float64).astype(np.float32)
        actions.append("mixed to one channel")
    else:
        samples = np.ascontiguousarray(blocks[:, 0])
    samples *= np.float32(FULL_SCALE)
    wanted = rate if sample_rate_hz is None else sample_rate_hz
    if wanted < 1:
        raise WfstAsrError(f"a sample rate of {wanted} Hz was asked for; expected a positive number")
    if wanted != rate:
        samples = resample(samples, rate, wanted)
        actions.append(f"resampled to {wanted} Hz")
    conversion = ""
    if actions:
        names = {1: "mono", 2: "stereo"}
        conversion = f"{rate} Hz {names.get(channels, f'{channels} channels')}: {' and '.join(actions)}"
        if warn:
            warnings.warn(f"{path}: {conversion}", WfstAsrWarning, stacklevel=2)
    return Audio(samples, wanted, conversion)


def _read_blocks(path: Path, start_s: float, end_s: float | None) -> tuple[NDArray[np.float32], int]:
    """Return samples (N, channels) at full scale 1, and the rate."""
    import soundfile

    if path.is_dir():
        raise WfstAsrError(f"{path}: is a folder; expected an audio file (wav, flac, ogg)")
    try:
        with open(path, "rb") as file:  # a plain open tells a missing file from a damaged one
            if os.fstat(file.fileno()).st_size == 0:
                raise WfstAsrError(f"{path}: the file is empty (0 bytes); expected audio (wav, flac, ogg)")
            with soundfile.SoundFile(file) as sound:
                rate = int(sound.samplerate)
                total = int(sound.frames)
                first = round(start_s * rate)
                last = total if end_s is None else min(total, round(end_s * rate))
                if total <= 0:
                    raise WfstAsrError(f"{path}: the recording is empty (0 samples); remove it or record it again")
                if not 0 <= first < last:
                    raise WfstAsrError(
                        f"{path}: nothing lies between {start_s:g} s and {end_s if end_s is not None else 'the end'} "
                        f"s of a recording of {total / rate:.2f} s; correct the segment"
                    )
                if first:
                    sound.seek(first)
                blocks = sound.read(last - first, dtype="float32", always_2d=True)
    except FileNotFoundError as error:
        raise WfstAsrError(f"{path}: no such file; expected an audio file (wav, flac, ogg)") from error
    except soundfile.LibsndfileError as error:
        raise WfstAsrError(
            f"{path}: not audio that can be read ({error.error_string.rstrip('.')}); expected wav, flac or ogg"
        ) from error
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if len(blocks) == 0:
        raise WfstAsrError(f"{path}: the recording is empty (0 samples); remove it or record it again")
    return blocks, rate


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Convert the sample rate with a polyphase low-pass filter (Kaiser window, beta 5).

    >>> resample(np.zeros(441, dtype=np.float32), 44100, 16000).shape
    (160,)
    """
    from scipy.signal import resample_poly

    divisor = math.gcd(from_hz, to_hz)
    converted: NDArray[np.float32] = resample_poly(samples, to_hz // divisor, from_hz // divisor).astype(
        np.float32, copy=False
    )
    return converted
