"""Silence whose probability depends on the words around it, for the direct compiler.

L of Chen, Xu, Hou, Povey and Khudanpur (Interspeech 2015; Kaldi's `make_lexicon_fst_silprob.py`) has two states where
words begin, one behind silence and one behind none, with costs of their own.  What follows depends on which it is, so
these states are taken into G: two of each state of G, between which words and silence lead, and in front of them one
for each probability of silence that words ending there have.  Then L is plain again, and a lexical tree is made of
each.  Where G's states list few words, the trees behind silence and behind none have nothing but their roots apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.graph.lexical_tree import PronunciationArrays, pronunciation_arrays_of_rows
from wfst_asr.graph.lexicon_parts import LexiconParts
from wfst_asr.graph.window_hmms import DirectLimitError

_UNITS = 1024  # costs that differ by less than one part of a nat in this many are equal


@dataclass(frozen=True)
class SpokenWord:
    """A pronunciation, and the costs of what is around it.

    Attributes:
        phones: ids.
        word: id.
        behind_none: cost where no silence is before it, with that of the pronunciation.
        behind_silence: the same behind silence.
        then_none: cost of no silence after it.
        then_silence: cost of silence after it.
    """

    phones: tuple[int, ...]
    word: int
    behind_none: float
    behind_silence: float
    then_none: float
    then_silence: float


@dataclass(frozen=True)
class WordSilence:
    """What an L with word-dependent silence is made of.

    Attributes:
        words: every pronunciation.
        silence_phone: the optional silence.
        begin_none: cost of no silence before the first word.
        begin_silence: cost of silence there.
        end_none: cost of the end where no silence is before it.
        end_silence: the same behind silence.
    """

    words: tuple[SpokenWord, ...]
    silence_phone: int
    begin_none: float
    begin_silence: float
    end_none: float
    end_silence: float

    @property
    def phones(self) -> frozenset[int]:
        """All phones in use, silence among them."""
        return frozenset({phone for word in self.words for phone in word.phones} | {self.silence_phone})

    @property
    def word_ids(self) -> NDArray[np.int32]:
        """Ids of all words."""
        return np.unique(np.array([word.word for word in self.words], dtype=np.int32))


def has_word_silence(table: ArcTable) -> bool:
    """Tell whether L ends in two states, as one with word-dependent silence does."""
    return table.start >= 0 and np.count_nonzero(np.isfinite(table.final_cost)) == 2


def word_silence(table: ArcTable, disambig: Iterable[int]) -> WordSilence:
    """Take an L with word-dependent silence apart; linear in its size.

    Args:
        table: L with or without disambiguation symbols.
        disambig: ids of the disambiguation symbols on its input side; they are left out.

    Raises:
        DirectLimitError: L has another form.

    >>> from wfst_asr.graph.lexicon_fst import lexicon_arcs
    >>> from wfst_asr.lexicon.lexicon import Lexicon
    >>> from wfst_asr.lexicon.silence_probs import PronunciationSilence, SilenceProbs
    >>> phones, words = {"SIL": 1, "OW": 2, "#0": 3, "#1": 4}, {"o": 1, "#0": 2}
    >>> probs = SilenceProbs(0.5, 1.0, 1.0, 0.5, (PronunciationSilence(after=0.5, before=1.0, before_none=1.0),))
    >>> found = word_silence(lexicon_arcs(Lexicon.from_pairs([("o", "OW")]), phones, words, silence=probs), [3, 4])
    >>> found.silence_phone, found.words[0].phones, round(found.words[0].then_silence, 4)
    (1, (2,), 0.6931)
    """
    return _Reader(table, frozenset(disambig)).parts()


class _Reader:
    def __init__(self, table: ArcTable, disambig: frozenset[int]) -> None:
        self._first = table.first_arc.tolist()
        rows = table.arcs.tolist()
        self._is_symbol = [row[0] in disambig for row in rows]
        self._arcs = [(0, *row[1:]) if row[0] in disambig else row for row in rows]
        self._start, self._final_cost = table.start, table.final_cost
        self._ends = np.flatnonzero(np.isfinite(table.final_cost)).tolist()

    def _of(self, state: int) -> list[tuple[int, int, float, int]]:
        return self._arcs[self._first[state] : self._first[state + 1]]

    def parts(self) -> WordSilence:
        start = self._of(self._start)
        plain = [arc for arc in start if arc[:2] == (0, 0)]
        silent = [arc for arc in start if arc[0] and not arc[1]]
        ends = {arc[3] for arc in (*plain, *silent)}
        if self._start in ends or len(start) != 2 or len(plain) != 1 or len(silent) != 1 or sorted(ends) != self._ends:
            raise DirectLimitError("L has two final states, but does not begin with a choice of silence or none")
        (_, _, begin_none, none), (phone, _, begin_silence, silence) = plain[0], silent[0]
        behind_silence = self._begins(silence)
        words = []
        for key, cost in self._begins(none).items():
            if key not in behind_silence:
                raise DirectLimitError("L has words that begin behind silence otherwise than behind none")
            first_phone, word, state = key
            phones, then_none, then_silence = self._rest(state, none, silence, phone)
            words.append(SpokenWord((first_phone, *phones), word, cost, behind_silence[key], then_none, then_silence))
        if len(words) != len(behind_silence) or not words:
            raise DirectLimitError("L has words that begin behind silence otherwise than behind none")
        finals = float(self._final_cost[none]), float(self._final_cost[silence])
        return WordSilence(tuple(words), phone, begin_none, begin_silence, *finals)

    def _begins(self, state: int) -> dict[tuple[int, int, int], float]:
        """Return (phone, word, next state) and cost of what leaves a state where words begin."""
        found: dict[tuple[int, int, int], float] = {}
        for place in range(self._first[state], self._first[state + 1]):
            phone, word, cost, target = self._arcs[place]
            if self._is_symbol[place] and target == state:
                continue  # #0 of the grammar
            if not phone or not word or target in self._ends or (phone, word, target) in found:
                raise DirectLimitError("L has a word without a phone or a phone without a word where words begin")
            found[phone, word, target] = cost
        return found

    def _rest(self, state: int, none: int, silence: int, silence_phone: int) -> tuple[list[int], float, float]:
        """Follow a pronunciation to its end; return the phones, and the costs of no silence and of silence there."""
        phones: list[int] = []
        while True:
            arcs = self._of(state)
            if len(arcs) == 2 and {arc[3] for arc in arcs} == {none, silence}:
                plain, silent = arcs if arcs[0][3] == none else arcs[::-1]
                if plain[:2] != (0, 0) or silent[:2] != (silence_phone, 0):
                    raise DirectLimitError("L has words that silence follows in another form than one phone")
                return phones, plain[2], silent[2]
            if len(arcs) != 1 or arcs[0][1] or arcs[0][2] != 0.0 or arcs[0][3] in self._ends or len(phones) > 10_000:
                raise DirectLimitError(
                    "L has pronunciations that branch or end otherwise than with a choice of silence"
                )
            phones += [arcs[0][0]] if arcs[0][0] else []
            state = arcs[0][3]


def silence_in_grammar(
    lexicon: WordSilence, grammar: ArcTable, *, backoff_label: int
) -> tuple[PronunciationArrays, ArcTable]:
    """Return a plain lexicon without silence, and G with the silence: together they say what L and G say.

    Args:
        lexicon: L, see `word_silence`.
        grammar: G.
        backoff_label: label of `#0` in G.

    Returns:
        The lexicon, whose words are numbers for (word, silence around it), silence one of them; and G, whose inputs are
        those numbers and whose outputs are words.  Its backoff arcs have input label 0: what is compiled of it takes
        `backoff_label=-1`.  State 2 d is G's state d where no silence was before, 2 d + 1 the same behind silence;
        behind these come states where silence is yet to be chosen.
    """
    classes: dict[tuple[int, int, int], int] = {}  # (word, exit, and how much behind silence costs more)
    exits = {_exit_key(lexicon.begin_none, lexicon.begin_silence): 0}
    rows: list[tuple[tuple[int, ...], int, float]] = []
    word_of: list[int] = []
    exit_of: list[int] = []
    more: list[float] = []
    for spoken in lexicon.words:
        way = exits.setdefault(_exit_key(spoken.then_none, spoken.then_silence), len(exits))
        difference = spoken.behind_silence - spoken.behind_none
        key = (spoken.word, way, round(difference * _UNITS))
        number = classes.setdefault(key, len(classes) + 1)
        if number > len(word_of):
            word_of.append(spoken.word)
            exit_of.append(way)
            more.append(difference)
        rows.append((spoken.phones, number, spoken.behind_none))
    silence = len(classes) + 1
    rows.append(((lexicon.silence_phone,), silence, 0.0))
    return pronunciation_arrays_of_rows(rows), _spread_grammar(
        lexicon,
        grammar,
        backoff_label,
        np.array(word_of),
        np.array(exit_of),
        np.array(more, dtype=np.float32),
        np.array(list(exits), dtype=np.float32) / np.float32(_UNITS),
        silence,
    )


def _exit_key(none: float, silence: float) -> tuple[int, int]:
    return round(none * _UNITS), round(silence * _UNITS)


def _spread_grammar(
    lexicon: WordSilence,
    grammar: ArcTable,
    backoff_label: int,
    word_of: NDArray[np.int64],
    exit_of: NDArray[np.int64],
    more: NDArray[np.float32],
    exit_costs: NDArray[np.float32],
    silence: int,
) -> ArcTable:
    arcs, source, num_states = grammar.arcs, grammar.source().astype(np.int64), grammar.num_states
    label = arcs["ilabel"]
    is_word = (label != backoff_label) & (label != 0)
    by_word = np.argsort(word_of, kind="stable")
    low = np.searchsorted(word_of[by_word], label[is_word], side="left")
    count = np.searchsorted(word_of[by_word], label[is_word], side="right") - low
    arc = np.repeat(np.flatnonzero(is_word), count)
    within = np.arange(len(arc)) - np.repeat(np.cumsum(count) - count, count)
    number = by_word[np.repeat(low, count) + within]
    ways = np.concatenate(
        ([grammar.start * len(exit_costs)], arcs["nextstate"][arc] * np.int64(len(exit_costs)) + exit_of[number])
    )
    kept, place = np.unique(ways, return_inverse=True)
    first_way = 2 * num_states
    behind, costs = kept // len(exit_costs), exit_costs[kept % len(exit_costs)]

    back = np.flatnonzero(~is_word)
    made = np.empty(2 * len(arc) + 2 * len(back) + 2 * len(kept), dtype=ARC_DTYPE)
    origin = np.empty(len(made), dtype=np.int64)
    at = 0
    for mode, extra in ((0, np.float32(0.0)), (1, more[number])):
        part = made[at : at + len(arc)]
        part["ilabel"], part["olabel"] = number + 1, arcs["olabel"][arc]
        part["cost"], part["nextstate"] = arcs["cost"][arc] + extra, first_way + place[1:]
        origin[at : at + len(arc)] = 2 * source[arc] + mode
        at += len(arc)
        part = made[at : at + len(back)]
        part["ilabel"], part["olabel"] = 0, arcs["olabel"][back]
        part["cost"], part["nextstate"] = arcs["cost"][back], 2 * arcs["nextstate"][back] + mode
        origin[at : at + len(back)] = 2 * source[back] + mode
        at += len(back)
    for mode, spoken in ((0, 0), (1, silence)):
        part = made[at : at + len(kept)]
        part["ilabel"], part["olabel"], part["cost"], part["nextstate"] = spoken, 0, costs[:, mode], 2 * behind + mode
        origin[at : at + len(kept)] = first_way + np.arange(len(kept))
        at += len(kept)
    finals = np.full(first_way + len(kept), np.inf, dtype=np.float32)
    finals[0:first_way:2] = grammar.final_cost + np.float32(lexicon.end_none)
    finals[1:first_way:2] = grammar.final_cost + np.float32(lexicon.end_silence)
    return arc_table(len(finals), made, source=origin, finals=finals, start=first_way + int(place[0]))


@dataclass(frozen=True)
class TreeInputs:
    """L and G as `lexical_tree_lg` takes them.

    Attributes:
        pronunciations: the lexicon.
        grammar: G.
        backoff_label: label of its back-off arcs.
        silence_phone: optional silence, 0 where there is none or where it is in G.
        silence_prob: its probability.
    """

    pronunciations: PronunciationArrays
    grammar: ArcTable
    backoff_label: int
    silence_phone: int
    silence_prob: float


def tree_inputs(parts: LexiconParts | WordSilence, grammar: ArcTable, *, backoff_label: int) -> TreeInputs:
    """Prepare either kind of lexicon, with G, for the lexical trees."""
    if isinstance(parts, WordSilence):
        return TreeInputs(*silence_in_grammar(parts, grammar, backoff_label=backoff_label), -1, 0, 0.5)
    rows = pronunciation_arrays_of_rows(parts.pronunciations)
    return TreeInputs(rows, grammar, backoff_label, parts.silence_phone, parts.silence_prob)
