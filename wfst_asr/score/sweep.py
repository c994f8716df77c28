"""Error rates over language-model weights and word insertion penalties, as Kaldi's scoring scripts give them.

Kaldi's `score.sh` scales the acoustic costs of lattices by 1 / weight, adds the penalty to each word, and reports the
best error rate over all pairs.  The best pair is chosen on what is scored, so that the rate at a weight fixed
beforehand stands beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wfst_asr.errors import WfstAsrError
from wfst_asr.score.wer import ErrorCounts, align

LM_WEIGHTS = tuple(range(4, 21))
INSERTION_PENALTIES = (0.0, 0.5, 1.0)
DEFAULT_LM_WEIGHT = 10

_Words = Sequence[str]


@dataclass(frozen=True)
class SweepPoint:
    """The errors at one language-model weight and word insertion penalty."""

    lm_weight: float
    insertion_penalty: float
    counts: ErrorCounts


@dataclass(frozen=True)
class Sweep:
    """The errors at every pair.

    Attributes:
        points: in the order in which the pairs were given.
        default: the pair that was fixed beforehand.
        without_hypothesis: ids of references that were not decoded; all their words count as deleted.
    """

    points: tuple[SweepPoint, ...]
    default: tuple[float, float]
    without_hypothesis: tuple[str, ...] = ()

    @property
    def best(self) -> SweepPoint:
        """The fewest errors; among equals the weight nearest to the default, then the lowest penalty and weight."""
        return min(
            self.points,
            key=lambda p: (
                p.counts.errors,
                abs(p.lm_weight - self.default[0]),
                abs(p.insertion_penalty - self.default[1]),
                p.lm_weight,
            ),
        )

    @property
    def at_default(self) -> SweepPoint:
        """The errors at the pair that was fixed beforehand."""
        return self.at(*self.default)

    def at(self, lm_weight: float, insertion_penalty: float = 0.0) -> SweepPoint:
        """Return the errors at a pair.

        Raises:
            WfstAsrError: a pair that was not scored.
        """
        for point in self.points:
            if (point.lm_weight, point.insertion_penalty) == (lm_weight, insertion_penalty):
                return point
        raise WfstAsrError(f"weight {lm_weight} with penalty {insertion_penalty} was not scored; name it in the sweep")

    def table(self) -> str:
        """Return error rates in percent, weights by penalties; `*` marks the best, `=` the default."""
        weights = list(dict.fromkeys(p.lm_weight for p in self.points))
        penalties = list(dict.fromkeys(p.insertion_penalty for p in self.points))
        cells = {(p.lm_weight, p.insertion_penalty): p for p in self.points}
        best, at_default = self.best, (self.default[0], self.default[1])
        lines = ["weight" + "".join(f"{f'penalty {penalty:g}':>14}" for penalty in penalties)]
        for weight in weights:
            line = f"{weight:>6g}"
            for penalty in penalties:
                point = cells.get((weight, penalty))
                mark = ("*" if point is best else "") + ("=" if (weight, penalty) == at_default else "")
                line += f"{100 * point.counts.error_rate:>12.2f}{mark:<2}" if point else " " * 14
            lines.append(line.rstrip())
        return "\n".join(lines)


def score_sweep(
    references: Mapping[str, _Words],
    hypotheses: Mapping[tuple[float, float], Mapping[str, _Words]],
    *,
    default: tuple[float, float] = (DEFAULT_LM_WEIGHT, 0.0),
) -> Sweep:
    """Score the texts of every (language-model weight, insertion penalty).

    Args:
        references: words by utterance id.
        hypotheses: for each pair, words by utterance id; an id without words there counts as all deleted.
        default: the pair fixed beforehand; it has to be among them.

    Raises:
        WfstAsrError: no pair, no reference, no id in common, or a default that is not among the pairs.

    >>> references = {"u1": "a b c".split()}
    >>> texts = {(9.0, 0.0): {"u1": "a b".split()}, (10.0, 0.0): {"u1": "a c b".split()}}
    >>> sweep = score_sweep(references, texts)
    >>> sweep.best.lm_weight, sweep.at_default.counts.errors
    (9.0, 2)
    """
    if not references or not hypotheses:
        raise WfstAsrError("nothing to score: give references, and hypotheses for at least one pair of weight, penalty")
    if default not in hypotheses:
        raise WfstAsrError(f"default weight {default[0]:g}, penalty {default[1]:g} is not among the pairs; add it")
    known: set[str] = set().union(*hypotheses.values())
    missing = tuple(name for name in references if name not in known)
    if len(missing) == len(references):
        raise WfstAsrError("reference and hypothesis have no utterance id in common; give texts of the same recordings")
    aligned: dict[tuple[str, tuple[str, ...]], ErrorCounts] = {}  # most pairs give an utterance the same words
    points = []
    for (weight, penalty), texts in hypotheses.items():
        total = ErrorCounts()
        for name, reference in references.items():
            words = tuple(texts.get(name, ()))
            if (name, words) not in aligned:
                aligned[name, words] = _counts(reference, words)
            total += aligned[name, words]
        points.append(SweepPoint(weight, penalty, total))
    return Sweep(tuple(points), default, missing)


def _counts(reference: _Words, hypothesis: _Words) -> ErrorCounts:
    pairs = align(reference, hypothesis)
    insertions = sum(left is None for left, _ in pairs)
    deletions = sum(right is None for _, right in pairs)
    hits = sum(left == right for left, right in pairs)
    return ErrorCounts(hits, len(pairs) - insertions - deletions - hits, insertions, deletions)
