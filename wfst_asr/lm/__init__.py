"""N-gram language models: count, smooth, read, write, prune, interpolate and score.

The names most callers need stand here, each imported on first use; `wfst_asr.lm.prune`, `wfst_asr.lm.interpolate` and
the other modules hold the rest.

>>> from wfst_asr.lm import count_ngrams, estimate_model, text_of_sentences
>>> model = estimate_model(count_ngrams(text_of_sentences(["a rose is a rose"]), 2)).model
>>> model.order, round(model.log_prob("rose", ["a"]), 4)
(2, -0.6931)
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfst_asr.lm.backoff import NGramModel
    from wfst_asr.lm.counts import NGramCounts, count_ngrams
    from wfst_asr.lm.estimate import EstimateOptions, estimate_model
    from wfst_asr.lm.model_files import read_model, write_model
    from wfst_asr.lm.perplexity import text_perplexity
    from wfst_asr.lm.text import Text, read_text, text_of_sentences

__all__ = [
    "EstimateOptions",
    "NGramCounts",
    "NGramModel",
    "Text",
    "count_ngrams",
    "estimate_model",
    "read_model",
    "read_text",
    "text_of_sentences",
    "text_perplexity",
    "write_model",
]

_HOMES = {
    "EstimateOptions": "wfst_asr.lm.estimate",
    "NGramCounts": "wfst_asr.lm.counts",
    "NGramModel": "wfst_asr.lm.backoff",
    "Text": "wfst_asr.lm.text",
    "count_ngrams": "wfst_asr.lm.counts",
    "estimate_model": "wfst_asr.lm.estimate",
    "read_model": "wfst_asr.lm.model_files",
    "read_text": "wfst_asr.lm.text",
    "text_of_sentences": "wfst_asr.lm.text",
    "text_perplexity": "wfst_asr.lm.perplexity",
    "write_model": "wfst_asr.lm.model_files",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'wfst_asr.lm' has no attribute '{name}'")
