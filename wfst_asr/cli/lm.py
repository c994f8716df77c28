"""`wfst-asr lm`: language models, from text to G."""

import click

from wfst_asr.cli.lazy_group import LazyGroup

_COMMANDS = {
    # name: (module, attribute, one line of help)
    "compile": ("wfst_asr.cli.lm_compile", "compile_model", "Compile a language model to G."),
    "convert": ("wfst_asr.cli.lm_convert", "convert", "Convert between ARPA and the memory-mapped form."),
    "diagnose": ("wfst_asr.cli.lm_diagnose", "diagnose", "Tell how sparse a text is and what smoothing it allows."),
    "info": ("wfst_asr.cli.lm_info", "info", "Show the sizes of a language model."),
    "interpolate": ("wfst_asr.cli.lm_interpolate", "interpolate", "Mix language models, with weights given or tuned."),
    "perplexity": ("wfst_asr.cli.lm_perplexity", "perplexity", "Score a text with a language model."),
    "prune": ("wfst_asr.cli.lm_prune", "prune", "Prune a language model by relative entropy."),
    "sample": ("wfst_asr.cli.lm_sample", "sample", "Draw sentences from a language model."),
    "train": ("wfst_asr.cli.lm_train", "train", "Count the n-grams of texts and smooth them into a model."),
}


@click.group(cls=LazyGroup, commands_by_name=_COMMANDS)
def lm() -> None:
    """Train, prune, mix, test and compile language models."""
