"""Mel-frequency cepstra in Sphinx's definition, equal to the program `sphinx_fe` within 1e-3.

Pre-emphasis over the whole recording, Hamming windows, power spectrum, triangular mel filters, noise removal,
logarithm, cosine transform and liftering (Sphinx's `fe_sigproc.c`).  The last frame is what is left over at the
end, padded with zeros, so there is always one more than the windows that fit.
"""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.products import product
from wfst_asr.features.sphinx_noise import noise_state
from wfst_asr.features.sphinx_options import SphinxFeatureOptions

LOG_FLOOR = 1e-4
_CHUNK_FRAMES = 32  # stays in the cache


def num_sphinx_frames(num_samples: int, options: SphinxFeatureOptions) -> int:
    """Frames that `sphinx_mfcc` makes of that many samples: the windows that fit, and the rest as one more.

    >>> num_sphinx_frames(16000, SphinxFeatureOptions())
    99
    """
    if num_samples < options.frame_length:
        return int(num_samples > 0)
    whole = 1 + (num_samples - options.frame_length) // options.frame_shift
    return whole + int(num_samples > whole * options.frame_shift)


def sphinx_mfcc(
    samples: NDArray[np.float32],
    options: SphinxFeatureOptions | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Compute Sphinx's cepstra of a recording, without normalisation and dynamic features.

    Args:
        samples: (N,) in 16-bit scale at `options.samprate`.
        options: those of the model; Sphinx's defaults if None.
        rng: random numbers for `options.dither`; needed only then.

    Returns:
        (T, ncep) float32, T as `num_sphinx_frames`.

    Raises:
        WfstAsrError: samples are not one channel, or dither is asked for without `rng`.

    >>> sphinx_mfcc(np.zeros(16000, dtype=np.float32)).shape
    (99, 13)
    """
    options = options or SphinxFeatureOptions()
    logs = sphinx_log_energies(samples, options, rng=rng)
    return product(logs, cepstral_matrix(options)).astype(np.float32)


def sphinx_log_energies(
    samples: NDArray[np.float32], options: SphinxFeatureOptions, *, rng: np.random.Generator | None = None
) -> NDArray[np.float64]:
    """Log mel energies (T, nfilt), after noise removal: what `sphinx_fe -logspec yes` writes."""
    energies = _mel_energies(np.asarray(samples), options, rng)
    if options.remove_noise:
        from wfst_asr.features._kernels import remove_noise_kernel

        energies = remove_noise_kernel(energies, noise_state(energies))
    energies += LOG_FLOOR
    logs: NDArray[np.float64] = np.log(energies, out=energies)
    return logs


def _mel_energies(
    samples: NDArray[np.float32], options: SphinxFeatureOptions, rng: np.random.Generator | None
) -> NDArray[np.float64]:
    if samples.ndim != 1:
        raise WfstAsrError(f"samples have shape {samples.shape}; expected one channel (N,)")
    if options.dither:
        if rng is None:
            raise WfstAsrError("the option -dither needs random numbers; pass rng=numpy.random.default_rng(seed)")
        samples = samples + (rng.integers(0, 4, len(samples)) == 0)
    shift, length = options.frame_shift, options.frame_length
    frames = num_sphinx_frames(len(samples), options)
    energies = np.empty((frames, options.nfilt))
    window = np.hamming(length)
    filters = mel_filters(options)
    for first in range(0, frames, _CHUNK_FRAMES):
        last = min(first + _CHUNK_FRAMES, frames)
        start, stop = first * shift, (last - 1) * shift + length
        # the sample before the first frame comes along for the pre-emphasis
        piece = samples[start - 1 : stop] if start else np.concatenate([np.zeros(1, samples.dtype), samples[:stop]])
        energies[first:last] = frame_energies(piece, last - first, options, window, filters)
    return energies


def frame_energies(
    piece: NDArray[np.float32],
    frames: int,
    options: SphinxFeatureOptions,
    window: NDArray[np.float64],
    filters: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mel energies (frames, nfilt) of successive frames, before noise removal.

    Args:
        piece: the sample before the first frame (0 at the beginning of the recording) and those from there on; what
            lacks to the end of the last frame is taken as zeros.
        frames: how many.
        options: those of the model.
        window: (frame_length,).
        filters: of `mel_filters`.
    """
    shift, length = options.frame_shift, options.frame_length
    padded = np.zeros((frames - 1) * shift + length + 1)
    have = piece[: len(padded)]
    padded[: len(have)] = have
    emphasised = padded[1:] - np.float32(options.alpha) * padded[:-1]
    emphasised[max(len(have) - 1, 0) :] = 0.0
    windows = np.lib.stride_tricks.sliding_window_view(emphasised, length)[::shift]
    if options.remove_dc:
        windows = windows - windows.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(windows * window, options.fft_size)
    return product(spectrum.real**2 + spectrum.imag**2, filters)


def mel_filters(options: SphinxFeatureOptions) -> NDArray[np.float64]:
    """Triangular filters as a (fft_size / 2 + 1, nfilt) matrix, in float32 steps as Sphinx makes them.

    Raises:
        WfstAsrError: the filters are narrower than the FFT's bins, or with `doublebw` reach over its range.
    """
    single = np.float32
    low, high = _mel(single(options.lowerf)), _mel(single(options.upperf))
    width = single(high - low) / single(options.nfilt + 1)
    if options.doublebw:
        low, high = single(low - width), single(high + width)
        if _hertz(low) < 0 or _hertz(high) > options.samprate / 2:
            raise WfstAsrError(
                f"with -doublebw the filters reach from {_hertz(low):.0f} to {_hertz(high):.0f} Hz; expected 0 to "
                f"{options.samprate / 2:g} Hz: raise -lowerf or lower -upperf"
            )
    bin_hz = single(options.samprate) / single(options.fft_size)
    bins = np.arange(options.fft_size // 2 + 1).astype(single) * bin_hz
    filters = np.zeros((len(bins), options.nfilt))
    for i in range(options.nfilt):
        steps = (i, i + 2, i + 4) if options.doublebw else (i, i + 1, i + 2)
        left, centre, right = (_hertz(single(single(step) * width + low)) for step in steps)
        if options.round_filters:
            left, centre, right = (single(int(single(edge / bin_hz) + 0.5)) * bin_hz for edge in (left, centre, right))
        if not left < centre < right:
            raise WfstAsrError(
                f"mel filter {i} ({left:.1f} to {right:.1f} Hz) is narrower than the FFT's bins of {bin_hz:.1f} Hz; "
                f"lower -nfilt ({options.nfilt}) or raise -nfft ({options.fft_size})"
            )
        inside = (bins >= left) & (bins <= right)
        inside[-1] = False
        rising = (bins - left) / (centre - left)
        falling = (right - bins) / (right - centre)
        if options.unit_area:
            height = single(2) / (right - left)
            rising, falling = rising * height, falling * height
        filters[inside, i] = np.minimum(rising, falling)[inside]
    return filters


def _mel(hertz: np.float32) -> np.float32:
    return np.float32(2595.0 * np.log10(1.0 + float(hertz) / 700.0))


def _hertz(mel: np.float32) -> np.float32:
    return np.float32(700.0 * (10.0 ** (float(mel) / 2595.0) - 1.0))


def cepstral_matrix(options: SphinxFeatureOptions) -> NDArray[np.float64]:
    """Make the cosine transform and the lifter in one (nfilt, ncep) matrix.

    >>> cepstral_matrix(SphinxFeatureOptions(transform="dct"))[:, 0].round(4)[:2]
    array([0.1581, 0.1581])
    """
    nfilt = options.nfilt
    order = np.arange(options.ncep)
    matrix = np.cos(np.pi / nfilt * (np.arange(nfilt)[:, None] + 0.5) * order)
    if options.transform == "legacy":
        matrix[0] *= 0.5
        matrix /= nfilt
    else:
        matrix *= np.sqrt(2.0 / nfilt)
        if options.transform == "dct":
            matrix[:, 0] *= np.sqrt(0.5)
    if options.lifter:
        matrix *= 1 + options.lifter // 2 * np.sin(order * np.pi / options.lifter)
    return np.asarray(matrix, dtype=np.float64)
