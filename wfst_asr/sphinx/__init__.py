"""Import of PocketSphinx models: acoustic model, language model, dictionary.

`read_model`, `read_lm`, `read_dictionary` and `read_fillers` are imported on first use.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfst_asr.sphinx.acoustic_model import SphinxModel, read_model
    from wfst_asr.sphinx.dictionary import read_dictionary, read_fillers
    from wfst_asr.sphinx.lm import read_lm

__all__ = ["SphinxModel", "read_dictionary", "read_fillers", "read_lm", "read_model"]

_HOMES = {
    "SphinxModel": "wfst_asr.sphinx.acoustic_model",
    "read_dictionary": "wfst_asr.sphinx.dictionary",
    "read_fillers": "wfst_asr.sphinx.dictionary",
    "read_lm": "wfst_asr.sphinx.lm",
    "read_model": "wfst_asr.sphinx.acoustic_model",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'wfst_asr.sphinx' has no attribute '{name}'")
