"""Word and character error rates: each hypothesis aligned with the reference of the same utterance id."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import kaldialign

from wfst_asr.errors import WfstAsrError

AlignedPair = tuple[str | None, str | None]


@dataclass(frozen=True)
class ErrorCounts:
    """How many tokens (words or characters) were right and wrong.

    Attributes:
        hits: tokens of the reference that the hypothesis has.
        substitutions: tokens of the reference that the hypothesis has another token for.
        insertions: tokens of the hypothesis that the reference lacks.
        deletions: tokens of the reference that the hypothesis lacks.

    >>> ErrorCounts(hits=7, substitutions=1, insertions=2, deletions=2).error_rate
    0.5
    """

    hits: int = 0
    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0

    @property
    def reference_length(self) -> int:
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.insertions + self.deletions

    @property
    def error_rate(self) -> float:
        """Errors per token of the reference, 0.25 for 25 %; may exceed 1.

        An empty reference has the rate 0 if the hypothesis is empty too, else infinity.
        """
        if self.reference_length == 0:
            return math.inf if self.errors else 0.0
        return self.errors / self.reference_length

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
        )


@dataclass(frozen=True)
class UtteranceScore:
    """One utterance: (reference token, hypothesis token) pairs in time order, None where one side has nothing."""

    utterance_id: str
    alignment: tuple[AlignedPair, ...]

    @cached_property
    def counts(self) -> ErrorCounts:
        """Return the hits and errors of the alignment."""
        insertions = sum(reference is None for reference, _ in self.alignment)
        deletions = sum(hypothesis is None for _, hypothesis in self.alignment)
        hits = sum(reference == hypothesis for reference, hypothesis in self.alignment)
        return ErrorCounts(hits, len(self.alignment) - insertions - deletions - hits, insertions, deletions)


@dataclass(frozen=True)
class Scores:
    """All utterances that reference and hypothesis have in common, and the ids that only one of them has.

    Attributes:
        utterances: in the order of the reference.
        without_hypothesis: ids of the reference that the hypothesis lacks; they count nowhere.
        without_reference: ids of the hypothesis that the reference lacks; they count nowhere.
    """

    utterances: tuple[UtteranceScore, ...]
    without_hypothesis: tuple[str, ...] = ()
    without_reference: tuple[str, ...] = ()

    @cached_property
    def total(self) -> ErrorCounts:
        """Return the counts over all utterances."""
        return sum((utterance.counts for utterance in self.utterances), ErrorCounts())

    @property
    def error_rate(self) -> float:
        """Errors per token of all references together (not the mean of the utterances' rates)."""
        return self.total.error_rate

    def by_speaker(self, utt2spk: Mapping[str, str]) -> dict[str, ErrorCounts]:
        """Return the counts of every speaker, sorted by name.

        Args:
            utt2spk: speaker by utterance id.

        Raises:
            WfstAsrError: an utterance without a speaker.
        """
        result: dict[str, ErrorCounts] = {}
        for utterance in self.utterances:
            speaker = utt2spk.get(utterance.utterance_id)
            if speaker is None:
                raise WfstAsrError(f"utterance '{utterance.utterance_id}' has no speaker; add it to utt2spk")
            result[speaker] = result.get(speaker, ErrorCounts()) + utterance.counts
        return dict(sorted(result.items()))


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[AlignedPair, ...]:
    """Align two token sequences with the fewest substitutions, insertions and deletions (Levenshtein distance).

    Quadratic in the length.  Any string is a token, also one that looks like an epsilon.

    >>> align("the cat sat".split(), "a cat sat down".split())
    (('the', 'a'), ('cat', 'cat'), ('sat', 'sat'), (None, 'down'))
    """
    tokens = list(dict.fromkeys([*reference, *hypothesis]))
    number = {token: i for i, token in enumerate(tokens)}
    nothing = len(tokens)
    names: list[str | None] = [*tokens, None]
    pairs = kaldialign.align([number[t] for t in reference], [number[t] for t in hypothesis], nothing)
    return tuple((names[left], names[right]) for left, right in pairs)


def score_texts(references: Mapping[str, Sequence[str]], hypotheses: Mapping[str, Sequence[str]]) -> Scores:
    """Align every hypothesis with the reference of its id.

    Args:
        references: tokens by utterance id; words, or the result of `characters`.
        hypotheses: tokens by utterance id.

    Raises:
        WfstAsrError: no id is in both.

    >>> scores = score_texts({"u1": ["a", "b"], "u2": ["c", "d"]}, {"u2": ["c"], "u3": ["e"]})
    >>> scores.error_rate, scores.without_hypothesis, scores.without_reference
    (0.5, ('u1',), ('u3',))
    """
    common = [utterance_id for utterance_id in references if utterance_id in hypotheses]
    if not common:
        example = (next(iter(references), None), next(iter(hypotheses), None))
        told = ", ".join(f"'{name}'" if name else "none" for name in example)
        raise WfstAsrError(
            f"reference and hypothesis have no utterance id in common (the first of each: {told}); "
            "give two texts of the same recordings"
        )
    return Scores(
        tuple(UtteranceScore(name, align(references[name], hypotheses[name])) for name in common),
        tuple(name for name in references if name not in hypotheses),
        tuple(name for name in hypotheses if name not in references),
    )


def characters(words: Iterable[str]) -> tuple[str, ...]:
    """Return the characters of a text; the space between two words is one of them.

    >>> characters(["to", "be"])
    ('t', 'o', ' ', 'b', 'e')
    """
    return tuple(" ".join(words))


def read_text(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """Read a Kaldi `text` file, `UTTERANCE-ID WORD WORD ...` a line; an id alone is an utterance without words.

    Args:
        path: the file, or a folder that contains it under the name `text`.

    Raises:
        WfstAsrError: no such file, not UTF-8 text, an empty line, or an id that was there before.
    """
    return {name: tuple(words) for name, words in _read_table(_inside(Path(path), "text"), "text")}


def read_utt2spk(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read a Kaldi `utt2spk` file, `UTTERANCE-ID SPEAKER` a line.

    Args:
        path: the file, or a folder that contains it under the name `utt2spk`.

    Raises:
        WfstAsrError: no such file, not UTF-8 text, a line of another form, or an id that was there before.
    """
    file = _inside(Path(path), "utt2spk")
    result: dict[str, str] = {}
    for number, (name, fields) in enumerate(_read_table(file, "utt2spk"), start=1):
        if len(fields) != 1:
            raise WfstAsrError(f"{file}:{number}: {1 + len(fields)} fields; expected an utterance id and its speaker")
        result[name] = fields[0]
    return result


def _inside(path: Path, name: str) -> Path:
    return path / name if path.is_dir() else path


def _read_table(file: Path, name: str) -> list[tuple[str, list[str]]]:
    """Return the first field of every line and the fields that follow it."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise WfstAsrError(f"{file}: cannot be read ({error.strerror}); give a Kaldi '{name}' file") from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{file}: not UTF-8 text; give a Kaldi '{name}' file") from error
    rows: list[tuple[str, list[str]]] = []
    line_of: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            raise WfstAsrError(f"{file}:{number}: an empty line; remove it")
        if fields[0] in line_of:
            raise WfstAsrError(
                f"{file}:{number}: utterance '{fields[0]}' is there twice (first in line {line_of[fields[0]]}); "
                "remove one of the lines"
            )
        line_of[fields[0]] = number
        rows.append((fields[0], fields[1:]))
    return rows
