"""Entry point of `wfst-asr`: subcommands imported on use, errors told in one sentence."""

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from wfst_asr.cli.interrupts import patient_interrupts
from wfst_asr.cli.lazy_group import LazyGroup
from wfst_asr.errors import WfstAsrError

_COMMANDS = {
    # name: (module, attribute, one line of help)
    "align": ("wfst_asr.cli.align", "align", "Times of words, phones and HMM states of transcribed recordings."),
    "data": ("wfst_asr.cli.data", "data", "Validate, subset and split Kaldi data directories."),
    "decode": ("wfst_asr.cli.decode", "decode", "Decode a data directory or score matrices with a graph."),
    "demo": ("wfst_asr.cli.demo", "demo", "Recognise English speech end to end."),
    "features": ("wfst_asr.cli.features", "features", "Compute features of recordings."),
    "graph": ("wfst_asr.cli.graph", "graph", "Compile and inspect HCLG graphs."),
    "lang": ("wfst_asr.cli.lang", "lang", "Make the lexicon directory: symbols, topology, L."),
    "lm": ("wfst_asr.cli.lm", "lm", "Train, prune, mix, test and compile language models."),
    "score": ("wfst_asr.cli.score", "score", "Word and character error rates of a hypothesis."),
    "train": ("wfst_asr.cli.train", "train", "Train acoustic models, stage by stage."),
    "transcribe": ("wfst_asr.cli.transcribe", "transcribe", "Transcribe recordings of English speech."),
}


@click.command(cls=LazyGroup, commands_by_name=_COMMANDS)
@click.version_option(package_name="wfst-asr", prog_name="wfst-asr")
def cli() -> None:
    """Speech recognition with weighted finite-state transducers."""


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"wfst-asr: note: {message}", err=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit status 0 done, 1 an error told in one sentence, 2 wrong usage."""
    warnings.showwarning = _show_warning
    try:
        with patient_interrupts():
            status = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except WfstAsrError as error:
        click.echo(f"wfst-asr: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("wfst-asr: interrupted; nothing half-written was left", err=True)
        sys.exit(1)
    except MemoryError as error:
        click.echo(f"wfst-asr: out of memory ({error}); give it less, or a smaller --max-active", err=True)
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"wfst-asr: {where}{error.strerror or error}", err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
