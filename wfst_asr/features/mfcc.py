"""Mel-frequency cepstra in Kaldi's definition (`feature-mfcc.cc`)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.fbank import mel_energies
from wfst_asr.features.frames import EPSILON, FrameOptions, num_frames, windowed_frames
from wfst_asr.features.mel import MelOptions, mel_filters
from wfst_asr.features.products import product


@dataclass(frozen=True)
class MfccOptions:
    """Options of `mfcc`.

    Attributes:
        frames: how sound is cut.
        mel: the filters.
        num_ceps: cepstra, c0 included, at most the number of filters.
        use_energy: log energy in place of c0.
        raw_energy: take it before pre-emphasis and window.
        energy_floor: least energy (not its log); 0 for none.
        cepstral_lifter: 1 + Q/2 sin(pi i / Q) scales c_i; 0 for none.
        htk_compat: c0 or energy last, c0 times sqrt(2).
    """

    frames: FrameOptions = field(default_factory=FrameOptions)
    mel: MelOptions = field(default_factory=MelOptions)
    num_ceps: int = 13
    use_energy: bool = True
    raw_energy: bool = True
    energy_floor: float = 0.0
    cepstral_lifter: float = 22.0
    htk_compat: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.num_ceps <= self.mel.num_bins:
            raise WfstAsrError(
                f"num_ceps is {self.num_ceps}; expected 1 to the number of mel filters, {self.mel.num_bins}"
            )


def mfcc(
    samples: NDArray[np.float32],
    options: MfccOptions | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Compute mel-frequency cepstra.

    Args:
        samples: (N,) in 16-bit scale.
        options: Kaldi's defaults (without dither) if None.
        rng: random numbers for dither; needed only then.

    Returns:
        (T, num_ceps) float32.

    >>> mfcc(np.ones(16000, dtype=np.float32)).shape
    (98, 13)
    """
    options = options or MfccOptions()
    return mfcc_through(samples, options, mel_filters(options.mel, options.frames), cepstral_matrix(options), rng=rng)


def mfcc_through(
    samples: NDArray[np.float32],
    options: MfccOptions,
    filters: NDArray[np.float64],
    transform: NDArray[np.float64],
    *,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """`mfcc` with filters of `mel_filters` and a transform of `cepstral_matrix` made before, for many pieces."""
    result = np.empty((num_frames(len(samples), options.frames), options.num_ceps), dtype=np.float32)
    for chunk in windowed_frames(samples, options.frames, rng=rng):
        energies = mel_energies(chunk, filters, options.mel, options.frames)
        result[chunk.rows] = product(np.log(np.maximum(energies, EPSILON)), transform)
        if options.use_energy:
            result[chunk.rows, 0] = chunk.log_energy(raw=options.raw_energy, floor=options.energy_floor)
    if options.htk_compat:
        if not options.use_energy:
            result[:, 0] *= np.float32(np.sqrt(2.0))
        result = np.roll(result, -1, axis=1)
    return result


def cepstral_matrix(options: MfccOptions) -> NDArray[np.float64]:
    """Make the orthonormal DCT-II and the lifter in one (num_bins, num_ceps) matrix.

    >>> cepstral_matrix(MfccOptions(cepstral_lifter=0))[:, 0].round(4)[:2]
    array([0.2085, 0.2085])
    """
    bins = options.mel.num_bins
    order = np.arange(options.num_ceps)
    matrix = np.sqrt(2.0 / bins) * np.cos(np.pi / bins * (np.arange(bins)[:, None] + 0.5) * order)
    matrix[:, 0] = np.sqrt(1.0 / bins)
    if options.cepstral_lifter:
        matrix *= 1 + 0.5 * options.cepstral_lifter * np.sin(np.pi * order / options.cepstral_lifter)
    return np.asarray(matrix, dtype=np.float64)
