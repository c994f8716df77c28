"""Word alignment: a lattice whose every arc spans one word, or one silence, with its exact start and end.

A walk over pairs of a state of the lattice and what has been read but not told apart yet (labels and words); each pair
either gives away a whole word or reads on.  Kaldi: lattice-align-words (`word-align-lattice.cc`) and
lattice-align-words-lexicon.
"""

import warnings
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lattice.blank_parser import BlankParser, has_blank
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.empty_arcs import NO_COST, ArcList, Cost, without_empty_arcs
from wfst_asr.lattice.phones import phone_begins
from wfst_asr.lattice.word_parsers import BoundaryParser, LexiconParser, WordParser

_LEAST_LIMIT, _USUAL_GROWTH = 10_000, 100


def align_words(
    lattice: CompactLattice, input_labels: NDArray[np.void], boundaries: ArrayLike, *, max_states: int | None = None
) -> CompactLattice:
    """Make every arc span exactly one word or silence, told apart by phones that are marked by their place in the word.

    The paths keep their words, their costs and their alignments.  A silence or noise that is no word is an arc with
    olabel 0.  Where a lattice did not reach a final state its last arcs may be parts of words (`partial_arcs`).

    Args:
        lattice: determinized, or any other.
        input_labels: (L,) records with phone, hmm_state and self_loop, such as `SearchGraph.input_labels`.
        boundaries: (P,) place of each phone in the word, of `word_parsers.word_boundaries` or `read_word_boundaries`.
        max_states: limit of time and memory; None for 100 times the states and arcs of the lattice.

    Returns:
        States are pairs of a time and what went before; start and end of an arc are `frame[source]` and
        `frame[nextstate]`.  Final states have no strings.  Of paths that agree in words, silences and alignment the
        best is kept.

    Raises:
        WfstAsrError: labels or phones whose meaning is not known, or a lattice that needs more than `max_states`.

    >>> from wfst_asr.lattice.word_parsers import word_boundaries
    >>> fields = [("phone", "i4"), ("hmm_state", "i2"), ("self_loop", "i1")]
    >>> labels = np.array([(0, 0, 0), (1, 0, -1), (2, 0, -1), (3, 0, -1)], fields)  # SIL, A_B, B_E
    >>> one = CompactLattice(
    ...     frame=np.array([0, 3], np.int32), first_arc=np.array([0, 1, 1]), nextstate=np.array([1], np.int32),
    ...     olabel=np.array([7], np.int32), graph_cost=np.array([1.0], np.float32),
    ...     acoustic_cost=np.array([2.0], np.float32),
    ...     first_label=np.array([0, 3]), labels=np.array([1, 1, 2], np.int32),
    ...     final_cost=np.array([np.inf, 0.5], np.float32), final_acoustic_cost=np.array([0.0, 0.0], np.float32),
    ...     first_final_label=np.array([0, 0, 2]), final_labels=np.array([3, 1], np.int32),
    ... )
    >>> aligned = align_words(one, labels, word_boundaries(["<eps>", "SIL", "A_B", "B_E"]))
    >>> aligned.olabel.tolist(), aligned.frame.tolist(), aligned.labels.tolist()
    ([0, 7, 0], [0, 2, 4, 5], [1, 1, 2, 3, 1])
    """
    return _align(lattice, input_labels, BoundaryParser(np.asarray(boundaries, dtype=np.int8)), max_states)


def align_lexicon(
    lattice: CompactLattice,
    input_labels: NDArray[np.void],
    pronunciations: Mapping[int, Collection[tuple[int, ...]]],
    *,
    max_states: int | None = None,
) -> CompactLattice:
    """`align_words` for phones of any kind: words are told apart by their pronunciations.

    Where phones can be divided into words in several ways, each path gets one division: of what is not decided yet by
    what follows, words come before silences, and longer pronunciations before shorter ones.  A word may have an empty
    pronunciation; its arc has no frames.  In graphs of CTC, runs of blanks between words are silences.

    Args:
        lattice: determinized, or any other.
        input_labels: (L,) records with phone, hmm_state and self_loop.
        pronunciations: phones of each pronunciation by word; those of what may lie between words under 0.
        max_states: limit of time and memory; None for 100 times the states and arcs of the lattice.

    Raises:
        WfstAsrError: a word without pronunciation, labels whose meaning is not known, or a lattice that needs more than
            `max_states`.
    """
    parser: WordParser = LexiconParser(pronunciations, _words(lattice))
    if has_blank(input_labels):
        parser = BlankParser(parser)
    return _align(lattice, input_labels, parser, max_states)


