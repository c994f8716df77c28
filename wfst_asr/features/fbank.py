"""Log mel filter-bank energies in Kaldi's definition (`feature-fbank.cc`)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wfst_asr.features.frames import EPSILON, FrameChunk, FrameOptions, num_frames, windowed_frames
from wfst_asr.features.mel import MelOptions, mel_filters
from wfst_asr.features.products import product


@dataclass(frozen=True)
class FbankOptions:
    """Options of `fbank`.

    Attributes:
        frames: how sound is cut.
        mel: the filters.
        use_energy: add the log energy as column 0 (as the last with `htk_compat`).
        raw_energy: take it before pre-emphasis and window.
        energy_floor: least energy (not its log); 0 for none.
        htk_compat: put the energy last.
        use_log_fbank: logarithms of the energies.
        use_power: filters over power; otherwise over magnitude.
    """

    frames: FrameOptions = field(default_factory=FrameOptions)
    mel: MelOptions = field(default_factory=MelOptions)
    use_energy: bool = False
    raw_energy: bool = True
    energy_floor: float = 0.0
    htk_compat: bool = False
    use_log_fbank: bool = True
    use_power: bool = True


def fbank(
    samples: NDArray[np.float32],
    options: FbankOptions | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Compute mel filter-bank energies.

    Args:
        samples: (N,) in 16-bit scale.
        options: Kaldi's defaults (without dither) if None.
        rng: random numbers for dither; needed only then.

    Returns:
        (T, num_bins) float32, one more column with `use_energy`.

    >>> fbank(np.ones(16000, dtype=np.float32)).shape
    (98, 23)
    """
    options = options or FbankOptions()
    filters = mel_filters(options.mel, options.frames)
    frames = num_frames(len(samples), options.frames)
    result = np.empty((frames, options.mel.num_bins + int(options.use_energy)), dtype=np.float32)
    first = int(options.use_energy and not options.htk_compat)
    columns = slice(first, first + options.mel.num_bins)
    for chunk in windowed_frames(samples, options.frames, rng=rng):
        energies = mel_energies(chunk, filters, options.mel, options.frames, use_power=options.use_power)
        if options.use_log_fbank:
            energies = np.log(np.maximum(energies, EPSILON))
        result[chunk.rows, columns] = energies
        if options.use_energy:
            column = options.mel.num_bins if options.htk_compat else 0
            result[chunk.rows, column] = chunk.log_energy(raw=options.raw_energy, floor=options.energy_floor)
    return result


def mel_energies(
    chunk: FrameChunk,
    filters: NDArray[np.float64],
    mel: MelOptions,
    frames: FrameOptions,
    *,
    use_power: bool = True,
) -> NDArray[np.float64]:
    """Compute mel energies (n, num_bins) of some frames."""
    spectrum = chunk.power_spectrum(frames.fft_size)
    energies = product(spectrum if use_power else np.sqrt(spectrum), filters)
    return np.maximum(energies, 1.0) if mel.htk_mode else energies
