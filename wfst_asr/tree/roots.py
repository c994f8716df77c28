"""Roots of the decision tree: which phones share one, and whether HMM states do (Kaldi's `roots.txt`)."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class Root:
    """Phones that share a root of the tree.

    Attributes:
        phones: ids, ascending.
        shared: whether the HMM states (pdf-classes) share it too, and are told apart by a question; otherwise each
            pdf-class has a root of its own.
        split: whether questions may be asked; otherwise the phones take no context.

    Raises:
        WfstAsrError: no phones, or one twice, or an id below 1.
    """

    phones: tuple[int, ...]
    shared: bool = True
    split: bool = True

    def __post_init__(self) -> None:
        if not self.phones or min(self.phones) < 1 or list(self.phones) != sorted(set(self.phones)):
            raise WfstAsrError(f"root of phones {self.phones}: expected at least one phone id, ascending, from 1")


def roots_of_sets(phone_sets: Iterable[Iterable[int]], *, unsplit: Iterable[Iterable[int]] = ()) -> tuple[Root, ...]:
    """Return a root a set of phones, shared and split; the sets of `unsplit` take no context, a pdf an HMM state.

    >>> roots_of_sets([(2, 3)], unsplit=[(1,)])
    (Root(phones=(1,), shared=False, split=False), Root(phones=(2, 3), shared=True, split=True))
    """
    roots = [Root(tuple(sorted(phones)), shared=False, split=False) for phones in unsplit]
    roots += [Root(tuple(sorted(phones))) for phones in phone_sets]
    return tuple(sorted(roots, key=lambda root: root.phones))


def read_roots(path: str | os.PathLike[str], phones: Mapping[str, int]) -> tuple[Root, ...]:
    """Read a file with a line a root: `shared split AA_B AA_E` or `not-shared not-split SIL` (Kaldi `roots.txt`).

    Args:
        path: the file.
        phones: id of every phone by name.

    Raises:
        WfstAsrError: no such file, another line, or a phone without id.
    """
    name = Path(path)
    try:
        lines = name.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{name}: cannot be read as text ({error}); expected roots of the tree") from error
    roots = []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        if fields[0] not in ("shared", "not-shared") or fields[1:2] not in (["split"], ["not-split"]):
            raise WfstAsrError(
                f"{name}:{number}: '{line.strip()}'; expected 'shared' or 'not-shared', then 'split' or 'not-split', "
                "then phones"
            )
        unknown = next((phone for phone in fields[2:] if phone not in phones), None)
        if unknown is not None:
            raise WfstAsrError(
                f"{name}:{number}: phone '{unknown}' has no id; remove it or take the fitting phones.txt"
            )
        ids = tuple(sorted(phones[phone] for phone in fields[2:]))
        try:
            roots.append(Root(ids, fields[0] == "shared", fields[1] == "split"))
        except WfstAsrError as error:
            raise WfstAsrError(f"{name}:{number}: {error}") from error
    return tuple(roots)


def write_roots(path: str | os.PathLike[str], roots: Sequence[Root], phones: Mapping[str, int]) -> None:
    """Write roots as Kaldi's `roots.txt`, phones by name."""
    names = {number: name for name, number in phones.items()}
    with written_aside(path) as aside:
        aside.write_text(
            "".join(
                f"{'shared' if root.shared else 'not-shared'} {'split' if root.split else 'not-split'} "
                f"{' '.join(names[phone] for phone in root.phones)}\n"
                for root in roots
            ),
            encoding="utf-8",
        )