def partial_arcs(
    aligned: CompactLattice,
    input_labels: NDArray[np.void],
    *,
    boundaries: ArrayLike | None = None,
    pronunciations: Mapping[int, Collection[tuple[int, ...]]] | None = None,
) -> NDArray[np.bool_]:
    """Tell which arcs of an aligned lattice are only a part of a word or silence, or not one word at all.

    Only a lattice that did not reach a final state should have any, at its end.  There a phone counts as broken off
    where its last HMM state was not reached.

    Args:
        aligned: of `align_words` or `align_lexicon`.
        input_labels: as given there.
        boundaries: as given to `align_words`, or
        pronunciations: as given to `align_lexicon`.

    Returns:
        (A,) flags.

    Raises:
        WfstAsrError: both or none of the last two.
    """
    if (boundaries is None) == (pronunciations is None):
        raise WfstAsrError("give either the word boundaries of the phones or the pronunciations of the words")
    parser: WordParser
    if pronunciations is not None:
        parser = LexiconParser(pronunciations, _words(aligned))
        if has_blank(input_labels):
            parser = BlankParser(parser)
    else:
        parser = BoundaryParser(np.asarray(boundaries, dtype=np.int8))
    last_state = np.zeros(int(input_labels["phone"].max(initial=0)) + 1, dtype=np.int64)
    np.maximum.at(last_state, input_labels["phone"], input_labels["hmm_state"])
    strings = _Strings(aligned.labels, aligned.first_label, input_labels)
    partial = np.zeros(aligned.num_arcs, dtype=bool)
    end_frame = aligned.frame[aligned.nextstate]
    for arc in range(aligned.num_arcs):
        string = strings.of(arc)
        partial[arc] = not parser.whole(string.phones, int(aligned.olabel[arc]))
        if not aligned.reached_final and end_frame[arc] == aligned.num_frames and string.phones:
            reached = input_labels["hmm_state"][aligned.labels[aligned.first_label[arc + 1] - 1]]
            partial[arc] |= reached < last_state[string.phones[-1]]
    return partial


class _Pending(NamedTuple):
    """What was read and not told apart yet: labels as bytes, their phones with lengths, the last label, words."""

    labels: bytes = b""
    phones: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    last: int = 0
    words: tuple[int, ...] = ()


class _String(NamedTuple):
    labels: bytes
    phones: tuple[int, ...]
    lengths: tuple[int, ...]
    first: int
    last: int


_Key = tuple[int, bytes, tuple[int, ...]]


class _Strings:
    """Label strings cut into phones; the first label of each is taken to begin a phone."""

    def __init__(self, labels: NDArray[np.int32], first: NDArray[np.int64], input_labels: NDArray[np.void]) -> None:
        begins = phone_begins(input_labels, labels)
        begins[first[:-1][first[:-1] < len(labels)]] = True
        self._starts = np.flatnonzero(begins)
        self._lengths: list[int] = np.diff(self._starts, append=len(labels)).tolist()
        self._phones: list[int] = input_labels["phone"][labels[self._starts]].tolist()
        self._begin: list[int] = np.searchsorted(self._starts, first).tolist()
        self._first: list[int] = first.tolist()
        self._labels: NDArray[np.int32] = np.ascontiguousarray(labels, dtype=np.int32)
        self._bytes = self._labels.tobytes()

    def of(self, number: int) -> _String:
        """Return a string."""
        low, high = self._first[number], self._first[number + 1]
        if low == high:
            return _String(b"", (), (), 0, 0)
        a, b = self._begin[number], self._begin[number + 1]
        first, last = int(self._labels[low]), int(self._labels[high - 1])
        return _String(
            self._bytes[4 * low : 4 * high], tuple(self._phones[a:b]), tuple(self._lengths[a:b]), first, last
        )


