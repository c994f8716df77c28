"""From Sphinx's cepstra to what its acoustic models score: mean normalisation, gain control, differences in time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.sphinx_options import SphinxFeatureOptions

_LIVE_WINDOW = 500  # frames that a live mean is worth after an update
LIVE_LIMIT = 800  # frames after which it is updated to that


@dataclass(frozen=True)
class LiveMean:
    """A cepstral mean carried from recording to recording, as Sphinx's `-cmn live` does.

    Attributes:
        total: (D,) float64, sum of the frames seen, older ones with less weight.
        num_frames: how many frames `total` is worth.
    """

    total: NDArray[np.float64]
    num_frames: float

    @classmethod
    def from_prior(cls, mean: NDArray[np.float64]) -> "LiveMean":
        """Start from a mean, worth 500 frames; feat.params gives one as `-cmninit`."""
        return cls(np.asarray(mean, dtype=np.float64) * _LIVE_WINDOW, _LIVE_WINDOW)

    @classmethod
    def from_options(cls, options: SphinxFeatureOptions) -> "LiveMean":
        """Start from `-cmninit` (cepstra it leaves out are 0), or from PocketSphinx's own 40,3,-1 where it is empty.

        >>> LiveMean.from_options(SphinxFeatureOptions(ncep=4)).mean
        array([40.,  3., -1.,  0.])
        """
        mean = np.zeros(options.ncep)
        try:
            values = [float(value) for value in (options.cmninit or "40,3,-1").split(",")][: options.ncep]
        except ValueError:
            raise WfstAsrError(
                f"sphinx option -cmninit is '{options.cmninit}'; expected numbers separated by commas"
            ) from None
        mean[: len(values)] = values
        return cls.from_prior(mean)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean to subtract (D,)."""
        return self.total / self.num_frames

    def updated(self, cepstra: NDArray[np.float32]) -> "LiveMean":
        """Take in the frames of one recording, as cepstra (T, D) before normalisation."""
        loud = cepstra[cepstra[:, 0] >= 0]
        total = self.total + loud.sum(axis=0, dtype=np.float64)
        frames = self.num_frames + len(loud)
        if frames > LIVE_LIMIT:
            total, frames = total * (_LIVE_WINDOW / frames), _LIVE_WINDOW
        return LiveMean(total, frames)


def sphinx_batch_mean(cepstra: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean (D,) of a recording's cepstra (T, D), as `-cmn batch` takes it: over frames with c0 of 0 or more.

    Where no frame is that loud, the mean of all.

    >>> sphinx_batch_mean(np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 9.0]], dtype=np.float32))
    array([2., 3.])
    """
    if len(cepstra) == 0:
        return np.zeros(cepstra.shape[1])
    loud = cepstra[:, 0] >= 0
    mean: NDArray[np.float64] = (cepstra[loud] if loud.any() else cepstra).mean(axis=0, dtype=np.float64)
    return mean


def sphinx_dynamic_features(
    cepstra: NDArray[np.float32],
    options: SphinxFeatureOptions,
    *,
    cmn: str | NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Normalise cepstra and append their differences in time, as the options' `-cmn -varnorm -agc -feat` say.

    With c the normalised cepstra, edge frames repeated: d[t] = c[t+2] - c[t-2] and dd[t] = d[t+1] - d[t-1].
    `feat` 1s_c gives c, 1s_c_d (c, d), 1s_c_d_dd (c, d, dd), 1s_c_d_ld_dd (c, d, c[t+4] - c[t-4], dd), and s3_1x39 (all
    without c0, then c0's three, before dd).

    Args:
        cepstra: (T, ncep), of `sphinx_mfcc`.
        options: those of the model.
        cmn: instead of the options' own: "batch" for the recording's mean, "live" for the start of a live mean
            (`LiveMean.from_options`), "none", or the mean to subtract (ncep,), such as `LiveMean.mean`.

    Returns:
        (T, D) float32; D is 39 for 1s_c_d_dd of 13 cepstra.

    Raises:
        WfstAsrError: a kind of feature, normalisation or gain control that does not exist here.

    Source: Sphinx's `feat.c` and `cmn.c`.

    >>> ramp = np.arange(6.0, dtype=np.float32)[:, None]
    >>> sphinx_dynamic_features(ramp, SphinxFeatureOptions(), cmn="none").T
    array([[ 0.,  1.,  2.,  3.,  4.,  5.],
           [ 2.,  3.,  4.,  4.,  3.,  2.],
           [ 2.,  2.,  1., -1., -2., -2.]], dtype=float32)
    """
    if cepstra.ndim != 2:
        raise WfstAsrError(f"cepstra have shape {cepstra.shape}; expected (frames, cepstra)")
    static = cepstra - _mean(cepstra, options, cmn)
    if options.varnorm and len(static):
        static /= np.maximum(np.sqrt((static**2).mean(axis=0)), 1e-10)
    if options.agc == "max" and len(static):
        static[:, 0] -= static[:, 0].max()
    elif options.agc not in ("none", "max"):
        raise WfstAsrError(f"sphinx option -agc is '{options.agc}'; expected none or max")
    if len(static) == 0:
        static = np.zeros((1, cepstra.shape[1]))
    padded = np.pad(static, ((4, 4), (0, 0)), mode="edge")
    frames = len(static)

    def difference(width: int, offset: int = 0) -> NDArray[np.float64]:
        later = padded[4 + offset + width :][:frames]
        result: NDArray[np.float64] = later - padded[4 + offset - width :][:frames]
        return result

    delta, second = difference(2), difference(2, 1) - difference(2, -1)
    streams = {
        "1s_c": (static,),
        "1s_c_d": (static, delta),
        "1s_c_d_dd": (static, delta, second),
        "1s_c_d_ld_dd": (static, delta, difference(4), second),
        "s3_1x39": (static[:, 1:], delta[:, 1:], static[:, :1], delta[:, :1], second[:, :1], second[:, 1:]),
    }
    if options.feat not in streams:
        raise WfstAsrError(f"sphinx option -feat is '{options.feat}'; expected one of {', '.join(streams)}")
    return np.concatenate(streams[options.feat], axis=1, dtype=np.float32, casting="same_kind")[: len(cepstra)]


def _mean(
    cepstra: NDArray[np.float32], options: SphinxFeatureOptions, cmn: str | NDArray[np.float64] | None
) -> NDArray[np.float64]:
    kind = options.cmn if cmn is None else cmn
    if not isinstance(kind, str):
        mean = np.asarray(kind, dtype=np.float64)
        if mean.shape != cepstra.shape[1:]:
            raise WfstAsrError(f"the cepstral mean has shape {mean.shape}; expected {cepstra.shape[1:]}")
        return mean
    if kind == "batch" or kind == "current":
        return sphinx_batch_mean(cepstra)
    if kind == "live" or kind == "prior":
        return LiveMean.from_options(options).mean
    if kind == "none":
        return np.zeros(cepstra.shape[1])
    raise WfstAsrError(f"sphinx option -cmn is '{kind}'; expected batch, live or none")
