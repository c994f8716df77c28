"""G: a back-off language model as an acceptor of words.

A state is a history; the word w leaves it at the cost -ln p(w | history) for the longest listed suffix of the
history and w, and `#0:<eps>` leaves it for the next shorter history at the cost of the back-off weight (Kaldi
`arpa2fst`; Mohri, Pereira and Riley, "Speech recognition with weighted finite-state transducers", 2008, section 3.2).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pynini
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable
from wfst_asr.fst.convert import to_pynini
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.suffix_links import suffix_links

BACKOFF_SYMBOL = "#0"


@dataclass(frozen=True)
class GrammarArcs:
    """G as arrays, with what its states stand for.

    Attributes:
        table: the machine; the arcs of a state ascend by input label, so that the back-off arc comes last where `#0`
            has the highest id.
        backoff_label: id of `#0`.
        backoff_state: (S,) int32; where the back-off arc of each state leads, -1 for the empty history.
        backoff_cost: (S,) float32; its cost, 0 for the empty history.
        root: state of the empty history.
        state_of_history: for each level, (n,) int32; the state that follows the words of an n-gram: that of its longest
            suffix that is a state; -1 for n-grams that were dropped or end in `</s>`.
        num_dropped: n-grams left out because they have a word outside the vocabulary or `<s>`, `</s>` out of place.
    """

    table: ArcTable
    backoff_label: int
    backoff_state: NDArray[np.int32]
    backoff_cost: NDArray[np.float32]
    root: int
    state_of_history: tuple[NDArray[np.int32], ...]
    num_dropped: int


def grammar_fst(
    model: NGramModel,
    words: Mapping[str, int],
    *,
    backoff_symbol: str = BACKOFF_SYMBOL,
    sentence_start: str = "<s>",
    sentence_end: str = "</s>",
) -> pynini.Fst:
    """Compile G from a back-off model; arguments, labels and errors as `grammar_arcs`.

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> unigrams = NGramRows(np.array([[0], [1], [2]], np.int32), np.array([-99, -1, -0.5]), np.array([-0.25, 0, 0]))
    >>> bigrams = NGramRows(np.array([[0, 2]], np.int32), np.array([-0.125]), np.zeros(1))
    >>> model = assemble_model(["<s>", "</s>", "yes"], [unigrams, bigrams]).model
    >>> g = grammar_fst(model, {"<eps>": 0, "yes": 1, "#0": 2})
    >>> [line.split() for line in g.print().splitlines()]  # state 1 is <s>, state 0 the empty history
    [['1', '0', '1', '1', '0.125'], ['1', '0', '2', '0', '0.25'], ['0', '0', '1', '1', '0.5'], ['0', '1']]
    """
    return to_pynini(
        grammar_arcs(
            model, words, backoff_symbol=backoff_symbol, sentence_start=sentence_start, sentence_end=sentence_end
        ).table
    )


def grammar_arcs(
    model: NGramModel,
    words: Mapping[str, int],
    *,
    backoff_symbol: str = BACKOFF_SYMBOL,
    sentence_start: str = "<s>",
    sentence_end: str = "</s>",
) -> GrammarArcs:
    """Compile G from a back-off model into arrays: ten million arcs a second and more.

    The history `<s>` is the start state, p(`</s>` | history) the final cost of a state; neither is ever a label.  Word
    labels are on both sides, the back-off arc is `#0` with an epsilon output.  An n-gram of the highest order leads
    straight to its longest listed suffix.  A state with nothing but its back-off arc is folded into the arcs that enter
    it, whose cost grows by the back-off cost.  N-grams with words outside `words` are dropped, told in one warning.

    Args:
        model: the language model.
        words: id by word, `#0` included, epsilon 0.
        backoff_symbol: name of the back-off arcs' input label in `words`.
        sentence_start: name of the begin of a sentence in the model.
        sentence_end: name of the end of a sentence in the model.

    Raises:
        WfstAsrError: `words` has no `#0`, the model no `</s>`, or no word of the model is in `words`.
    """
    from wfst_asr.graph import _grammar_kernels as kernels

    if backoff_symbol not in words:
        raise WfstAsrError(
            f"the word symbols have no '{backoff_symbol}' for the back-off arcs; add it to words.txt "
            "(wfst-asr lang make does)"
        )
    if sentence_end not in model.word_ids:
        raise WfstAsrError(
            f"the language model has no '{sentence_end}', so no sentence could end; estimate it with one"
        )
    label = _word_labels(model, words, backoff_symbol, sentence_start, sentence_end)
    start_word, end_word = model.word_ids.get(sentence_start, -1), model.word_ids[sentence_end]
    links = suffix_links(model)
    word = np.concatenate([[-1], *(level.word for level in model.levels)]).astype(np.int32)
    log_prob = np.concatenate([[0.0], *(level.log_prob for level in model.levels)])
    backoff_cost = -np.concatenate([[0.0], *(level.backoff for level in model.levels[:-1])])
    num_histories = len(backoff_cost)  # numbers below are n-grams that may be histories

    kept = np.zeros(len(word), dtype=bool)
    kept[0] = True
    for k in range(model.order):
        rows = slice(links.offset[k], links.offset[k + 1])
        known = label[word[rows]] > 0
        if k == 0:
            known[[w for w in (start_word, end_word) if w >= 0]] = True
        parent = links.parent[rows]
        kept[rows] = (known | (word[rows] == end_word)) & kept[parent] & (word[parent] != end_word)
    is_start = (word == start_word) & (start_word >= 0)
    is_end = kept & (word == end_word)
    has_arc = kept & ~is_start & ~is_end & (log_prob > -np.inf)
    has_arc[0] = False
    if not has_arc.any():
        raise WfstAsrError("no word of the language model is in the word symbols; check that both belong together")

    # states: histories that something other than back-off leaves; each n-gram leads to its longest suffix that is one
    is_state = np.zeros(num_histories, dtype=bool)
    is_state[links.parent[has_arc | is_end]] = True
    is_state[0] = True
    start = 1 + start_word if start_word >= 0 else 0
    if start and start < num_histories and backoff_cost[start] != 0.0:
        is_state[start] = True
    state_of_number = np.cumsum(is_state, dtype=np.int64) - 1
    leads_to = np.empty(len(word), dtype=np.int32)
    fold_cost = np.zeros(len(word))
    leads_to[0] = 0
    for k in range(model.order):
        rows = slice(links.offset[k], links.offset[k + 1])
        suffix = links.suffix[rows]
        leads_to[rows] = leads_to[suffix]
        fold_cost[rows] = fold_cost[suffix]
        if k < model.order - 1:
            own = is_state[rows]
            leads_to[rows][own] = state_of_number[rows][own]
            fold_cost[rows] = np.where(own, 0.0, fold_cost[rows] + backoff_cost[rows])

    states = np.flatnonzero(is_state)
    num_states = len(states)
    backing_off = states[1:]
    down = links.suffix[backing_off]
    state_backoff = np.full(num_states, -1, dtype=np.int32)
    state_backoff[1:] = leads_to[down]
    state_backoff_cost = np.zeros(num_states, dtype=np.float32)
    state_backoff_cost[1:] = backoff_cost[backing_off] + fold_cost[down]
    final_cost = np.full(num_states, np.inf, dtype=np.float32)
    ends = np.flatnonzero(is_end)
    final_cost[state_of_number[links.parent[ends]]] = -log_prob[ends]

    spoken = np.flatnonzero(has_arc)
    backoff_label = words[backoff_symbol]
    arcs = np.empty(len(spoken) + num_states - 1, dtype=ARC_DTYPE)
    first_arc = kernels.fill_arcs(
        arcs,
        spoken,
        state_of_number[links.parent[spoken]],
        label[word[spoken]],
        fold_cost[spoken] - log_prob[spoken],
        leads_to,
        backoff_label,
        state_backoff,
        state_backoff_cost,
    )

    num_dropped = int(len(word) - np.count_nonzero(kept))
    if num_dropped:
        outside = [w for w in model.words if not words.get(w) and w not in (sentence_start, sentence_end)]
        examples = ", ".join(f"'{w}'" for w in outside[:3]) + (", ..." if len(outside) > 3 else "")
        reason = (
            f"of the model's {len(model.words)} words, {len(outside)} are outside the word symbols ({examples})"
            if outside
            else f"they have '{sentence_start}' or '{sentence_end}' inside"
        )
        warnings.warn(
            f"{num_dropped} of {len(word) - 1} n-grams were dropped: {reason}",
            WfstAsrWarning,
            stacklevel=2,
        )
    leads_to[~kept | is_end] = -1
    return GrammarArcs(
        table=ArcTable(int(leads_to[start]), first_arc, arcs, final_cost),
        backoff_label=backoff_label,
        backoff_state=state_backoff,
        backoff_cost=state_backoff_cost,
        root=0,
        state_of_history=tuple(leads_to[links.offset[k] : links.offset[k + 1]] for k in range(model.order)),
        num_dropped=num_dropped,
    )


def _word_labels(
    model: NGramModel, words: Mapping[str, int], backoff_symbol: str, sentence_start: str, sentence_end: str
) -> NDArray[np.int32]:
    """Return the label of each word of the model; 0 for those that are never a label."""
    label = np.fromiter((words.get(word, 0) for word in model.words), dtype=np.int32, count=len(model.words))
    for word in (backoff_symbol, sentence_start, sentence_end):
        if word in model.word_ids:
            label[model.word_ids[word]] = 0
    return label