def _words(lattice: CompactLattice) -> Collection[int]:
    words: list[int] = np.unique(lattice.olabel).tolist()
    return words


def _align(
    lattice: CompactLattice, input_labels: NDArray[np.void], parser: WordParser, max_states: int | None
) -> CompactLattice:
    if not lattice.num_states:
        return lattice
    walk = _Walk(lattice, input_labels, parser, max_states)
    walk.run()
    if walk.broken and lattice.reached_final:
        warnings.warn(
            f"the phones of {walk.broken} places at the end of the lattice are not those of the words there; "
            "check that lexicon or word boundaries are the graph's",
            WfstAsrWarning,
            stacklevel=3,
        )
    return without_empty_arcs(walk.arcs, lattice)


class _Walk:
    """The states of the aligned lattice, found from the start."""

    def __init__(
        self, lattice: CompactLattice, input_labels: NDArray[np.void], parser: WordParser, max_states: int | None
    ) -> None:
        self._lattice, self._parser = lattice, parser
        usual = max(_LEAST_LIMIT, _USUAL_GROWTH * (lattice.num_states + lattice.num_arcs))
        self._max_states = usual if max_states is None else max_states
        self._strings = _Strings(lattice.labels, lattice.first_label, input_labels)
        self._final_strings = _Strings(lattice.final_labels, lattice.first_final_label, input_labels)
        used = np.unique(np.concatenate((lattice.labels, lattice.final_labels)))
        self._meaning: dict[int, tuple[int, int, int]] = {
            int(label): (int(row["phone"]), int(row["hmm_state"]), int(row["self_loop"]))
            for label, row in zip(used, input_labels[used], strict=True)
        }
        self._next_labels = self._labels_that_follow()
        self._ended: dict[tuple[int, int], bool] = {}
        self._steps: dict[tuple[tuple[int, ...], tuple[int, ...], bool, bool], tuple[bool, int] | None] = {}
        self.arcs = ArcList()
        self._states: dict[_Key, int] = {}
        self._waiting: list[tuple[int, int, _Pending]] = []
        self.broken = 0

    def run(self) -> None:
        """Find all states and arcs."""
        lattice, end = self._lattice, self._lattice.num_states
        first_arc, nextstate, olabel = (a.tolist() for a in (lattice.first_arc, lattice.nextstate, lattice.olabel))
        graph_cost, acoustic_cost = lattice.graph_cost.tolist(), lattice.acoustic_cost.tolist()
        finals = np.isfinite(lattice.final_cost).tolist()
        self._state(0, _Pending())
        while self._waiting:
            number, state, pending = self._waiting.pop()
            if self._give_away(number, state, pending):
                continue
            if state == end:
                self._give_up(number, pending)
                continue
            for arc in range(first_arc[state], first_arc[state + 1]):
                advanced = self._advance(pending, self._strings.of(arc), olabel[arc])
                target = self._state(nextstate[arc], advanced)
                self.arcs.add(number, target, 0, b"", Cost(graph_cost[arc], acoustic_cost[arc]))
            if finals[state]:
                advanced = self._advance(pending, self._final_strings.of(state), 0)
                cost = Cost(float(lattice.final_cost[state]), float(lattice.final_acoustic_cost[state]))
                self.arcs.add(number, self._state(end, advanced), 0, b"", cost)

    def _give_away(self, number: int, state: int, pending: _Pending) -> bool:
        """Add the arc of the first whole word, if it is known."""
        if not pending.phones and not pending.words:
            return False
        at_end = state == self._lattice.num_states
        ended = at_end or self._has_ended(state, pending.last)
        key = (pending.phones, pending.words, ended, at_end)
        if key not in self._steps:
            self._steps[key] = self._parser.first_step(pending.phones, pending.words, ended=ended, at_end=at_end)
        step = self._steps[key]
        if step is None:
            return False
        is_word, phones = step
        size = 4 * sum(pending.lengths[:phones])
        rest = _Pending(
            pending.labels[size:], pending.phones[phones:], pending.lengths[phones:],
            pending.last if phones < len(pending.phones) else 0, pending.words[1:] if is_word else pending.words,
        )  # fmt: skip
        word = pending.words[0] if is_word else 0
        self.arcs.add(number, self._state(state, rest), word, pending.labels[:size], NO_COST)
        return True

    def _give_up(self, number: int, pending: _Pending) -> None:
        """At the end: add an arc of what is left, which is not whole, or end."""
        if not pending.phones and not pending.words:
            self.arcs.end(number)
            return
        self.broken += 1
        word = pending.words[0] if pending.words else 0
        target = self._state(self._lattice.num_states, _Pending(words=pending.words[1:]))
        self.arcs.add(number, target, word, pending.labels, NO_COST)

    def _advance(self, pending: _Pending, string: _String, word: int) -> _Pending:
        words = (*pending.words, word) if word else pending.words
        if not string.phones:
            return pending._replace(words=words)
        phones, lengths = pending.phones, pending.lengths
        if phones and not self._begins(pending.last, string.first):
            phones += string.phones[1:]
            lengths = (*lengths[:-1], lengths[-1] + string.lengths[0], *string.lengths[1:])
        else:
            phones, lengths = phones + string.phones, lengths + string.lengths
        return _Pending(pending.labels + string.labels, phones, lengths, string.last, words)

    def _begins(self, last: int, label: int) -> bool:
        """Tell whether a phone begins at `label` after `last`, as `phone_begins`."""
        phone, state, loop = self._meaning[label]
        phone_before, state_before, _ = self._meaning[last]
        return phone != phone_before or (loop == 0 and state == 0) or (loop < 0 and state < state_before)

    def _has_ended(self, state: int, last: int) -> bool:
        """Tell whether a phone that ends in label `last` has ended in a state, whatever comes next."""
        if last == 0:
            return True
        known = self._ended.get((state, last))
        if known is None:
            known = all(self._begins(last, label) for label in self._next_labels[state])
            self._ended[state, last] = known
        return known

    def _labels_that_follow(self) -> list[frozenset[int]]:
        """Return the labels that may come next in each state."""
        lattice = self._lattice
        follow: list[frozenset[int]] = [frozenset()] * lattice.num_states
        first_label, first_final = lattice.first_label.tolist(), lattice.first_final_label.tolist()
        first_arc, nextstate = lattice.first_arc.tolist(), lattice.nextstate.tolist()
        for state in range(lattice.num_states - 1, -1, -1):
            labels: set[int] = set()
            for arc in range(first_arc[state], first_arc[state + 1]):
                if first_label[arc] < first_label[arc + 1]:
                    labels.add(int(lattice.labels[first_label[arc]]))
                else:
                    labels |= follow[nextstate[arc]]
            if first_final[state] < first_final[state + 1]:
                labels.add(int(lattice.final_labels[first_final[state]]))
            follow[state] = frozenset(labels)
        return follow

    def _state(self, state: int, pending: _Pending) -> int:
        key = (state, pending.labels, pending.words)
        number = self._states.get(key)
        if number is None:
            number = len(self._states)
            if number >= self._max_states:
                raise WfstAsrError(
                    f"the words of the lattice need more than {self._max_states} states to be told apart; check that "
                    "lexicon or word boundaries are the graph's, or prune the lattice"
                )
            self._states[key] = number
            at_end = state == self._lattice.num_states
            frame = self._lattice.num_frames if at_end else int(self._lattice.frame[state])
            labels = len(pending.labels) // 4
            self.arcs.state(frame - labels, (state, -labels, -len(pending.words)))
            self._waiting.append((number, state, pending))
        return number
