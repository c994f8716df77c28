"""How large a graph will be, how much memory and time it will take: told before it is compiled.

The lexical trees of det(L o G) are counted without building them.  What context and HMMs add follows from the shape of
these trees: a state of LG is met in several contexts only at the begin of words; a phone becomes the states of its HMM,
of which equal ones are made once.  How many are equal, and how much merging saves, are factors measured on graphs of
1.3 to 3.8 million n-grams.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph.lexical_tree import PronunciationArrays, grammar_entries
from wfst_asr.graph.memory_limits import resident_memory
from wfst_asr.graph.window_hmms import WindowHmms

_MERGED = 0.95  # part of the states and arcs that merging leaves, both times
_OWN_IN_CONTEXT, _OWN = 0.37, 0.54  # part of the states inside HMMs that no other arc shares
_LOOPS = 0.93  # self-loops a state
_NETWORK_STATES, _NETWORK_ARCS = 0.95, 1.55  # of a silence's arcs, in a graph; epsilons that part and join are arcs too
_HCLG_BYTES, _HCLG_SECONDS = 45.0, 1.2e-6  # an arc
_TLG_STATES, _TLG_ARCS, _COMPACT_ARCS = 2.1, 3.6, 3.0  # of those of LG
_OPENFST_TIME, _OPENFST_MEMORY = 6.0, 3.0  # of those of the direct compiler
_TLG_BYTES, _TLG_SECONDS = 55.0, 0.8e-6  # an arc


@dataclass(frozen=True)
class Forecast:
    """What a compilation is expected to make and to take.

    Attributes:
        lg_states: states of det(L o G).
        lg_arcs: its arcs.
        states: states of the graph; 0 where it cannot be told.
        arcs: its arcs.
        peak_bytes: resident memory of the process at its largest.
        cpu_seconds: on a processor like that on which the factors were measured, kernels compiled before.
        ngrams: arcs of G with a word.
        note: what else there is to say.
    """

    lg_states: int
    lg_arcs: int
    states: int
    arcs: int
    peak_bytes: int
    cpu_seconds: float
    ngrams: int
    note: str = ""


@dataclass(frozen=True)
class TreeCounts:
    """Counts of det(L o G); those of G states that several words lead to stand apart, as `mixed`.

    Attributes:
        g_states: states of G.
        backoffs: arcs of G without a word.
        states: states of det(L o G).
        arcs: its arcs.
        root_arcs: arcs that leave the roots of the trees.
        first_states: states behind these.
        first_arcs: arcs that leave those.
        mixed: root arcs, first states and first arcs of the trees of mixed states.
        num_mixed: number of mixed states.
        ngrams: arcs of G with a word.
    """

    g_states: int
    backoffs: int
    states: int
    arcs: int
    root_arcs: int
    first_states: int
    first_arcs: int
    mixed: tuple[int, int, int]
    num_mixed: int
    ngrams: int


def count_lg(
    pronunciations: PronunciationArrays, grammar: ArcTable, *, backoff_label: int, silence_phone: int
) -> TreeCounts:
    """Count det(L o G) without building it.

    Exact for a G in which one word leads to each state, but for words with several pronunciations; a tenth of the time
    of building it.
    """
    from wfst_asr.graph import _forecast_kernels as kernels

    p = pronunciations
    entry_first, entry_rank, entry_arc, arcs = grammar_entries(p, grammar, backoff_label=backoff_label)
    word_of = kernels.one_word_states(grammar.first_arc, arcs, backoff_label)
    counts = kernels.count_trees(
        grammar.first_arc, arcs, backoff_label, word_of, entry_first, entry_rank, entry_arc,
        p.first, p.phone, p.tail, p.tail_first, p.tail_arcs,
    )  # fmt: skip
    total, num_g = counts.sum(axis=0), grammar.num_states
    tails = int(total[kernels.TAILS])
    optional = 2 if silence_phone else 1
    backoffs = int(total[kernels.BACKOFFS])
    first = kernels.ROOT_ARCS, kernels.FIRST_STATES, kernels.FIRST_ARCS
    return TreeCounts(
        g_states=num_g,
        backoffs=backoffs,
        states=optional * num_g + int(total[kernels.TREE_STATES]) + tails,
        arcs=2 * (optional - 1) * num_g + backoffs + int(total[kernels.TREE_ARCS]) + tails,
        root_arcs=int(total[first[0]]) + backoffs,
        first_states=int(total[first[1]]),
        first_arcs=int(total[first[2]]),
        mixed=(int(counts[1, first[0]]), int(counts[1, first[1]]), int(counts[1, first[2]])),
        num_mixed=int(np.count_nonzero(word_of < 0)),
        ngrams=grammar.num_arcs - backoffs,
    )


def forecast_hclg(
    counts: TreeCounts, pronunciations: PronunciationArrays, hmms: WindowHmms, *, silence_phone: int
) -> Forecast:
    """Forecast HCLG of the direct compiler from the counts of det(L o G)."""
    lg_states, lg_arcs = counts.states * _MERGED, counts.arcs * _MERGED
    states, arcs, own = lg_states, lg_arcs, _OWN
    silence_arcs, backoffs = counts.g_states if silence_phone else 0, counts.backoffs
    if hmms.hmm_of.shape[0] > 1 or hmms.hmm_of.shape[2] > 1:
        ends, own = word_ends(pronunciations, hmms), _OWN_IN_CONTEXT
        before = 2 if silence_phone else 1  # the word before, or silence
        roots, firsts = before * ends.per_word - 1, (before * ends.per_word if ends.num_left > 1 else 1) - 1
        states += counts.g_states * (ends.per_word - 1 + roots) + counts.first_states * firsts
        arcs += silence_arcs * 2 * (ends.per_word - 1) + counts.root_arcs * roots + counts.first_arcs * firsts
        states += counts.num_mixed * ends.num_pairs * before + counts.mixed[1] * ends.num_left
        arcs += counts.mixed[0] * ends.num_pairs * before + counts.mixed[2] * ends.num_left
        silence_arcs, backoffs = round(silence_arcs * ends.per_word), round(backoffs * (roots + 1))
        states, arcs = states * _MERGED, arcs * _MERGED
    lengths = chain_lengths(hmms)
    phones = pronunciations.phone[pronunciations.phone != silence_phone]
    length = float(lengths[hmms.hmm_of[0, phones, 0]].mean()) if len(phones) else 1.0
    empty = min(backoffs + (counts.g_states if silence_phone else 0), arcs)
    labelled = max(arcs - empty - silence_arcs, 0.0)
    inside = labelled * (length - 1) * own
    made_states, made_arcs = states + inside, empty + labelled + inside
    if silence_phone:
        places, forward = network_size(hmms, int(hmms.hmm_of[0, silence_phone, 0]))
        made_states += silence_arcs * places
        made_arcs += silence_arcs * forward
    made_arcs += made_states * _LOOPS
    return _with_cost(counts, made_states, made_arcs, _HCLG_BYTES, _HCLG_SECONDS)


def forecast_openfst(direct: Forecast) -> Forecast:
    """Forecast the OpenFst path: a graph of about that size, for much more time and memory."""
    return replace(
        direct,
        peak_bytes=resident_memory() + round((direct.peak_bytes - resident_memory()) * _OPENFST_MEMORY),
        cpu_seconds=round(direct.cpu_seconds * _OPENFST_TIME, 1),
        note="rough, since the OpenFst path determinizes what the direct compiler counts",
    )


def no_forecast(grammar: ArcTable, why: str) -> Forecast:
    """Say honestly that nothing can be said."""
    note = f"cannot be foretold for the OpenFst path with this lexicon or model ({why})"
    return Forecast(0, 0, 0, 0, 0, 0.0, grammar.num_arcs, note)


def forecast_tlg(counts: TreeCounts, *, topology: str) -> Forecast:
    """Forecast T o L o G of the direct compiler: after a token the next one, or a blank."""
    arcs = (_COMPACT_ARCS if topology == "compact" else _TLG_ARCS) * counts.arcs
    return _with_cost(counts, _TLG_STATES * counts.states, arcs, _TLG_BYTES, _TLG_SECONDS)


def _with_cost(counts: TreeCounts, states: float, arcs: float, arc_bytes: float, arc_seconds: float) -> Forecast:
    return Forecast(
        lg_states=counts.states,
        lg_arcs=counts.arcs,
        states=round(states),
        arcs=round(arcs),
        peak_bytes=resident_memory() + round(arcs * arc_bytes),
        cpu_seconds=round(arcs * arc_seconds, 1),
        ngrams=counts.ngrams,
    )


@dataclass(frozen=True)
class WordEnds:
    """How words end: in how many contexts what follows is met.

    Attributes:
        num_left: classes of phones as left context.
        num_pairs: different (class of the last phone but one, last phone) of all words.
        per_word: of one word, on average.
    """

    num_left: int
    num_pairs: int
    per_word: float


def word_ends(pronunciations: PronunciationArrays, hmms: WindowHmms) -> WordEnds:
    """Count the contexts that words leave behind."""
    p = pronunciations
    last = p.phone[p.first[1:] - 1].astype(np.int64)
    long = np.diff(p.first) > 1
    left = np.where(long, hmms.left_class[p.phone[np.where(long, p.first[1:] - 2, 0)]], 0).astype(np.int64)
    pairs = left * len(hmms.left_class) + last
    of_words = np.unique(np.stack([p.word.astype(np.int64), pairs], axis=1), axis=0)
    return WordEnds(
        num_left=int(hmms.hmm_of.shape[0]),
        num_pairs=len(np.unique(pairs)),
        per_word=len(of_words) / max(len(np.unique(p.word)), 1),
    )


def chain_lengths(hmms: WindowHmms) -> NDArray[np.float64]:
    """Return the number of units of each HMM; of a network, its states."""
    chains = np.diff(hmms.hmm_first).astype(np.float64)
    networks = [
        float(hmms.network_arcs[low:high, :2].max(initial=0)) + 1
        for low, high in zip(hmms.network_first[:-1], hmms.network_first[1:], strict=True)
    ]
    return np.concatenate((chains, networks))


def network_size(hmms: WindowHmms, hmm: int) -> tuple[float, float]:
    """Return how many states and arcs an arc of this HMM becomes, self-loops apart."""
    if hmm < hmms.num_chains:
        length = float(hmms.hmm_first[hmm + 1] - hmms.hmm_first[hmm])
        return length - 1, length
    low, high = hmms.network_first[hmm - hmms.num_chains], hmms.network_first[hmm - hmms.num_chains + 1]
    units = np.diff(hmms.hmm_first)[hmms.network_arcs[low:high, 2]]
    return _NETWORK_STATES * float(units.sum()), _NETWORK_ARCS * float(units.sum())


def ngrams_that_fit(forecast: Forecast, memory: int, states: int) -> int:
    """Return about how many n-grams a graph within the limits could have; 0 for a limit that nothing fits."""
    had = min(resident_memory(), memory)
    by_memory = (memory - had) / max(forecast.peak_bytes - had, 1)
    by_states = states / forecast.states if states and forecast.states else 1.0
    part = 0.9 * max(min(by_memory, by_states, 1.0), 0.0)
    fits = int(forecast.ngrams * part)
    unit = int(10 ** max(len(str(fits)) - 2, 0))
    return fits // unit * unit
