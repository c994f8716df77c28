"""L: phones to words, with optional silence between words.

States and costs are those of Kaldi's `make_lexicon_fst.py` and `make_lexicon_fst_silprob.py`: a word leaves the loop
state with its label on the first phone and comes back with silence or without.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pynini
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.lexicon.disambiguation import disambiguation_numbers
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lexicon.silence_probs import SilenceProbs


@dataclass(frozen=True)
class LexiconOptions:
    """How L is made.

    Attributes:
        silence_prob: probability of silence before, between and after words, in [0, 1); 0 makes an L without silence.
        optional_silence: the phone of that silence; None makes an L without silence.
        disambiguate: end pronunciations and silence with disambiguation symbols, and pass `#0` through.
        position_dependent: mark the phones of words with `_B _I _E _S`.
    """

    silence_prob: float = 0.5
    optional_silence: str | None = "SIL"
    disambiguate: bool = True
    position_dependent: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.silence_prob < 1.0:
            raise WfstAsrError(f"silence_prob is {self.silence_prob}; expected at least 0 and less than 1")


def lexicon_fst(
    lexicon: Lexicon,
    phones: Mapping[str, int],
    words: Mapping[str, int],
    *,
    silence_prob: float = 0.5,
    optional_silence: str | None = "SIL",
    disambiguate: bool = True,
    position_dependent: bool = False,
    silence: SilenceProbs | None = None,
) -> pynini.Fst:
    """Compile L; arguments, labels and errors as `lexicon_arcs` and `LexiconOptions`.

    >>> phones, words = {"<eps>": 0, "SIL": 1, "N": 2, "OW": 3}, {"<eps>": 0, "no": 1}
    >>> l = lexicon_fst(Lexicon.from_pairs([("no", "N OW")]), phones, words, disambiguate=False, silence_prob=0)
    >>> [line.split() for line in l.print().splitlines()]
    [['0', '1', '2', '1'], ['0'], ['1', '0', '3', '0']]
    """
    options = LexiconOptions(silence_prob, optional_silence, disambiguate, position_dependent)
    return to_pynini(lexicon_arcs(lexicon, phones, words, options, silence=silence))


def lexicon_arcs(
    lexicon: Lexicon,
    phones: Mapping[str, int],
    words: Mapping[str, int],
    options: LexiconOptions | None = None,
    *,
    silence: SilenceProbs | None = None,
) -> ArcTable:
    """Compile L into arrays: input labels are phones, output labels words, costs -ln of the probabilities.

    With `disambiguate`, `#k` ends every pronunciation that another word shares or continues; silence has the symbol
    after the largest k, and the state where words begin has a loop `#0:#0` (the phone's id to the word's), on which the
    back-off arcs of G pass.

    Args:
        lexicon: the pronunciations.
        phones: id by phone, in the marked form if `position_dependent`; the disambiguation symbols among them.
        words: id by word.
        options: how L is made.
        silence: word-dependent silence; then `silence_prob` counts for nothing.

    Raises:
        WfstAsrError: a word, phone or disambiguation symbol has no id, or `silence` does not fit the lexicon.
    """
    options = options or LexiconOptions()
    phone_set = PhoneSet((), (), None, options.position_dependent)
    pronunciations = [phone_set.in_word(entry.phones) for entry in lexicon.entries]
    _check_phones(lexicon, pronunciations, phones)
    silence_symbol, loops = "", []
    if options.disambiguate:
        found = disambiguation_numbers(pronunciations)
        pronunciations = [
            (*spoken, f"#{k}") if k else spoken for spoken, k in zip(pronunciations, found.numbers, strict=True)
        ]
        silence_symbol = f"#{found.largest + 1}"
        loops = [(_id("#0", phones, "phone"), _id("#0", words, "word"))]
        for k in range(1, found.largest + 1):
            _id(f"#{k}", phones, "phone")
    length = np.fromiter(map(len, pronunciations), dtype=np.int64, count=len(pronunciations))
    chains = _Chains(
        length=length,
        phone=np.fromiter((phones[p] for spoken in pronunciations for p in spoken), dtype=np.int32, count=length.sum()),
        word=np.array([_id(entry.word, words, "word") for entry in lexicon.entries], dtype=np.int32),
        cost=-np.log(np.array([entry.prob for entry in lexicon.entries])),
    )
    if silence is not None:
        if len(silence.pronunciations) != len(lexicon.entries):
            raise WfstAsrError(
                f"silence probabilities of {len(silence.pronunciations)} pronunciations were given for a lexicon of "
                f"{len(lexicon.entries)}; read both from one lexiconp_silprob.txt"
            )
        if options.optional_silence is None:
            raise WfstAsrError("silence probabilities need an optional silence phone; give optional_silence")
        silence_phone = _id(options.optional_silence, phones, "phone")
        symbol = _id(silence_symbol, phones, "phone") if silence_symbol else 0
        return _word_dependent_silence(chains, silence, silence_phone, symbol, loops)
    if options.optional_silence is None or options.silence_prob == 0.0:
        return _no_silence(chains, loops)
    silence_phone = _id(options.optional_silence, phones, "phone")
    symbol = _id(silence_symbol, phones, "phone") if silence_symbol else 0
    return _silence(chains, options.silence_prob, silence_phone, symbol, loops)


@dataclass(frozen=True)
class _Chains:
    """Pronunciations: their lengths, all their phones one after another, words and costs."""

    length: NDArray[np.int64]
    phone: NDArray[np.int32]
    word: NDArray[np.int32]
    cost: NDArray[np.float64]

    @property
    def first(self) -> NDArray[np.int64]:
        """Index of the first phone of each pronunciation."""
        return np.cumsum(self.length) - self.length

    @property
    def last(self) -> NDArray[np.int64]:
        return np.cumsum(self.length) - 1


class _Arcs:
    """Arcs gathered in pieces."""

    def __init__(self) -> None:
        self._source: list[NDArray[np.int64]] = []
        self._arcs: list[NDArray[np.void]] = []

    def add(
        self,
        source: NDArray[np.int64] | int,
        nextstate: NDArray[np.int64] | int,
        ilabel: NDArray[np.int32] | int,
        olabel: NDArray[np.int32] | int,
        cost: NDArray[np.float64] | float,
    ) -> None:
        columns = np.broadcast_arrays(np.atleast_1d(source), nextstate, ilabel, olabel, cost)
        arcs = np.empty(len(columns[0]), dtype=ARC_DTYPE)
        arcs["nextstate"], arcs["ilabel"], arcs["olabel"], arcs["cost"] = columns[1:]
        self._source.append(columns[0])
        self._arcs.append(arcs)

    def table(self, num_states: int, finals: dict[int, float]) -> ArcTable:
        """Return the machine with the arcs of each state sorted by output label, then input label and destination."""
        source, arcs = np.concatenate(self._source), np.concatenate(self._arcs)
        order = np.lexsort((arcs["nextstate"], arcs["ilabel"], arcs["olabel"], source))
        return arc_table(num_states, arcs[order], source=source[order], finals=_final_costs(num_states, finals))


def _final_costs(num_states: int, finals: dict[int, float]) -> NDArray[np.float32]:
    costs = np.full(num_states, np.inf, dtype=np.float32)
    for state, cost in finals.items():
        costs[state] = cost
    return costs


def _linear_part(
    chains: _Chains, arcs: _Arcs, loop: int, next_state: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Add all arcs of the pronunciations but their last; return, for the last, the source and the output label."""
    at = np.arange(len(chains.phone))
    # phone t of pronunciation i leads to the state next_state + t - i, for each phone but the last
    entry = np.repeat(np.arange(len(chains.length)), chains.length)
    destination = next_state + at - entry
    is_first = np.zeros(len(at), dtype=bool)
    is_first[chains.first] = True
    is_last = np.zeros(len(at), dtype=bool)
    is_last[chains.last] = True
    source = np.where(is_first, loop, destination - 1)
    olabel = np.where(is_first, chains.word[entry], 0).astype(np.int32)
    cost = np.where(is_first, chains.cost[entry], 0.0)
    inner = ~is_last
    arcs.add(source[inner], destination[inner], chains.phone[inner], olabel[inner], cost[inner])
    return source[is_last], olabel[is_last]


