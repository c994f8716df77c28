"""Symbol tables: names of words and phones and their ids, in Kaldi's text form (`words.txt`, `phones.txt`)."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError

EPSILON = "<eps>"
_DISAMBIGUATION = re.compile(r"#\d+")


def is_disambiguation_symbol(name: str) -> bool:
    """Tell whether a name is a disambiguation symbol: `#0`, `#1` and so on."""
    return _DISAMBIGUATION.fullmatch(name) is not None


@dataclass(frozen=True, eq=False)
class SymbolTable(Mapping[str, int]):
    """Names and their ids; a mapping from name to id, in the order of its file.

    Attributes:
        ids: id by name; ids are distinct and not negative, and may leave gaps.
        names: name by id.

    >>> table = SymbolTable.from_names(["red", "green"])
    >>> table["green"], table.names[1], len(table)
    (2, 'red', 3)
    """

    ids: dict[str, int]
    names: dict[int, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = {number: name for name, number in self.ids.items()}
        if len(names) != len(self.ids):
            clash = next(name for name, number in self.ids.items() if names[number] != name)
            raise WfstAsrError(f"symbols '{clash}' and '{names[self.ids[clash]]}' share the id {self.ids[clash]}")
        object.__setattr__(self, "names", names)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> "SymbolTable":
        """Build a table: epsilon is 0, the names follow from 1 in their order; a repeated name keeps its first id."""
        return cls({name: i for i, name in enumerate(dict.fromkeys([EPSILON, *names]))})

    def __getitem__(self, name: str) -> int:
        return self.ids[name]

    def __contains__(self, name: object) -> bool:
        return name in self.ids

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def disambiguation_ids(self) -> tuple[int, ...]:
        """Ids of the disambiguation symbols, ascending."""
        return tuple(sorted(number for name, number in self.ids.items() if is_disambiguation_symbol(name)))


def read_symbols(path: str | os.PathLike[str]) -> SymbolTable:
    """Read a table of lines "name id", as Kaldi's and OpenFst's text tables.

    Raises:
        WfstAsrError: no such file, not UTF-8, or a line that is not a name and an id, or repeats one of them.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise WfstAsrError(f"{source}: cannot be read ({error.strerror}); give the path of a symbol table") from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{source}: not UTF-8 text; expected lines of a name and an id") from error
    ids: dict[str, int] = {}
    names: dict[int, str] = {}
    for at, line in enumerate(text.split("\n"), start=1):
        columns = line.split()
        if not columns:
            continue
        if len(columns) != 2 or not columns[1].isdecimal():
            raise WfstAsrError(f"{source}:{at}: '{line.strip()}', expected a name and an id, such as 'hello 7'")
        name, number = columns[0], int(columns[1])
        if name in ids:
            raise WfstAsrError(f"{source}:{at}: symbol '{name}' comes twice; remove one of the lines")
        if number in names:
            raise WfstAsrError(f"{source}:{at}: id {number} of '{name}' belongs to '{names[number]}' already")
        ids[name] = number
        names[number] = name
    if not ids:
        raise WfstAsrError(f"{source}: is empty; expected lines of a name and an id")
    return SymbolTable(ids)


def write_symbols(table: Mapping[str, int], path: str | os.PathLike[str]) -> None:
    """Write a symbol table as lines "name id", in the order of the table."""
    with written_aside(path) as aside:
        aside.write_text("".join(f"{name} {number}\n" for name, number in table.items()), encoding="utf-8")
