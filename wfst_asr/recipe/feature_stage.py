"""The stage of a recipe that computes cepstra: data directories with a feats.scp, which may be moved."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from wfst_asr.features.mfcc import MfccOptions
from wfst_asr.io.data_dir import read_data_dir, write_data_dir
from wfst_asr.recipe.corpus_features import FEATURES_NAME, sample_rate_of, store_features


def extract_features(out_dir: Path, *, data_dir: Path, recordings: Path, mfcc: MfccOptions) -> dict[str, Any]:
    """Copy the data directories below a folder and store the cepstra of each in it.

    Args:
        out_dir: where to write.
        data_dir: folder of data directories.
        recordings: the folder that their recordings are in: an input, since the directories name only their places.
        mfcc: the cepstra, but for the sample rate, which is the recordings'.

    Returns:
        The number of frames of each directory.
    """
    del recordings
    figures: dict[str, Any] = {}
    for source in sorted(path.parent for path in data_dir.glob("*/wav.scp")):
        target = out_dir / source.name
        data = read_data_dir(source)
        write_data_dir(data, target)
        frames = replace(mfcc.frames, sample_rate_hz=sample_rate_of(data))
        figures[f"{source.name}_frames"] = store_features(target, replace(mfcc, frames=frames))
        table = target / FEATURES_NAME
        rows = (line.split(maxsplit=1) for line in table.read_text("utf-8").splitlines())
        table.write_text("".join(f"{name} {Path(place).name}\n" for name, place in rows), encoding="utf-8")
    return figures
