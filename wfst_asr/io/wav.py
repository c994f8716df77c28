"""Recordings: wav, flac, ogg and whatever else libsndfile reads, as one float32 channel.

The unit of samples is the 16-bit integer's, as Kaldi's and Sphinx's features expect: full scale is 32768, whatever the
file's own sample type.
"""

import math
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning

FULL_SCALE = 32768.0
_LOUDEST = 1e6  # times full scale; some programs write 16-bit numbers as floats
_LOWEST_RATE_HZ = 1000
_UNKNOWN_BYTES = 0x7FFF0000  # programs that write into a pipe announce at least so many bytes
_ANNOUNCED = re.compile(r"^data *: (\d+) \(should be \d+\)", re.MULTILINE)


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
    blocks, rate, cut_short = _read_blocks(Path(path), start_s, end_s)
    if not np.isfinite(blocks).all():
        bad = int(np.argmin(np.isfinite(blocks).all(axis=1)))
        raise WfstAsrError(
            f"{path}: sample {bad} is NaN or infinite; expected numbers: write the recording again from its source"
        )
    channels = blocks.shape[1]
    actions = ["it ends before the length that its header tells"] if cut_short else []
    if channels > 1:
        samples = blocks.mean(axis=1, dtype=np.float64).astype(np.float32)
        actions.append("mixed to one channel")
    else:
        samples = np.ascontiguousarray(blocks[:, 0])
    if np.abs(samples).max() > _LOUDEST:
        raise WfstAsrError(
            f"{path}: sample {np.abs(samples).argmax()} is {np.abs(samples).max():g} times full scale; "
            "expected floats of about -1 to 1: scale the recording"
        )
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


def _read_blocks(path: Path, start_s: float, end_s: float | None) -> tuple[NDArray[np.float32], int, bool]:
    """Return samples (N, channels) at full scale 1, the rate, and whether the file is shorter than its header says."""
    import soundfile

    if path.is_dir():
        raise WfstAsrError(f"{path}: is a folder; expected an audio file (wav, flac, ogg)")
    if path.exists() and not path.is_file():  # opening a pipe could wait for ever
        raise WfstAsrError(f"{path}: is a pipe or a device; write the sound to a file (wav, flac, ogg) first")
    try:
        with open(path, "rb") as file:  # a plain open tells a missing file from a damaged one
            if os.fstat(file.fileno()).st_size == 0:
                raise WfstAsrError(f"{path}: the file is empty (0 bytes); expected audio (wav, flac, ogg)")
            with soundfile.SoundFile(file) as sound:
                rate = int(sound.samplerate)
                if rate < _LOWEST_RATE_HZ:
                    raise WfstAsrError(
                        f"{path}: its header tells of {rate} samples a second; expected {_LOWEST_RATE_HZ} or more: "
                        "the file is damaged, write it again"
                    )
                announced = _ANNOUNCED.search(sound.extra_info)
                cut_short = announced is not None and int(announced[1]) < _UNKNOWN_BYTES
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
    return blocks, rate, cut_short


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
