"""The features of a model that Kaldi trained, from what Kaldi leaves in its folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.frames import FrameOptions
from wfst_asr.features.mel import MelOptions
from wfst_asr.features.mfcc import MfccOptions
from wfst_asr.features.pipeline import FeaturePipeline

CONFIG_NAMES = ("mfcc.conf", "conf/mfcc.conf")
_DELTA_WINDOW = 2
_RECIPE_ORDER = 2  # differences of Kaldi's recipes, where no matrix tells otherwise


def kaldi_pipeline(
    folder: Path, dim: int, matrix: NDArray[np.float64] | None, *, sample_rate_hz: float | None = None
) -> FeaturePipeline:
    """Work out the features of a model folder of Kaldi's.

    The cepstra are those of `mfcc.conf` (or `conf/mfcc.conf`) in the folder, which one has to copy there; without it
    13 without energy, as in Kaldi's recipes.  `splice_opts`, `delta_opts` and `cmvn_opts`, which the training scripts
    leave, are read; what they do not tell follows from the columns of `final.mat` and from the Gaussians' dimensions.

    Args:
        folder: of the model.
        dim: dimensions of its Gaussians.
        matrix: its `final.mat`, None if there is none.
        sample_rate_hz: of the recordings, where no `mfcc.conf` tells it; None is Kaldi's 16 kHz.

    Raises:
        WfstAsrError: the dimensions fit no such features, or an option has no equivalent.
    """
    mfcc = _mfcc(folder, sample_rate_hz)
    cmvn = _options(folder / "cmvn_opts")
    if cmvn.get("norm-means", "true") != "true":
        raise WfstAsrError(
            f"{folder / 'cmvn_opts'}: features without mean normalisation, which is always done here; train the model "
            "again with it"
        )
    norm_vars = cmvn.get("norm-vars", "false") == "true"
    if matrix is None:
        order, left = divmod(dim, mfcc.num_ceps)
        order -= 1
        deltas = _options(folder / "delta_opts")
        if left or order not in range(4):
            raise WfstAsrError(_odd(folder, f"Gaussians of {dim} dimensions and no final.mat", mfcc))
        if _frames(deltas, "delta-window", _DELTA_WINDOW, folder / "delta_opts") != _DELTA_WINDOW:
            raise WfstAsrError(f"{folder / 'delta_opts'}: a delta window of {deltas['delta-window']}; expected 2")
        return FeaturePipeline(mfcc, norm_vars, order)
    columns = matrix.shape[1]
    spliced = _options(folder / "splice_opts")
    default = ((columns // mfcc.num_ceps) - 1) // 2
    left, right = (_frames(spliced, f"{side}-context", default, folder / "splice_opts") for side in ("left", "right"))
    if columns - mfcc.num_ceps * (left + right + 1) in (0, 1):
        return FeaturePipeline(mfcc, norm_vars, 0, (left, right), matrix)
    if columns - mfcc.num_ceps * (_RECIPE_ORDER + 1) in (0, 1):
        return FeaturePipeline(mfcc, norm_vars, _RECIPE_ORDER, (0, 0), matrix)
    raise WfstAsrError(_odd(folder, f"a final.mat of {columns} columns, with {left} + {right} frames spliced", mfcc))


def described(pipeline: FeaturePipeline) -> str:
    """Return the features of a model in words, for people."""
    parts = [f"{pipeline.mfcc.num_ceps} MFCC at {pipeline.mfcc.frames.sample_rate_hz:g} Hz"]
    parts.append("mean and variance normalised" if pipeline.norm_vars else "mean normalised")
    if pipeline.delta_order:
        parts.append(f"{pipeline.delta_order} orders of differences")
    if any(pipeline.splice):
        parts.append(f"{pipeline.splice[0]} + {pipeline.splice[1]} frames spliced")
    if pipeline.matrix is not None:
        parts.append(f"a matrix of {pipeline.matrix.shape[0]} x {pipeline.matrix.shape[1]}")
    return ", ".join(parts)


def _odd(folder: Path, what: str, mfcc: MfccOptions) -> str:
    return (
        f"{folder}: {what} do not fit {mfcc.num_ceps} cepstra; copy the mfcc.conf of the training into the folder, or "
        "write a features.json there"
    )


def _mfcc(folder: Path, sample_rate_hz: float | None) -> MfccOptions:
    path = next((folder / name for name in CONFIG_NAMES if (folder / name).is_file()), None)
    if path is None:
        return MfccOptions(frames=FrameOptions(sample_rate_hz=sample_rate_hz or 16000.0), use_energy=False)
    found = _options(path)
    unknown = sorted(set(found) - set(_FIELDS) - _WITHOUT_EFFECT)
    if unknown:
        raise WfstAsrError(f"{path}: option '--{unknown[0]}' has no equivalent here; expected options of compute-mfcc")
    parts: dict[str, dict[str, object]] = {"frames": {}, "mel": {}, "": {}}
    for name, (part, field, kind) in _FIELDS.items():
        if name in found:
            try:
                parts[part][field] = kind(found[name])
            except ValueError as error:
                raise WfstAsrError(f"{path}: '--{name}={found[name]}' cannot be read; expected a value") from error
    return MfccOptions(
        frames=FrameOptions(**parts["frames"]),  # type: ignore[arg-type]
        mel=MelOptions(**parts["mel"]),  # type: ignore[arg-type]
        **parts[""],  # type: ignore[arg-type]
    )


def _frames(options: dict[str, str], name: str, default: int, path: Path) -> int:
    if name not in options:
        return default
    if not options[name].isdecimal():
        raise WfstAsrError(f"{path}: '--{name}={options[name]}' cannot be read; expected a number of frames")
    return int(options[name])


def _options(path: Path) -> dict[str, str]:
    """Read `--name=value` words; none where there is no such file, `--name` alone is true, `#` begins a comment."""
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{path}: cannot be read as text; expected options such as --num-ceps=13") from error
    result = {}
    for word in (word for line in lines for word in line.partition("#")[0].split()):
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            raise WfstAsrError(f"{path}: found '{word}'; expected options such as --num-ceps=13")
        result[name[2:].replace("_", "-")] = value if equals else "true"
    return result


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false", "t", "f", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "t", "1")


_FIELDS: dict[str, tuple[str, str, Callable[[str], object]]] = {
    "sample-frequency": ("frames", "sample_rate_hz", float),
    "frame-shift": ("frames", "frame_shift_ms", float),
    "frame-length": ("frames", "frame_length_ms", float),
    "preemphasis-coefficient": ("frames", "preemphasis", float),
    "remove-dc-offset": ("frames", "remove_dc_offset", _truth),
    "window-type": ("frames", "window", str),
    "blackman-coeff": ("frames", "blackman_coeff", float),
    "round-to-power-of-two": ("frames", "round_to_power_of_two", _truth),
    "snip-edges": ("frames", "snip_edges", _truth),
    "num-mel-bins": ("mel", "num_bins", int),
    "low-freq": ("mel", "low_freq_hz", float),
    "high-freq": ("mel", "high_freq_hz", float),
    "num-ceps": ("", "num_ceps", int),
    "use-energy": ("", "use_energy", _truth),
    "raw-energy": ("", "raw_energy", _truth),
    "energy-floor": ("", "energy_floor", float),
    "cepstral-lifter": ("", "cepstral_lifter", float),
    "htk-compat": ("", "htk_compat", _truth),
}
_WITHOUT_EFFECT = {"dither", "allow-downsample", "allow-upsample", "verbose", "max-feature-vectors", "channel"}
