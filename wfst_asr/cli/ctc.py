"""`wfst-asr ctc`: letters out of the scores of a CTC network."""

import click

from wfst_asr.cli.lazy_group import LazyGroup

_COMMANDS = {
    # name: (module, attribute, one line of help)
    "candidates": (
        "wfst_asr.cli.ctc_candidates",
        "candidates",
        "Judge transcripts by sound and by text, side by side.",
    ),
    "collapse": ("wfst_asr.cli.ctc_collapse", "collapse_text", "Collapse a letter a frame to a text."),
    "greedy": ("wfst_asr.cli.ctc_greedy", "greedy", "Take the best letter of each frame, and collapse."),
    "search": ("wfst_asr.cli.ctc_search", "search", "Find the likeliest letters, summed over alignments."),
}


@click.group(cls=LazyGroup, commands_by_name=_COMMANDS)
def ctc() -> None:
    """Letters out of the scores of a CTC network, without a graph."""
