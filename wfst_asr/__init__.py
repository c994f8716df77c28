"""wfst_asr: speech recognition with weighted finite-state transducers.

`wfst_asr.load_graph`, `wfst_asr.decode`, `wfst_asr.DecodeOptions` and `wfst_asr.DecodeResult` are imported on first
use, so that `import wfst_asr` stays free of numba.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfst_asr.decoder.decode import DecodeResult, decode
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.decoder.search_graph import load_graph

__all__ = ["DecodeOptions", "DecodeResult", "decode", "load_graph"]

_HOMES = {
    "DecodeOptions": "wfst_asr.decoder.options",
    "DecodeResult": "wfst_asr.decoder.decode",
    "decode": "wfst_asr.decoder.decode",
    "load_graph": "wfst_asr.decoder.search_graph",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'wfst_asr' has no attribute '{name}'")
