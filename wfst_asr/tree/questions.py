"""Questions for the decision tree: sets of phones from clusters of the data, from files, from positions in words."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.tree.clustering import halving_clusters
from wfst_asr.tree.stats import TreeStatistics, sum_rows

_POSITIONS = ("_B", "_E", "_I", "_S")


def cluster_questions(
    stats: TreeStatistics,
    phone_sets: Sequence[Iterable[int]],
    *,
    pdf_classes: Collection[int] = (1,),
    variance_floor: float = 0.01,
    tries: int = 10,
) -> tuple[frozenset[int], ...]:
    """Find sets of phones that sound alike (Kaldi `cluster-phones`, `AutomaticallyObtainQuestions`).

    All phones are parted in two by k-means on their Gaussians, the halves again, down to single sets; every cluster
    on the way is a question, the cluster of all included (which tells them from what is not in `phone_sets`).

    Args:
        stats: of the training data.
        phone_sets: phones that stay together (variants of one phone by position in the word); in one set each.
        pdf_classes: HMM states that are compared; the middle one of three by default.
        variance_floor: of the Gaussians.
        tries: starts of each k-means.

    Raises:
        WfstAsrError: no phones, or one in two sets.
    """
    sets = [frozenset(phones) for phones in phone_sets]
    phones = [phone for members in sets for phone in members]
    if not phones or len(set(phones)) != len(phones):
        raise WfstAsrError("questions: expected sets of phones to cluster, every phone in one of them")
    number_of_phone = np.full(1 + max(max(phones), int(stats.windows.max(initial=0))), -1)
    for number, members in enumerate(sets):
        number_of_phone[list(members)] = number
    numbers = number_of_phone[stats.central_phone]
    rows = np.flatnonzero((numbers >= 0) & np.isin(stats.pdf_class, list(pdf_classes)))
    sums = np.concatenate((stats.count[rows, None], stats.first[rows], stats.second[rows]), axis=1)
    points = sum_rows(sums, numbers[rows], len(sets))
    clusters = halving_clusters(points, floor=variance_floor, tries=tries)
    questions = {frozenset(phone for number in cluster for phone in sets[number]) for cluster in clusters}
    return _ordered(questions)


def position_questions(phones: Mapping[str, int], *, silence: Collection[str] = ()) -> tuple[frozenset[int], ...]:
    """Return a question a position in the word: all phones of speech that end in `_B`, `_E`, `_I`, `_S`.

    Phones of silence are asked about apart: a question for those without a mark and for each mark (Kaldi's
    `extra_questions.txt`).  Sets that are empty, and epsilon and disambiguation symbols, are left out.

    >>> sorted(map(sorted, position_questions({"<eps>": 0, "SIL": 1, "AA_B": 2, "AA_E": 3, "B_B": 4}, silence=["SIL"])))
    [[1], [2, 4], [3]]
    """
    groups: dict[tuple[bool, str], set[int]] = {}
    for name, number in phones.items():
        if number == 0 or name.startswith("#"):
            continue
        mark = name[-2:] if name[-2:] in _POSITIONS else ""
        quiet = name in silence or (bool(mark) and name[:-2] in silence)
        if mark or quiet:
            groups.setdefault((quiet, mark), set()).add(number)
    return _ordered({frozenset(group) for group in groups.values()})


def read_phone_classes(path: str | os.PathLike[str], phones: Mapping[str, int]) -> dict[str, frozenset[int]]:
    """Read phonetic classes, a line each: `stop P T K`, `stop: P T K`, or just phones (Kaldi `questions.txt`).

    The first word of a line is a name where it is not a phone, or where a colon follows.  A line without a name is
    named by its phones.  A phone that has ids only with marks of position (`AA_B`) stands for all of these.

    Args:
        path: the file.
        phones: id of every phone by name.

    Raises:
        WfstAsrError: no such file, a phone without id, a name twice, a class without phones, no class at all.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{file}: cannot be read as text ({error}); expected classes of phones") from error
    classes: dict[str, frozenset[int]] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        named = fields[0].endswith(":") or not _ids_of(fields[0], phones)
        name = fields[0].removesuffix(":") if named else " ".join(fields)
        members = fields[1:] if named else fields
        unknown = next((phone for phone in members if not _ids_of(phone, phones)), None)
        if unknown is not None or not members:
            what = f"phone '{unknown}' has no id" if members else f"class '{name}' has no phones"
            raise WfstAsrError(f"{file}:{number}: {what}; expected 'NAME PHONE PHONE ...' with phones of phones.txt")
        if name in classes:
            raise WfstAsrError(f"{file}:{number}: class '{name}' comes twice; rename one or remove it")
        classes[name] = frozenset(number for phone in members for number in _ids_of(phone, phones))
    if not classes:
        raise WfstAsrError(f"{file}: no classes of phones; expected a line 'NAME PHONE PHONE ...' each")
    return classes


def read_questions(path: str | os.PathLike[str], phones: Mapping[str, int]) -> tuple[frozenset[int], ...]:
    """Read questions from a file of phonetic classes; see `read_phone_classes`.  Sets that come twice are kept once."""
    return tuple(dict.fromkeys(read_phone_classes(path, phones).values()))


def write_questions(
    path: str | os.PathLike[str], questions: Iterable[frozenset[int]], phones: Mapping[str, int]
) -> None:
    """Write questions as lines of phones, by name and in the order of their ids (Kaldi's `questions.txt`)."""
    names = {number: name for name, number in phones.items()}
    lines = [" ".join(names[phone] for phone in sorted(question)) + "\n" for question in questions if question]
    with written_aside(path) as aside:
        aside.write_text("".join(lines), encoding="utf-8")


def _ids_of(phone: str, phones: Mapping[str, int]) -> list[int]:
    found = [phones[name] for name in (phone, *(phone + mark for mark in _POSITIONS)) if name in phones]
    return [phones[phone]] if phone in phones else found


def _ordered(questions: Iterable[frozenset[int]]) -> tuple[frozenset[int], ...]:
    return tuple(sorted(questions, key=sorted))