def _no_silence(chains: _Chains, loops: list[tuple[int, int]]) -> ArcTable:
    arcs = _Arcs()
    source, olabel = _linear_part(chains, arcs, 0, 1)
    cost = np.where(chains.length == 1, chains.cost, 0.0)
    arcs.add(source, 0, chains.phone[chains.last], olabel, cost)
    for ilabel, word in loops:
        arcs.add(0, 0, ilabel, word, 0.0)
    return arcs.table(int(1 + (chains.length - 1).sum()), {0: 0.0})


def _silence(
    chains: _Chains, prob: float, silence_phone: int, silence_symbol: int, loops: list[tuple[int, int]]
) -> ArcTable:
    start, loop, silent, next_state = 0, 1, 2, 3
    with_silence, without = -np.log(prob), -np.log1p(-prob)
    arcs = _Arcs()
    arcs.add(start, loop, 0, 0, without)
    arcs.add(start, silent, 0, 0, with_silence)
    if not silence_symbol:
        arcs.add(silent, loop, silence_phone, 0, 0.0)
    else:
        arcs.add(silent, next_state, silence_phone, 0, 0.0)
        arcs.add(next_state, loop, silence_symbol, 0, 0.0)
        next_state += 1
    source, olabel = _linear_part(chains, arcs, loop, next_state)
    cost = np.where(chains.length == 1, chains.cost, 0.0)
    arcs.add(source, loop, chains.phone[chains.last], olabel, cost + without)
    arcs.add(source, silent, chains.phone[chains.last], olabel, cost + with_silence)
    for ilabel, word in loops:
        arcs.add(loop, loop, ilabel, word, 0.0)
    return arcs.table(int(next_state + (chains.length - 1).sum()), {loop: 0.0})


