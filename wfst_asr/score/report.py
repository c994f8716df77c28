"""Errors for the reader: alignments as three lines of a terminal, and the most common confusions."""

from collections import Counter
from dataclasses import dataclass

from rich.cells import cell_len

from wfst_asr.score.wer import AlignedPair, Scores, UtteranceScore

_GAP = "***"


@dataclass(frozen=True)
class Confusions:
    """The most common errors, each list sorted by count (highest first), then by token.

    Attributes:
        substitutions: ((reference token, hypothesis token), count).
        insertions: (hypothesis token, count).
        deletions: (reference token, count).
    """

    substitutions: tuple[tuple[tuple[str, str], int], ...]
    insertions: tuple[tuple[str, int], ...]
    deletions: tuple[tuple[str, int], ...]


def count_confusions(scores: Scores, *, limit: int = 10) -> Confusions:
    """Count which tokens were taken for which, inserted and deleted.

    Args:
        scores: the aligned utterances.
        limit: length of each of the three lists.

    >>> from wfst_asr.score.wer import score_texts
    >>> count_confusions(score_texts({"u": "a cat".split()}, {"u": "the cat".split()})).substitutions
    ((('a', 'the'), 1),)
    """
    substitutions: Counter[tuple[str, str]] = Counter()
    insertions: Counter[str] = Counter()
    deletions: Counter[str] = Counter()
    for utterance in scores.utterances:
        for reference, hypothesis in utterance.alignment:
            if reference is None and hypothesis is not None:
                insertions[hypothesis] += 1
            elif hypothesis is None and reference is not None:
                deletions[reference] += 1
            elif reference is not None and hypothesis is not None and reference != hypothesis:
                substitutions[reference, hypothesis] += 1
    return Confusions(
        tuple(sorted(substitutions.items(), key=lambda item: (-item[1], item[0]))[:limit]),
        tuple(sorted(insertions.items(), key=lambda item: (-item[1], item[0]))[:limit]),
        tuple(sorted(deletions.items(), key=lambda item: (-item[1], item[0]))[:limit]),
    )


def aligned_text(utterance: UtteranceScore, *, width: int = 100) -> str:
    """Return the alignment as blocks of REF, HYP and OPS lines; S, I and D stand under the wrong tokens.

    Args:
        utterance: the aligned utterance.
        width: columns of the terminal; a longer alignment goes on in the next block.

    >>> from wfst_asr.score.wer import align
    >>> print(aligned_text(UtteranceScore("u", align("the cat sat".split(), "a cat sat down".split()))))
    REF: the cat sat ***
    HYP: a   cat sat down
    OPS: S           I
    """
    blocks: list[list[str]] = []
    lines, used = ["REF:", "HYP:", "OPS:"], len("REF:")
    for pair in utterance.alignment:
        cells = (pair[0] or _GAP, pair[1] or _GAP, _operation(pair))
        columns = max(cell_len(cell) for cell in cells)
        if used + 1 + columns > width and used > len("REF:"):
            blocks.append(lines)
            lines, used = ["REF:", "HYP:", "OPS:"], len("REF:")
        lines = [f"{line} {cell}{' ' * (columns - cell_len(cell))}" for line, cell in zip(lines, cells, strict=True)]
        used += 1 + columns
    blocks.append(lines)
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks)


def _operation(pair: AlignedPair) -> str:
    reference, hypothesis = pair
    if reference == hypothesis:
        return ""
    if reference is None:
        return "I"
    return "D" if hypothesis is None else "S"
