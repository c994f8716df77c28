"""Features by the program sphinx_fe of the pip package pstrain, for comparison."""

import os
import subprocess
from dataclasses import fields
from pathlib import Path

import numpy as np
import pstrain
import soundfile

from wfst_asr.features.sphinx_options import SphinxFeatureOptions

_LIBRARY = Path(pstrain.__file__).parent / "_lib"
SAMPLE = Path(pstrain.__file__).parent / "data" / "sample" / "kevin-alice-16k.wav"


def sphinx_fe(samples: np.ndarray, options: SphinxFeatureOptions, folder: Path, *extra: str) -> np.ndarray:
    """(T, ncep) of 16-bit samples.

    The program writes nothing for recordings below about 2,000 samples, and whether it writes the padded last frame of
    a recording that its windows fit exactly depends on where its blocks end; with these blocks it does.
    """
    recording, result = folder / "in.wav", folder / "out.mfc"
    soundfile.write(recording, samples.astype(np.int16), int(options.samprate), subtype="PCM_16")
    arguments: list[str] = []
    caller = {"feat", "agc", "cmn", "cmninit", "varnorm", "svspec", "model", "others", "warp_params", "warp_type"}
    for field in fields(options):
        if field.name not in caller:
            value = getattr(options, field.name)
            arguments += [f"-{field.name}", ("yes" if value else "no") if isinstance(value, bool) else str(value)]
    subprocess.run(
        [
            _LIBRARY / "bin" / "sphinx_fe",
            "-i",
            recording,
            "-o",
            result,
            "-mswav",
            "yes",
            "-blocksize",
            "5000",
            *arguments,
            *extra,
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(_LIBRARY / "lib64")},
    )
    return np.fromfile(result, dtype="<f4")[1:].reshape(-1, options.ncep)
