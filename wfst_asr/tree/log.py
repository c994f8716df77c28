"""The log of a tree's building as JSON lines: roots, every split with its gain, merges, leaves."""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.tree.built_tree import BuiltTree, LeafRecord, MergeRecord, SplitRecord
from wfst_asr.tree.decision_tree import PDF_CLASS
from wfst_asr.tree.roots import Root

_MARKS = ("_B", "_E", "_I", "_S")


@dataclass(frozen=True)
class TreeLog:
    """What a log file holds: the records of a `BuiltTree` without the tree itself.

    Attributes:
        central_position: of the context window.
        roots: the roots by number.
        splits: in the order of splitting.
        merges: in order.
        leaves: all leaves, before merging.
        question_names: names of questions that were written with one.
    """

    central_position: int
    roots: tuple[Root, ...]
    splits: tuple[SplitRecord, ...]
    merges: tuple[MergeRecord, ...]
    leaves: tuple[LeafRecord, ...]
    question_names: Mapping[frozenset[int], str] = field(default_factory=dict)

    @classmethod
    def of(cls, built: BuiltTree, question_names: Mapping[frozenset[int], str] | None = None) -> "TreeLog":
        """Return the records of a tree that was just built."""
        position = built.tree.central_position
        return cls(position, built.roots, built.splits, built.merges, built.leaves, question_names or {})


def write_tree_log(
    path: str | os.PathLike[str],
    built: BuiltTree,
    phones: Mapping[str, int],
    *,
    question_names: Mapping[frozenset[int], str] | None = None,
) -> None:
    """Write a summary, roots, splits, merges and leaves, a JSON object a line.

    Args:
        path: the file.
        built: the tree.
        phones: id of every phone by name.
        question_names: names of phonetic classes, for questions that have one.
    """
    names = {number: name for name, number in phones.items()}
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as file:
        for line in _lines(built, names, question_names or {}):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_tree_log(path: str | os.PathLike[str], phones: Mapping[str, int]) -> TreeLog:
    """Read a log that `write_tree_log` wrote with the same phones.

    Raises:
        WfstAsrError: no such file, another kind of file, or a phone without id.
    """
    name = Path(path)
    names: dict[frozenset[int], str] = {}
    position, roots, splits, merges, leaves = 0, [], [], [], []
    try:
        for text in name.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            kind = line.pop("kind")
            if kind == "tree":
                position = line["central_position"]
            elif kind == "root":
                roots.append(Root(tuple(phones[phone] for phone in line["phones"]), line["shared"], line["split"]))
            elif kind == "split":
                splits.append(_split(line, phones, names))
            elif kind == "merge":
                merges.append(MergeRecord(**line))
            else:
                leaves.append(LeafRecord(**line))
    except OSError as error:
        raise WfstAsrError(f"{name}: cannot be read ({error.strerror}); expected the log of a tree") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WfstAsrError(
            f"{name}: is not the log of a tree with these phones ({error!r}); take the phones.txt that belongs to it"
        ) from error
    return TreeLog(position, tuple(roots), tuple(splits), tuple(merges), tuple(leaves), names)


def asked_about(key: int, central_position: int) -> str:
    """Name what a question is about.

    >>> [asked_about(key, 1) for key in (PDF_CLASS, 0, 1, 2)], asked_about(0, 2)
    (['state', 'left', 'phone', 'right'], 'left 2')
    """
    if key == PDF_CLASS:
        return "state"
    away = key - central_position
    if away == 0:
        return "phone"
    return ("left" if away < 0 else "right") + (f" {abs(away)}" if abs(away) > 1 else "")


def phones_in_words(values: Collection[int], names: Mapping[int, str]) -> list[str]:
    """Return names of phones, sorted; where all variants by position in the word are there, once without mark.

    >>> names = dict(enumerate(["<eps>", "B_B", "B_E", "AA_B", "AA_E"]))
    >>> phones_in_words({1, 3, 4}, names)
    ['AA', 'B_B']
    """
    variants: dict[str, set[int]] = {}
    for number, name in names.items():
        if name[-2:] in _MARKS:
            variants.setdefault(name[:-2], set()).add(number)
    whole = {base for base, numbers in variants.items() if numbers <= set(values)}
    chosen = (names.get(value, str(value)) for value in values)
    return sorted({name[:-2] if name[-2:] in _MARKS and name[:-2] in whole else name for name in chosen})


def _lines(
    built: BuiltTree, names: Mapping[int, str], question_names: Mapping[frozenset[int], str]
) -> Iterator[dict[str, Any]]:
    frames = max(built.frames, 1.0)
    yield {
        "kind": "tree",
        "context_width": built.tree.context_width,
        "central_position": built.tree.central_position,
        "frames": built.frames,
        "leaves": len(built.leaves),
        "pdfs": built.num_pdfs,
        "log_likelihood_of_roots_per_frame": built.root_log_likelihood / frames,
        "log_likelihood_after_splits_per_frame": built.split_log_likelihood / frames,
        "log_likelihood_per_frame": built.log_likelihood / frames,
        "merge_threshold": built.merge_threshold,
        "unseen_phones": [names[phone] for phone in built.unseen_phones],
    }
    for number, root in enumerate(built.roots):
        phones = [names[phone] for phone in root.phones]
        yield {"kind": "root", "root": number, "phones": phones, "shared": root.shared, "split": root.split}
    for split in built.splits:
        values = sorted(split.values)
        yield {
            "kind": "split",
            **asdict(split),
            "asks": asked_about(split.key, built.tree.central_position),
            "question": question_names.get(split.values) if split.key != PDF_CLASS else None,
            "values": values if split.key == PDF_CLASS else [names[value] for value in values],
        }
    for merge in built.merges:
        yield {"kind": "merge", **asdict(merge)}
    for leaf in built.leaves:
        yield {"kind": "leaf", **asdict(leaf)}


def _split(line: dict[str, Any], phones: Mapping[str, int], names: dict[frozenset[int], str]) -> SplitRecord:
    line.pop("asks")
    question = line.pop("question")
    values = line.pop("values")
    ids = frozenset(values if line["key"] == PDF_CLASS else (phones[value] for value in values))
    if question is not None:
        names[ids] = question
    return SplitRecord(values=ids, **line)
