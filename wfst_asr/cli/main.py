"""Entry point of `wfst-asr`: subcommands imported on use, errors told in one sentence."""

from collections.abc import Sequence
from functools import partial
from typing import NoReturn

import click

from wfst_asr.cli.exit_status import exit_after
from wfst_asr.cli.lazy_group import LazyGroup

_COMMANDS = {
    # name: (module, attribute, one line of help)
    "align": ("wfst_asr.cli.align", "align", "Times of words, phones and HMM states of transcribed recordings."),
    "ctc": ("wfst_asr.cli.ctc", "ctc", "Letters out of the scores of a CTC network."),
    "data": ("wfst_asr.cli.data", "data", "Validate, subset and split Kaldi data directories."),
    "decode": ("wfst_asr.cli.decode", "decode", "Decode a data directory or score matrices with a graph."),
    "demo": ("wfst_asr.cli.demo", "demo", "Recognise English speech end to end."),
    "explain": ("wfst_asr.cli.explain", "explain", "Whose error it is that a recording was not recognised."),
    "features": ("wfst_asr.cli.features", "features", "Compute features of recordings."),
    "grammar": ("wfst_asr.cli.grammar", "grammar", "Compile, mix and try grammars written with pynini."),
    "graph": ("wfst_asr.cli.graph", "graph", "Compile and inspect HCLG graphs."),
    "lang": ("wfst_asr.cli.lang", "lang", "Make the lexicon directory: symbols, topology, L."),
    "lattice": ("wfst_asr.cli.lattice", "lattice", "Copy, prune, rescore and search lattices."),
    "lm": ("wfst_asr.cli.lm", "lm", "Train, prune, mix, test and compile language models."),
    "score": ("wfst_asr.cli.score", "score", "Word and character error rates of a hypothesis."),
    "scores": ("wfst_asr.cli.scores", "scores", "Check score matrices against a graph."),
    "stream": ("wfst_asr.cli.stream", "stream", "Recognise speech while it arrives."),
    "train": ("wfst_asr.cli.train", "train", "Train acoustic models, stage by stage."),
    "transcribe": ("wfst_asr.cli.transcribe", "transcribe", "Transcribe recordings of English speech."),
}


@click.command(cls=LazyGroup, commands_by_name=_COMMANDS)
@click.version_option(package_name="wfst-asr", prog_name="wfst-asr")
def cli() -> None:
    """Speech recognition with weighted finite-state transducers."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; exit status 0 done, 1 an error told in one sentence, 2 wrong usage."""
    given = list(arguments) if arguments is not None else None
    exit_after(partial(cli.main, args=given, standalone_mode=False), name="wfst-asr")
