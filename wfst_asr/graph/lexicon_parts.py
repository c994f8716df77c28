"""The parts of L: pronunciations with their costs and the optional silence, recovered from the machine itself.

L of `lexicon_fst` and of Kaldi's `make_lexicon_fst.py` is a loop of words; whatever is not is refused, so that the
direct compiler never takes L for something else than it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph.window_hmms import DirectLimitError

_CLOSE = 1e-3  # costs of text files have few digits


@dataclass(frozen=True)
class LexiconParts:
    """What a plain L is made of.

    Attributes:
        pronunciations: (phone ids, word id, cost), in the order of L's arcs.
        silence_phone: the phone that may stand before, between and after words; 0 for none.
        silence_prob: its probability.
    """

    pronunciations: tuple[tuple[tuple[int, ...], int, float], ...]
    silence_phone: int
    silence_prob: float

    @property
    def phones(self) -> frozenset[int]:
        """All phones in use, silence among them."""
        used = {phone for phones, _, _ in self.pronunciations for phone in phones}
        return frozenset(used | ({self.silence_phone} if self.silence_phone else set()))

    @property
    def word_ids(self) -> NDArray[np.int32]:
        """Ids of all words."""
        return np.unique(np.array([word for _, word, _ in self.pronunciations], dtype=np.int32))


def lexicon_parts(table: ArcTable, disambig: Iterable[int]) -> LexiconParts:
    """Take L apart.

    Args:
        table: L with or without disambiguation symbols.
        disambig: ids of the disambiguation symbols on its input side; they are left out.

    Raises:
        DirectLimitError: L has another form, for example silence whose probability depends on the word.

    Linear in the size of L.

    >>> from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
    >>> from wfst_asr.lexicon.lexicon import Lexicon
    >>> phones, words = {"SIL": 1, "N": 2, "OW": 3, "#0": 4, "#1": 5}, {"no": 1, "o": 2, "#0": 3}
    >>> l = lexicon_arcs(Lexicon.from_pairs([("no", "N OW"), ("o", "OW")]), phones, words, LexiconOptions(0.25))
    >>> parts = lexicon_parts(l, [4, 5])
    >>> parts.pronunciations, parts.silence_phone, round(parts.silence_prob, 6)
    ((((2, 3), 1, 0.0), ((3,), 2, 0.0)), 1, 0.25)
    """
    return _Reader(table, frozenset(disambig)).parts()


class _Reader:
    def __init__(self, table: ArcTable, disambig: frozenset[int]) -> None:
        arcs = table.arcs
        self._first = table.first_arc.tolist()
        self._ilabel = [0 if label in disambig else label for label in arcs["ilabel"].tolist()]
        self._is_symbol = np.isin(arcs["ilabel"], list(disambig)).tolist()
        self._olabel = arcs["olabel"].tolist()
        self._cost = arcs["cost"].tolist()
        self._next = arcs["nextstate"].tolist()
        self._start = table.start
        ends = np.flatnonzero(np.isfinite(table.final_cost))
        if table.start < 0 or len(ends) != 1 or table.final_cost[ends[0]] != 0.0:
            raise DirectLimitError(f"L has {len(ends)} final states, where a plain lexicon has one without cost")
        self._loop = int(ends[0])

    def _arcs(self, state: int) -> range:
        return range(self._first[state], self._first[state + 1])

    def parts(self) -> LexiconParts:
        loop = self._loop
        silent, phone, plain_cost, silence_cost = -1, 0, 0.0, float("inf")
        if self._start != loop:
            silent, phone, plain_cost, silence_cost = self._silence()
        found, short, short_to_silence = [], [], []
        for arc in self._arcs(loop):
            if self._is_symbol[arc] and self._next[arc] == loop:
                continue  # #0 of the grammar
            word, first_phone = self._olabel[arc], self._ilabel[arc]
            if word == 0 or first_phone == 0:
                raise DirectLimitError("L has a word without a phone or a phone without a word where words begin")
            if self._next[arc] == silent:
                short_to_silence.append((first_phone, word, self._cost[arc] - silence_cost))
                continue
            if self._next[arc] == loop:
                short.append((first_phone, word, self._cost[arc] - plain_cost))
            phones, cost = self._word(arc, silent, plain_cost, silence_cost)
            if cost < -_CLOSE:
                raise DirectLimitError(f"L has a pronunciation with the negative cost {cost}")
            found.append((phones, word, max(cost, 0.0)))
        if silent >= 0 and not _alike(short, short_to_silence):
            raise DirectLimitError("L has words of one phone that silence does not follow as it follows others")
        prob = float(np.exp(-silence_cost)) if silent >= 0 else 0.0
        return LexiconParts(tuple(found), phone, prob)

    def _silence(self) -> tuple[int, int, float, float]:
        """Return the state before silence, its phone, and the costs of no silence and of silence."""
        loop, start = self._loop, list(self._arcs(self._start))
        plain = [arc for arc in start if self._next[arc] == loop and self._ilabel[arc] == 0]
        rest = [arc for arc in start if arc not in plain]
        if len(plain) != 1 or len(rest) != 1 or any(self._olabel[arc] for arc in start):
            raise DirectLimitError("L does not begin with a choice of silence or no silence")
        labels: list[int] = []
        state, phone = self._next[rest[0]], self._ilabel[rest[0]]
        silent = -1
        if not phone:
            silent = state
        else:  # the first silence has an arc of its own; the state before the others is where words lead too
            silent = self._state_before_silence(state, phone)
        while state != loop:
            arcs = list(self._arcs(state))
            if len(arcs) != 1 or self._olabel[arcs[0]] or abs(self._cost[arcs[0]]) > 0.0 or len(labels) > 2:
                raise DirectLimitError("L has more than one phone of silence between words")
            labels += [self._ilabel[arcs[0]]] if self._ilabel[arcs[0]] else []
            state = self._next[arcs[0]]
        labels += [phone] if phone else []
        plain_cost, silence_cost = self._cost[plain[0]], self._cost[rest[0]]
        if len(labels) != 1 or abs(np.exp(-plain_cost) + np.exp(-silence_cost) - 1.0) > _CLOSE:
            raise DirectLimitError("L has silence of another form than one phone with a probability")
        return silent, labels[0], plain_cost, silence_cost

    def _state_before_silence(self, behind: int, phone: int) -> int:
        for state in range(len(self._first) - 1):
            arcs = list(self._arcs(state))
            if state != self._start and len(arcs) == 1:
                arc = arcs[0]
                if (self._ilabel[arc], self._olabel[arc], self._next[arc]) == (phone, 0, behind):
                    return state
        raise DirectLimitError("L has silence at its begin, but not between words")

    def _word(self, arc: int, silent: int, plain_cost: float, silence_cost: float) -> tuple[tuple[int, ...], float]:
        """Follow a pronunciation from its first arc; return its phones and its cost."""
        phones, cost, state = [self._ilabel[arc]], self._cost[arc], self._next[arc]
        while state != self._loop:
            arcs = self._arcs(state)
            arc = arcs[0] if len(arcs) else -1
            if len(arcs) == 2 and silent >= 0:
                other = arcs[1]
                if self._next[arc] == silent:
                    arc, other = other, arc
                same = self._ilabel[arc] == self._ilabel[other] and not self._olabel[other]
                ends = self._next[arc] == self._loop and self._next[other] == silent
                fits = abs(self._cost[arc] - plain_cost) < _CLOSE and abs(self._cost[other] - silence_cost) < _CLOSE
                if not (same and ends and fits):
                    raise DirectLimitError("L has silence whose probability depends on the word")
            elif len(arcs) != 1 or (silent >= 0 and self._next[arc] in (self._loop, silent)):
                raise DirectLimitError("L has pronunciations that branch or end otherwise than in a plain lexicon")
            if self._olabel[arc] or len(phones) > 10_000:
                raise DirectLimitError("L has a word behind the first phone of another one")
            phones += [self._ilabel[arc]] if self._ilabel[arc] else []
            cost += self._cost[arc]
            state = self._next[arc]
        return tuple(phones), cost - plain_cost


def _alike(one: list[tuple[int, int, float]], other: list[tuple[int, int, float]]) -> bool:
    return len(one) == len(other) and all(
        a[:2] == b[:2] and abs(a[2] - b[2]) < _CLOSE for a, b in zip(sorted(one), sorted(other), strict=True)
    )
