"""Prefix beam search as the papers write it, with a language model over labels: short, slow, the definition.

Hannun et al. 2014, algorithm 1.  `wfst_asr.ctc.prefix_search` is the fast form without a language model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.ctc.log_probs import check_log_probs
from wfst_asr.ctc.prefix_search import PrefixSearchOptions
from wfst_asr.errors import WfstAsrError

Labels = tuple[int, ...]
LabelModel = Callable[[Labels, int], float]
END = -1  # the label that a language model is asked for after the last frame


@dataclass(frozen=True)
class FusedHypothesis:
    """Labels that a prefix search with a language model found.

    Attributes:
        labels: columns, without blanks.
        log_prob: acoustic, as `PrefixHypothesis`.
        lm_log_prob: of the labels and their end, natural log, without weight.
        score: log_prob + lm_weight * lm_log_prob + label_bonus * number of labels; what is ranked.
    """

    labels: Labels
    log_prob: float
    lm_log_prob: float
    score: float


def table_model(table: ArrayLike) -> LabelModel:
    """Make a bigram model of a table.

    Args:
        table: (V + 1, V) or (V + 1, V + 1) natural logs of p(label | label before); the last row is the begin, the last
            of V + 1 columns the end.

    Raises:
        WfstAsrError: another shape.

    >>> model = table_model(np.log([[.5, .5], [.5, .5], [.1, .9]]))
    >>> round(float(np.exp(model((), 1))), 3), model((1,), END)
    (0.9, 0.0)
    """
    array = np.asarray(table, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] - array.shape[1] not in (0, 1):
        raise WfstAsrError(f"bigram table of shape {array.shape}, expected (V + 1, V) or (V + 1, V + 1)")
    has_end = array.shape[0] == array.shape[1]

    def log_prob(prefix: Labels, label: int) -> float:
        if label == END and not has_end:
            return 0.0
        return float(array[prefix[-1] if prefix else -1, label])

    return log_prob


def fused_prefix_search(
    log_probs: ArrayLike,
    options: PrefixSearchOptions | None = None,
    *,
    blank: int = 0,
    nbest: int = 1,
    language_model: LabelModel | None = None,
    lm_weight: float = 1.0,
    label_bonus: float = 0.0,
) -> list[FusedHypothesis]:
    """Find the labels of the best score: acoustic log probability, language model and bonus.

    Args:
        log_probs: (T, V) natural-log probabilities.
        options: what is dropped; prefixes are compared by score.
        blank: column of the blank.
        nbest: how many are returned at most, best first.
        language_model: (labels so far, next label or `END`) -> natural log of its probability.  A model of words
            returns 0 but where a word ends.
        lm_weight: factor on it.
        label_bonus: added for every label.

    Raises:
        WfstAsrError: as `prefix_search`.

    >>> scores = np.log([[.4, .3, .3], [.4, .3, .3]])
    >>> seldom_1 = table_model(np.log([[.5, .05, .45]] * 4))
    >>> [found.labels for found in fused_prefix_search(scores, language_model=seldom_1, label_bonus=1, nbest=2)]
    [(2,), ()]
    """
    options = options or PrefixSearchOptions()
    if nbest < 1:
        raise WfstAsrError(f"nbest is {nbest}; expected 1 or more")
    checked = check_log_probs(log_probs, blank=blank)
    lm_sums: dict[Labels, float] = {(): 0.0}

    def lm_sum(prefix: Labels) -> float:
        if prefix not in lm_sums:
            said = language_model(prefix[:-1], prefix[-1]) if language_model else 0.0
            lm_sums[prefix] = lm_sum(prefix[:-1]) + said
        return lm_sums[prefix]

    def weighed(prefix: Labels, log_prob: float, lm_log_prob: float) -> float:
        told = lm_weight * lm_log_prob if lm_log_prob else 0.0  # a weight of 0 mends what is impossible
        return log_prob + (told if lm_weight else 0.0) + label_bonus * len(prefix)

    # prefix -> log probability of its alignments that end in blank, and in its last label
    active: dict[Labels, tuple[float, float]] = {(): (0.0, -np.inf)}
    for row in checked:
        reached: dict[Labels, tuple[float, float]] = {}

        def add(prefix: Labels, in_blank: float, in_label: float, reached: dict[Labels, tuple[float, float]]) -> None:
            before = reached.get(prefix, (-np.inf, -np.inf))
            reached[prefix] = (np.logaddexp(before[0], in_blank), np.logaddexp(before[1], in_label))

        tokens = _tokens_to_try(row, blank, options)
        for prefix, (in_blank, in_label) in active.items():
            total = np.logaddexp(in_blank, in_label)
            add(prefix, total + row[blank], -np.inf, reached)
            for token in tokens:
                if prefix and token == prefix[-1]:
                    add(prefix, -np.inf, in_label + row[token], reached)
                    add((*prefix, token), -np.inf, in_blank + row[token], reached)
                else:
                    add((*prefix, token), -np.inf, total + row[token], reached)
        scores = {
            prefix: weighed(prefix, float(np.logaddexp(*pair)), lm_sum(prefix)) for prefix, pair in reached.items()
        }
        possible = [prefix for prefix in reached if scores[prefix] > -np.inf]
        kept = sorted(possible, key=lambda prefix: (-scores[prefix], prefix))[: options.max_active]
        active = {prefix: reached[prefix] for prefix in kept if scores[prefix] >= scores[kept[0]] - options.beam}

    found = []
    for prefix, pair in active.items():
        log_prob = float(np.logaddexp(*pair))
        lm_log_prob = lm_sum(prefix) + (language_model(prefix, END) if language_model else 0.0)
        found.append(FusedHypothesis(prefix, log_prob, lm_log_prob, weighed(prefix, log_prob, lm_log_prob)))
    return sorted(found, key=lambda one: (-one.score, one.labels))[:nbest]


def _tokens_to_try(row: NDArray[np.float64], blank: int, options: PrefixSearchOptions) -> list[int]:
    cutoff = row.max() - options.token_beam
    tokens = [label for label in range(len(row)) if label != blank and -np.inf < row[label] >= cutoff]
    return sorted(tokens, key=lambda label: -row[label])[: options.max_tokens]
