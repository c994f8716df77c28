"""T o L o G: the decoding graph of a CTC network, by general operations and directly on arrays.

    TLG = min(rds(T o min(det(L o G))))

As HCLG, with T in the place of H and C.  T is deterministic in its standard topology, so that T o min(det(L o G)) needs
no determinization of its own.  Miao, Gowayyed and Metze, "EESEN" (2015), section 3.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.content_hash import content_sha256
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.ops import DELTA, compose, minimize_encoded, remove_disambig_symbols, remove_eps_local
from wfst_asr.graph.ambiguity import check_determinizable
from wfst_asr.graph.ctc_fst import CtcTopology, ctc_expansion, ctc_fst
from wfst_asr.graph.direct import merge_equal_states
from wfst_asr.graph.empty_composition import why_empty
from wfst_asr.graph.lexical_tree import PronunciationArrays, lexical_tree_lg
from wfst_asr.graph.step_clock import StepClock


def openfst_tlg(
    lexicon: ArcTable,
    grammar: ArcTable,
    label_of: Mapping[int, int],
    *,
    blank_label: int,
    unit_disambig: Iterable[int],
    topology: CtcTopology = "standard",
    clock: StepClock | None = None,
    max_states: int = -1,
    unit_name: Callable[[int], str] = str,
    word_name: Callable[[int], str] = str,
) -> ArcTable:
    """Compile T o L o G by general operations on machines: the definition of `direct_tlg`.

    Args:
        lexicon: L with disambiguation symbols; inputs are units, outputs words.
        grammar: G, with `#0` on the input side of back-off arcs.
        label_of: input label of each unit in T.
        blank_label: input label of the blank.
        unit_disambig: ids of the disambiguation symbols on L's input side.
        topology: see `ctc_fst`.
        clock: records the steps and tells them while they run.
        max_states: give up when the determinization passes so many states; -1 for no limit.
        unit_name: gives the name of a unit for messages.
        word_name: gives the name of a word for messages.

    Returns:
        The graph; input labels are those of `label_of` and the blank's, outputs words.

    Raises:
        WfstAsrError: L o G is empty or cannot be determinized (two words spelled alike without disambiguation symbol).
    """
    clock = clock or StepClock()
    disambig = sorted(set(unit_disambig))
    check_determinizable(lexicon, grammar, phone_disambig=disambig, phone_name=unit_name, word_name=word_name)
    lg = clock.run("L o G", lambda: compose(lexicon, grammar), key=(content_sha256(lexicon, grammar),))
    if lg.num_states == 0:
        raise WfstAsrError(
            f"L o G is empty, no sentence of G can be spelled with L: {why_empty(lexicon, grammar, name=word_name)}; "
            "take words.txt, L and G of one lang folder"
        )
    det = clock.run(
        "det(L o G)",
        lambda: determinize_star(
            lg.take(), delta=DELTA, max_states=max_states, what="L o G", iname=unit_name, oname=word_name
        ),
        of=[lg],
    )
    small = clock.run("min(det(L o G))", lambda: minimize_encoded(det.take()), of=[det])
    above = max([blank_label, *label_of.values()]) + 1
    symbols = {symbol: above + number for number, symbol in enumerate(disambig)}
    with clock.step("T") as size:
        t = ctc_fst(label_of, blank_label=blank_label, disambig=symbols, topology=topology)
        size.set(t.num_states, t.num_arcs, t)
    tlg = clock.run("T o LG", lambda: compose(t, small.value()), of=[small], key=(content_sha256(t),))
    if tlg.num_states == 0:
        why = why_empty(t, small.value(), name=unit_name, left_name="T", right_name="L o G", kind="unit")
        raise WfstAsrError(f"T o L o G is empty: {why}; spell the words of L in tokens of the network")
    small.forget()
    plain = clock.run(
        "rds(TLG)", lambda: remove_eps_local(remove_disambig_symbols(tlg.take(), symbols.values())), of=[tlg],
        key=(tuple(symbols.values()),),
    )  # fmt: skip
    plain.value()
    with clock.step("min(TLG)") as size:
        table = minimize_encoded(plain.take())
        size.set(table.num_states, table.num_arcs, table)
    return table


def direct_tlg(
    pronunciations: PronunciationArrays,
    grammar: ArcTable,
    label_of: Mapping[int, int],
    *,
    blank_label: int,
    backoff_label: int,
    silence_phone: int = 0,
    silence_prob: float = 0.5,
    topology: CtcTopology = "standard",
    clock: StepClock | None = None,
) -> ArcTable:
    """Compile T o L o G from arrays, for a plain lexicon and a back-off grammar.

    Args:
        pronunciations: the lexicon (`pronunciation_arrays`), its phones the units.
        grammar: G as arrays; a back-off model through `grammar_arcs`, or any acceptor of words.
        label_of: input label of each unit.
        blank_label: input label of the blank.
        backoff_label: label of `#0` in G.
        silence_phone: the unit that may stand between words, such as a word boundary; 0 for none.
        silence_prob: its probability.
        topology: see `ctc_fst`.
        clock: records the steps and tells them while they run.

    Returns:
        The graph, equivalent to that of `openfst_tlg`.

    Raises:
        WfstAsrError: a unit of the lexicon has no label.
    """
    used = {int(phone) for phone in np.unique(pronunciations.phone)} | ({silence_phone} if silence_phone else set())
    if missing := sorted(used - set(label_of)):
        raise WfstAsrError(f"unit {missing[0]} of the lexicon has no token; give every unit of L a token")
    token_of = np.zeros(max(label_of) + 1, dtype=np.int32)
    token_of[list(label_of)] = list(label_of.values())
    clock = clock or StepClock()
    lg = clock.run(
        "det(L o G)",
        lambda: lexical_tree_lg(
            pronunciations, grammar, backoff_label=backoff_label, silence_phone=silence_phone, silence_prob=silence_prob
        ),
        key=(content_sha256(pronunciations, grammar), backoff_label, silence_phone, float(silence_prob)),
    )
    merged = clock.run("min(LG)", lambda: merge_equal_states(lg.take(), rounds=2), of=[lg])
    tlg = clock.run(
        "T o LG",
        lambda: ctc_expansion(merged.take(), token_of, blank_label=blank_label, topology=topology),
        of=[merged],
        key=(content_sha256(token_of), blank_label, topology),
    )
    tlg.value()
    with clock.step("min(TLG)") as size:
        table = merge_equal_states(tlg.take(), rounds=1).table()
        size.set(table.num_states, table.num_arcs, table)
    return table
