"""What a grammar says of sentences: their cost, the first word that does not fit, and sentences drawn from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pynini
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph.grammar_weights import next_word_probabilities
from wfst_asr.graph.word_grammar import WordGrammar, word_grammar

_MAX_NAMED = 12


@dataclass(frozen=True)
class Match:
    """How far a grammar follows a sentence.

    Attributes:
        cost: of its cheapest path, nats; infinity where it is not accepted.
        num_matched: words from the begin on that some sentence of the grammar begins with.
        expected: words that may follow these, sorted.
        may_end: whether a sentence may end after these.
    """

    cost: float
    num_matched: int
    expected: tuple[str, ...]
    may_end: bool

    @property
    def accepted(self) -> bool:
        return bool(np.isfinite(self.cost))


def match_sentence(grammar: WordGrammar, sentence: Sequence[str]) -> Match:
    """Follow a sentence through a grammar.

    >>> found = match_sentence(word_grammar(pynini.union("one", "two") + " three"), ["one", "four"])
    >>> found.accepted, found.num_matched, found.expected, found.may_end
    (False, 1, ('three',), False)
    """
    table, number = grammar.table, {name: i for i, name in enumerate(grammar.names) if i}
    costs = _with_silent_steps(table, {table.start: 0.0})
    for matched, word in enumerate(sentence):
        label = number.get(word, -1)
        after: dict[int, float] = {}
        for state, cost in costs.items():
            for arc in _arcs(table, state, label):
                _least(after, int(arc["nextstate"]), cost + float(arc["cost"]))
        after = _with_silent_steps(table, after)
        if not after:
            return Match(float("inf"), matched, _following(grammar, costs), _ending(table, costs) < np.inf)
        costs = after
    total = _ending(table, costs)
    return Match(total, len(sentence), _following(grammar, costs), total < np.inf)


def why_not(match: Match, sentence: Sequence[str], source: str) -> str:
    """Tell in one sentence why a grammar does not accept one: the first word that does not fit, and what would.

    >>> grammar = word_grammar(pynini.union("one", "two") + " three")
    >>> print(why_not(match_sentence(grammar, ["one", "four"]), ["one", "four"], "the grammar"))
    the grammar does not accept 'one four': 'four', word 2, cannot come after 'one'; expected there: three
    """
    named = list(match.expected[:_MAX_NAMED])
    if len(match.expected) > _MAX_NAMED:
        named.append(f"... ({len(match.expected):,} words)")
    named += ["or the end"] if match.may_end and named else ["the end"] if match.may_end else []
    before = f"after '{' '.join(sentence[: match.num_matched])}'" if match.num_matched else "first"
    if match.num_matched == len(sentence):
        what = f"the sentence cannot end {before if match.num_matched else 'at its begin'}"
    else:
        what = f"'{sentence[match.num_matched]}', word {match.num_matched + 1}, cannot come {before}"
    return f"{source} does not accept '{' '.join(sentence)}': {what}; expected there: {', '.join(named)}"


def sentence_cost(machine: pynini.Fst, sentence: str) -> float:
    """Return the cost of a sentence in a grammar of text; infinity where it is not accepted.

    >>> sentence_cost(pynini.union("yes", pynini.accep("no", weight=1.5)), "no")
    1.5
    """
    return match_sentence(word_grammar(machine), sentence.split()).cost


def accepts(machine: pynini.Fst, sentence: str) -> bool:
    """Tell whether a grammar of text accepts a sentence.

    >>> accepts(pynini.union("yes", "no"), "yes"), accepts(pynini.union("yes", "no"), "yes no")
    (True, False)
    """
    return match_sentence(word_grammar(machine), sentence.split()).accepted


def sample_grammar(
    grammar: WordGrammar, n: int, rng: np.random.Generator, *, max_words: int = 200
) -> list[tuple[str, ...]]:
    """Draw n sentences from a grammar.

    A sentence of cost c is drawn in proportion to exp(-c), each path counting for itself, where these numbers have a
    finite sum; in a grammar that repeats without cost, words are drawn in proportion to their own exp(-c) among those
    that may come next (`next_word_probabilities`).

    Args:
        grammar: the grammar.
        n: number of sentences.
        rng: the same state gives the same sentences.
        max_words: sentences that reach this length are given up for another draw.

    Raises:
        WfstAsrError: a hundred draws one after another were longer than `max_words`.

    >>> sample_grammar(word_grammar(pynini.union("yes", "no")), 3, np.random.default_rng(0))
    [('yes',), ('no',), ('yes',)]
    """
    table, weights = grammar.table, next_word_probabilities(grammar.table)
    sums = [np.cumsum(weights.arc[a:b]) for a, b in zip(table.first_arc[:-1], table.first_arc[1:], strict=True)]
    sentences: list[tuple[str, ...]] = []
    failed = 0
    while len(sentences) < n:
        words: list[str] = []
        state = table.start
        while len(words) <= max_words:
            drawn = int(
                np.searchsorted(sums[state], rng.random() * (weights.end[state] + sums[state][-1:].sum()), "right")
            )
            if drawn == len(sums[state]):
                break
            arc = table.arcs[table.first_arc[state] + drawn]
            words += [grammar.names[arc["ilabel"]]] if arc["ilabel"] else []
            state = int(arc["nextstate"])
        if len(words) <= max_words:
            sentences.append(tuple(words))
            failed = 0
        elif (failed := failed + 1) == 100:
            raise WfstAsrError(
                f"{grammar.source} drew a hundred sentences of more than {max_words} words; raise --max-words, or give "
                "what repeats a cost"
            )
    return sentences


def _arcs(table: ArcTable, state: int, label: int) -> NDArray[np.void]:
    arcs = table.arcs[table.first_arc[state] : table.first_arc[state + 1]]
    found: NDArray[np.void] = arcs[arcs["ilabel"] == label]
    return found


def _least(costs: dict[int, float], state: int, cost: float) -> bool:
    if cost < costs.get(state, np.inf):
        costs[state] = cost
        return True
    return False


def _with_silent_steps(table: ArcTable, costs: dict[int, float]) -> dict[int, float]:
    """Add what epsilons lead to; there are no epsilon cycles of negative cost."""
    found, todo = dict(costs), list(costs)
    while todo:
        state = todo.pop()
        for arc in _arcs(table, state, 0):
            if _least(found, int(arc["nextstate"]), found[state] + float(arc["cost"])):
                todo.append(int(arc["nextstate"]))
    return found


def _ending(table: ArcTable, costs: dict[int, float]) -> float:
    return min((cost + float(table.final_cost[state]) for state, cost in costs.items()), default=float("inf"))


def _following(grammar: WordGrammar, costs: dict[int, float]) -> tuple[str, ...]:
    table = grammar.table
    slices = (slice(table.first_arc[state], table.first_arc[state + 1]) for state in costs)
    labels = {label for part in slices for label in table.arcs["ilabel"][part].tolist()} - {0}
    return tuple(sorted(grammar.names[label] for label in labels))
