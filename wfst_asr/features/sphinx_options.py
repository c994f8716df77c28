"""Options of Sphinx's features, with the names that `feat.params` and the program `sphinx_fe` use."""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from wfst_asr.errors import WfstAsrError

_TRUE = frozenset({"yes", "true", "1", "y", "t"})
_FALSE = frozenset({"no", "false", "0", "n", "f"})


@dataclass(frozen=True)
class SphinxFeatureOptions:
    """What `feat.params` of a Sphinx model says; the defaults are those of the program `sphinx_fe`.

    Note that PocketSphinx 5 has other defaults for three of them, which matters only for models that leave them out:
    `remove_noise` no, `nfft` 0 (automatic) and `cmn` live.

    Attributes:
        samprate: sample rate in Hz.
        frate: frames a second.
        wlen: window length in seconds.
        alpha: pre-emphasis coefficient; 0 for none.
        nfft: FFT size, a power of 2; 0 for the smallest that holds a window.
        nfilt: number of mel filters.
        lowerf: lower edge of the filters in Hz.
        upperf: upper edge of the filters in Hz.
        ncep: number of cepstra.
        transform: "legacy", "dct" (orthonormal DCT-II) or "htk" (the same with c0 times sqrt(2)).
        lifter: length of the sine lifter; 0 for none.
        unit_area: scale each filter to unit area.
        round_filters: move filter edges to FFT bins.
        doublebw: filters of double width.
        remove_dc: subtract each frame's mean.
        remove_noise: subtract the noise tracked in the mel energies.
        dither: add 1 to a quarter of the samples, at random.
        warp_type: frequency warping; only without `warp_params` (which is: none).
        warp_params: must be empty.
        feat: dynamic features, such as "1s_c_d_dd"; for the caller.
        agc: gain control, "none" or "max"; for the caller.
        cmn: cepstral mean normalisation, "none", "batch" or "live"; for the caller.
        cmninit: initial mean of live normalisation, comma-separated; for the caller.
        varnorm: variance normalisation; for the caller.
        svspec: subvectors, such as "0-12/13-25/26-38"; for the caller.
        model: kind of acoustic model, such as "ptm"; for the caller.
        others: keys of the file that mean nothing to features, with their values.
    """

    samprate: float = 16000.0
    frate: int = 100
    wlen: float = 0.025625
    alpha: float = 0.97
    nfft: int = 512
    nfilt: int = 40
    lowerf: float = 133.33334
    upperf: float = 6855.4976
    ncep: int = 13
    transform: str = "legacy"
    lifter: int = 0
    unit_area: bool = True
    round_filters: bool = True
    doublebw: bool = False
    remove_dc: bool = False
    remove_noise: bool = True
    dither: bool = False
    warp_type: str = "inverse_linear"
    warp_params: str = ""
    feat: str = "1s_c_d_dd"
    agc: str = "none"
    cmn: str = "batch"
    cmninit: str = ""
    varnorm: bool = False
    svspec: str = ""
    model: str = ""
    others: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        checks = {
            "samprate": self.samprate > 0,
            "frate": 1 <= self.frate <= self.samprate,
            "wlen": self.frame_length >= max(2, self.frame_shift),
            "alpha": 0 <= self.alpha <= 1,
            "nfft": self.nfft == 0 or (self.nfft >= self.frame_length and self.nfft & (self.nfft - 1) == 0),
            "nfilt": self.nfilt >= 1,
            "lowerf": 0 <= self.lowerf < self.upperf,
            "upperf": self.upperf <= self.samprate / 2 + 1,
            "ncep": 1 <= self.ncep <= self.nfilt,
            "transform": self.transform in ("legacy", "dct", "htk"),
            "lifter": self.lifter >= 0,
            "warp_params": not self.warp_params,
        }
        expected = {
            "samprate": "a positive number of Hz",
            "frate": "1 to the sample rate",
            "wlen": f"a window at least as long as the frame shift ({1 / max(self.frate, 1):g} s)",
            "alpha": "0 to 1",
            "nfft": f"0 or a power of 2 that holds the window of {self.frame_length} samples",
            "nfilt": "at least 1",
            "lowerf": "0 Hz to below -upperf",
            "upperf": f"at most half the sample rate ({self.samprate / 2:g} Hz)",
            "ncep": f"1 to the number of filters ({self.nfilt})",
            "transform": "legacy, dct or htk",
            "lifter": "0 or more",
            "warp_params": "none, since frequency warping is not supported",
        }
        for name, good in checks.items():
            if not good:
                raise WfstAsrError(f"sphinx option -{name} is {getattr(self, name)!r}; expected {expected[name]}")

    @property
    def frame_shift(self) -> int:
        """Samples from frame to frame."""
        return int(self.samprate / self.frate + 0.5)

    @property
    def frame_length(self) -> int:
        """Samples in a window."""
        return int(self.wlen * self.samprate + 0.5)

    @property
    def fft_size(self) -> int:
        """Points of the FFT."""
        return self.nfft or 1 << (self.frame_length - 1).bit_length()

    @property
    def frame_shift_s(self) -> float:
        """Seconds from frame to frame."""
        return self.frame_shift / self.samprate


def read_feat_params(path: str | os.PathLike[str]) -> SphinxFeatureOptions:
    r"""Read the `feat.params` of a Sphinx acoustic model: `-name value` pairs, separated by white space.

    Names that mean nothing to features are kept in `others`.

    Raises:
        WfstAsrError: the file is missing, is not made of pairs, or a value does not fit its option.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "feat.params").write_text("-nfilt 25\n-transform dct -lda feature_transform\n")
    >>> options = read_feat_params(folder / "feat.params")
    >>> options.nfilt, options.transform, options.others
    (25, 'dct', (('lda', 'feature_transform'),))
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise WfstAsrError(f"{source}: no such file; expected a Sphinx model's feat.params") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{source}: cannot be read as text ({error}); expected '-name value' pairs") from error
    known = {spec.name: spec for spec in fields(SphinxFeatureOptions) if spec.name != "others"}
    values: dict[str, Any] = {}
    others: list[tuple[str, str]] = []
    pending: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        for token in line.split():
            if pending is None:
                if not token.startswith("-") or len(token) < 2:
                    raise WfstAsrError(f"{source}:{number}: found '{token}'; expected an option such as -nfilt")
                pending = token[1:]
            elif pending in known:
                values[pending] = _converted(token, type(known[pending].default), f"{source}:{number}: -{pending}")
                pending = None
            else:
                others.append((pending, token))
                pending = None
    if pending is not None:
        raise WfstAsrError(f"{source}: the option '-{pending}' at the end has no value; add it or remove the option")
    try:
        return SphinxFeatureOptions(**values, others=tuple(others))
    except WfstAsrError as error:
        raise WfstAsrError(f"{source}: {error}") from error


def _converted(token: str, kind: type, where: str) -> Any:
    if kind is bool:
        if token.lower() in _TRUE | _FALSE:
            return token.lower() in _TRUE
        raise WfstAsrError(f"{where} is '{token}'; expected yes or no")
    try:
        return kind(token)
    except ValueError:
        raise WfstAsrError(f"{where} is '{token}'; expected a number") from None
