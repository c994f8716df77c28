"""Errors told in one sentence, and the exit status that follows: for `wfst-asr` and for the recipes' pages."""

import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import click

from wfst_asr.cli.interrupts import patient_interrupts
from wfst_asr.errors import WfstAsrError

NOTHING_LEFT = "nothing half-written was left"


def exit_after(call: Callable[[], object], *, name: str, after_interrupt: str = NOTHING_LEFT) -> NoReturn:
    """Call, tell errors and warnings after the program's name, and exit: 0 done, 1 an error, 2 wrong usage."""

    def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
        click.echo(f"{name}: note: {message}", err=True)

    warnings.showwarning = show_warning
    try:
        with patient_interrupts():
            status = call()
    except WfstAsrError as error:
        click.echo(f"{name}: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"{name}: interrupted; {after_interrupt}", err=True)
        sys.exit(1)
    except MemoryError as error:
        click.echo(f"{name}: out of memory ({error}); give it less, or a smaller --max-active", err=True)
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"{name}: {where}{error.strerror or error}", err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
