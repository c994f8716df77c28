"""What the commands of `wfst-asr ctc` share: score matrices of files, and the names of their columns."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wfst_asr.ctc.prefix_search import PrefixSearchOptions
    from wfst_asr.ctc.tokens import CtcTokens


def scores_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add SCORES, --tokens, --blank and --utterance to a command."""
    for add in (
        click.option("--utterance", help="Only this one."),
        click.option("--blank", metavar="NAME", help="The token that is blank.  [default: <blank>, or what looks so]"),
        click.option(
            "--tokens",
            "tokens_path",
            required=True,
            type=click.Path(path_type=Path),
            help='tokens.txt: lines "token column".',
        ),
        click.argument("scores", type=click.Path(path_type=Path)),
    ):
        command = add(command)
    return command


def search_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --beam, --max-active and --token-beam to a command."""
    for add in (
        click.option(
            "--token-beam",
            type=click.FloatRange(0),
            default=14.0,
            show_default=True,
            help="Letters this much below the best of their frame are not tried.",
        ),
        click.option(
            "--max-active", type=click.IntRange(1), default=100, show_default=True, help="Prefixes kept a frame."
        ),
        click.option(
            "--beam",
            type=click.FloatRange(0),
            default=float("inf"),
            help="Prefixes this much below the best one are dropped.  [default: none are]",
        ),
    ):
        command = add(command)
    return command


def prefix_options(*, beam: float, max_active: int, token_beam: float) -> "PrefixSearchOptions":
    """Return the options that `search_options` added."""
    from wfst_asr.ctc.prefix_search import PrefixSearchOptions

    return PrefixSearchOptions(max_active=max_active, beam=beam, token_beam=token_beam)


def tokens_and_scores(
    scores: Path, tokens_path: Path, blank: str | None, utterance: str | None
) -> tuple["CtcTokens", Iterator[tuple[str, "NDArray[Any]"]]]:
    """Return the tokens, and the score matrices (utterance, (T, V)), which fit them.

    Raises:
        WfstAsrError: a file is bad; while they are read, a matrix with another number of columns, or no such utterance.
    """
    from wfst_asr.ctc.tokens import read_tokens

    tokens = read_tokens(tokens_path, blank=blank)
    return tokens, _fitting(scores, tokens_path, tokens, utterance)


def _fitting(
    scores: Path, tokens_path: Path, tokens: "CtcTokens", utterance: str | None
) -> Iterator[tuple[str, "NDArray[Any]"]]:
    some = False
    for name, matrix in _matrices(scores):
        if utterance not in (None, name):
            continue
        some = True
        if matrix.ndim == 2 and matrix.shape[1] != tokens.num_columns:
            turned = "; it may be transposed" if matrix.shape[0] == tokens.num_columns else ""
            raise WfstAsrError(
                f"{scores}: '{name}' has {matrix.shape[1]} columns, but {tokens_path} names {tokens.num_columns} tokens"
                f"{turned}; give the tokens of the network"
            )
        yield name, matrix
    if not some:
        told = f"no utterance '{utterance}'" if utterance else "no score matrix"
        raise WfstAsrError(f"{scores}: {told} in it")


def _matrices(path: Path) -> Iterator[tuple[str, "NDArray[Any]"]]:
    if path.suffix not in (".npy", ".npz"):
        from wfst_asr.io.archives import read_matrices

        yield from read_matrices(path)
        return
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise WfstAsrError(f"{path}: no such file; expected score matrices (.npy, .npz, ark or scp)") from error
    except (OSError, ValueError, EOFError) as error:
        raise WfstAsrError(f"{path}: is no array that NumPy wrote ({error})") from error
    if isinstance(loaded, np.ndarray):
        yield path.stem, loaded
    else:
        with loaded:
            yield from loaded.items()


def named(name: str, error: WfstAsrError) -> WfstAsrError:
    """Return an error that says which utterance it is of."""
    return WfstAsrError(f"'{name}': {error}")
