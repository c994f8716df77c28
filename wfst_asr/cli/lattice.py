"""`wfst-asr lattice`: what lattices hold, and lattices from lattices."""

import click

from wfst_asr.cli.lazy_group import LazyGroup

_COMMANDS = {
    # name: (module, attribute, one line of help)
    "best": ("wfst_asr.cli.lattice_best", "best", "Find the best paths: words, times and costs."),
    "calibrate": ("wfst_asr.cli.lattice_calibrate", "calibrate", "Learn what confidences are worth."),
    "copy": ("wfst_asr.cli.lattice_copy", "copy", "Copy lattices between text and binary, and between kinds."),
    "determinize": ("wfst_asr.cli.lattice_determinize", "determinize", "Keep one path for each sequence of words."),
    "draw": ("wfst_asr.cli.lattice_draw", "draw", "Draw a lattice: words over time."),
    "info": ("wfst_asr.cli.lattice_info", "info", "Show states, arcs, frames and density of lattices."),
    "mbr": ("wfst_asr.cli.lattice_mbr", "mbr", "Find the words of least expected error, with confidences."),
    "nbest": ("wfst_asr.cli.lattice_nbest", "nbest", "List the best sequences of words."),
    "oracle": ("wfst_asr.cli.lattice_oracle", "oracle", "Find the paths of fewest errors against a reference."),
    "posteriors": ("wfst_asr.cli.lattice_posteriors", "posteriors", "Show the posterior probabilities of words."),
    "prune": ("wfst_asr.cli.lattice_prune", "prune", "Drop what lies only on paths far above the best."),
    "rescore": ("wfst_asr.cli.lattice_rescore", "rescore", "Take a language model out of lattices, put another in."),
    "union": ("wfst_asr.cli.lattice_union", "union", "Join the paths of several lattices of an utterance."),
}


@click.group(cls=LazyGroup, commands_by_name=_COMMANDS)
def lattice() -> None:
    """Copy, prune, rescore and search lattices in Kaldi's archives (ark or scp; binary, text or gzipped)."""