def _word_dependent_silence(
    chains: _Chains, silence: SilenceProbs, silence_phone: int, silence_symbol: int, loops: list[tuple[int, int]]
) -> ArcTable:
    start, plain, silent, next_state = 0, 1, 2, 3  # `plain`: no silence since the last word
    after = np.array([p.after for p in silence.pronunciations])
    before = np.array([p.before for p in silence.pronunciations])
    before_none = np.array([p.before_none for p in silence.pronunciations])
    arcs = _Arcs()
    arcs.add(start, plain, silence_symbol, 0, -np.log1p(-silence.begin))
    arcs.add(start, silent, silence_phone, 0, -np.log(silence.begin))
    reached = next_state + np.arange(len(chains.phone))  # each phone leads to a state of its own
    first, last = chains.first, chains.last
    arcs.add(plain, reached[first], chains.phone[first], chains.word, chains.cost - np.log(before_none))
    arcs.add(silent, reached[first], chains.phone[first], chains.word, chains.cost - np.log(before))
    inner = np.ones(len(chains.phone), dtype=bool)
    inner[first] = False
    arcs.add(reached[inner] - 1, reached[inner], chains.phone[inner], 0, 0.0)
    arcs.add(reached[last], plain, silence_symbol, 0, -np.log1p(-after))
    arcs.add(reached[last], silent, silence_phone, 0, -np.log(after))
    for ilabel, word in loops:
        for state in (plain, silent):
            arcs.add(state, state, ilabel, word, 0.0)
    finals = {silent: -float(np.log(silence.end_after_silence)), plain: -float(np.log(silence.end_after_none))}
    return arcs.table(next_state + len(chains.phone), finals)


def _id(name: str, symbols: Mapping[str, int], kind: str) -> int:
    number = symbols.get(name)
    if number is None:
        raise WfstAsrError(f"{kind} '{name}' has no id in the {kind} symbols; add it to {kind}s.txt")
    return number


def _check_phones(lexicon: Lexicon, pronunciations: list[tuple[str, ...]], phones: Mapping[str, int]) -> None:
    unknown = {phone for spoken in pronunciations for phone in spoken} - phones.keys()
    if unknown:
        for entry, spoken in zip(lexicon.entries, pronunciations, strict=True):
            for phone in spoken:
                if phone in unknown:
                    raise WfstAsrError(
                        f"word '{entry.word}' has the phone '{phone}', which the phone symbols lack; "
                        "correct the lexicon or add the phone to phones.txt"
                    )
