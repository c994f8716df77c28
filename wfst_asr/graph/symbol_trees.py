"""min(det(L o G)) with disambiguation symbols, the form that Kaldi's LG has, built from lexical trees.

The graph compiler has no need of the symbols.  Tools that compose further machines with LG by general operations do:
Kaldi's `mkgraph.sh`, k2, or OpenFst itself.  A word's symbol is one more phone at its end, so that no two words sound
alike; `#0` stands on back-off arcs; and where silence is optional, the arcs behind a word without silence are those of
the tree once more, since a deterministic machine cannot wait to see whether there is any.
"""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph.direct import merge_equal_states, spoken_part
from wfst_asr.graph.lexical_tree import Machine, lexical_tree_lg, pronunciation_arrays_of_rows
from wfst_asr.graph.lexicon_parts import lexicon_parts
from wfst_asr.graph.window_hmms import DirectLimitError


def lg_with_symbols(
    lexicon: ArcTable, grammar: ArcTable, *, disambig: tuple[int, ...], backoff_phone: int, backoff_word: int
) -> Machine:
    """Build min(det(L o G)) as the general operations make it, labels and costs included.

    Args:
        lexicon: L with disambiguation symbols.
        grammar: G; a back-off model, or any deterministic acceptor of words.
        disambig: ids of the symbols on L's input side.
        backoff_phone: that of `#0` among them.
        backoff_word: label of `#0` in G.

    Returns:
        A machine with phones and symbols in, words out, deterministic on its input side.

    Raises:
        DirectLimitError: L is no plain lexicon, or lacks a symbol that it needs, or a word begins with silence.
        WfstAsrError: no word of G is in L.

    Kaldi: `fsttablecompose L_disambig.fst G.fst | fstdeterminizestar --use-log=true | fstminimizeencoded`.
    """
    silence_symbol = _symbol_of_silence(lexicon, disambig)
    of_words = [symbol for symbol in disambig if symbol not in (backoff_phone, silence_symbol)]
    parts = lexicon_parts(lexicon, [symbol for symbol in disambig if symbol not in of_words])
    if parts.silence_phone and not silence_symbol:
        raise DirectLimitError("L has no disambiguation symbol behind its optional silence")
    pronunciations = pronunciation_arrays_of_rows(parts.pronunciations)
    grammar = spoken_part(grammar, pronunciations.word, backoff_label=backoff_word)
    if grammar.num_states == 0:
        raise WfstAsrError("L o G is empty, no sentence of G can be spoken with L; take both from one lang folder")
    lg = lexical_tree_lg(
        pronunciations,
        grammar,
        backoff_label=backoff_word,
        silence_phone=parts.silence_phone,
        silence_prob=parts.silence_prob,
    )
    roots = (grammar.num_states if parts.silence_phone else 0), grammar.num_states
    lg = _with_backoff_symbols(lg, roots, backoff_phone)
    if parts.silence_phone:
        if (lg.arcs[lg.first[roots[0]] : lg.first[sum(roots)], 0] == parts.silence_phone).any():
            raise DirectLimitError("a word begins with the phone of optional silence")
        lg = _without_epsilons_before_roots(lg, grammar.num_states, silence_symbol)
    return merge_equal_states(lg, rounds=1)


def _with_backoff_symbols(lg: Machine, roots: tuple[int, int], backoff_phone: int) -> Machine:
    """Put `#0` on the epsilon arcs of the roots, which are states roots[0] to roots[0] + roots[1]."""
    from wfst_asr.graph._arrays_kernels import NOT_FINAL

    begin, stop = lg.first[roots[0]], lg.first[roots[0] + roots[1]]
    arcs = lg.arcs.copy()
    root_arcs = arcs[begin:stop]
    root_arcs[root_arcs[:, 0] == 0, 0] = backoff_phone
    if (arcs[stop:, 0] == 0).any() or not (lg.final[roots[0] + roots[1] :] == NOT_FINAL).all():
        raise DirectLimitError("two words of L sound alike, or one is the beginning of another, without symbols")
    return Machine(lg.first, arcs, lg.final, start=lg.start)


def _without_epsilons_before_roots(lg: Machine, num_roots: int, symbol: int) -> Machine:
    """Replace the epsilon arc past optional silence by the root's own arcs; put a symbol behind silence.

    State d < num_roots has an epsilon arc to root num_roots + d, and one of silence there.
    """
    from wfst_asr.graph._arrays_kernels import NOT_FINAL

    before, rest = lg.arcs[: 2 * num_roots : 2], lg.arcs[1 : 2 * num_roots : 2]
    count = np.diff(lg.first[num_roots : 2 * num_roots + 1])
    source = np.repeat(np.arange(num_roots), count)
    copied = lg.arcs[lg.first[num_roots] : lg.first[2 * num_roots]].copy()
    copied[:, 2] += before[source, 2]
    silence = rest.copy()
    silence[:, 3] = lg.num_states + np.arange(num_roots)
    behind = np.zeros((num_roots, 4), dtype=np.int32)
    behind[:, 0], behind[:, 3] = symbol, num_roots + np.arange(num_roots)
    heads = np.insert(copied, np.concatenate(([0], np.cumsum(count)[:-1])), silence, axis=0)
    sizes = np.concatenate((count + 1, np.diff(lg.first[num_roots:]), np.ones(num_roots, dtype=np.int64)))
    root_final = lg.final[num_roots : 2 * num_roots]
    final: NDArray[np.int32] = np.concatenate((lg.final, np.full(num_roots, NOT_FINAL, dtype=np.int32)))
    final[:num_roots] = np.where(root_final == NOT_FINAL, NOT_FINAL, root_final + before[:, 2])
    arcs = np.concatenate((heads, lg.arcs[lg.first[num_roots] :], behind))
    return Machine(np.concatenate(([0], np.cumsum(sizes))), arcs, final, start=lg.start)


def _symbol_of_silence(lexicon: ArcTable, disambig: tuple[int, ...]) -> int:
    """Return the symbol on the way from L's start past optional silence to the loop of words, 0 for none."""
    loop = np.flatnonzero(np.isfinite(lexicon.final_cost))
    first, arcs = lexicon.first_arc, lexicon.arcs
    if lexicon.start in loop:
        return 0
    for arc in range(first[lexicon.start], first[lexicon.start + 1]):
        for _ in range(4):
            if arcs["ilabel"][arc] in disambig:
                return int(arcs["ilabel"][arc])
            state = arcs["nextstate"][arc]
            if state in loop or first[state + 1] - first[state] != 1:
                break
            arc = first[state]
    return 0
