"""Explain: whose error it is that a recording was not recognised as its reference says.

The reference is forced through the graph that was searched.  If its best path costs less than what was found, the
search lost it; if it costs more, the model prefers what was found; if there is no such path, a word, a pronunciation or
a way through the grammar is missing.
"""

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.decoder.beam import BeamSearch, NoPathError, SearchPath
from wfst_asr.decoder.decode import DecodeResult, result_of_path
from wfst_asr.decoder.forced_words import MAX_STATES, NoSentenceError, graph_of_words
from wfst_asr.decoder.lost_path import LostPath, find_loss, keeps
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.path_costs import PathCosts, Region, WordCost, differing_regions, path_costs, word_costs
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError

Verdict = Literal["correct", "search", "model", "lexicon", "grammar", "frames"]
LmCosts = Callable[[Sequence[int]], Sequence[float]]  # words -> the cost of each, and of ending


@dataclass(frozen=True)
class MissingWord:
    """A word of the reference that the graph does not know.

    Attributes:
        word: as the reference has it.
        similar: words of the graph that are spelled like it, the likest first.
    """

    word: str
    similar: tuple[str, ...]


@dataclass(frozen=True)
class ExplainedPath:
    """A path through the graph.

    Attributes:
        words: without those that may stand anywhere.
        costs: of each word, of pauses and of ending.
        result: the path as `decode` tells it.
    """

    words: tuple[str, ...]
    costs: tuple[WordCost, ...]
    result: DecodeResult

    @property
    def total(self) -> float:
        """Graph cost and scaled acoustic cost."""
        return self.result.total_cost

    @property
    def lm_cost(self) -> float | None:
        """The language model's part of the graph cost, where it is known."""
        known = [row.lm_cost for row in self.costs if row.lm_cost is not None]
        return float(sum(known)) if known else None


@dataclass(frozen=True)
class Explanation:
    """Why a recording was not recognised as its reference says.

    Attributes:
        verdict: "correct": the words are the reference's; "search": the reference costs less than what was found;
            "model": it costs as much or more; "lexicon": a word is not in the graph; "grammar": the graph has the
            words, but no path with them in this order; "frames": it has paths, but none with this number of frames,
            or scores of minus infinity lie on all of them.
        sentence: the verdict in words.
        reference_words: as given.
        reference: the best path with the reference's words; None where there is none.
        hypothesis: what the search found; None if it found no path.
        regions: where the two paths go apart.
        loss: where the search lost the reference and what would have kept it, for the verdict "search".
        missing: words that the graph does not know.
        broken_at: for the verdict "grammar", the place of the first word that cannot follow; the number of words if no
            sentence can end after the last.
        pronunciations: of each word of the reference, as the graph's folder lists them; empty where it does not.
    """

    verdict: Verdict
    sentence: str
    reference_words: tuple[str, ...]
    reference: ExplainedPath | None = None
    hypothesis: ExplainedPath | None = None
    regions: tuple[Region, ...] = ()
    loss: LostPath | None = None
    missing: tuple[MissingWord, ...] = ()
    broken_at: int | None = None
    pronunciations: tuple[tuple[tuple[str, ...], ...], ...] = ()

    @property
    def gap(self) -> float | None:
        """Cost of the reference less that of what was found; None if there is not both."""
        if self.reference is None or self.hypothesis is None:
            return None
        return self.reference.total - self.hypothesis.total


def explain(
    graph: SearchGraph,
    scores: Any,
    reference_words: Sequence[str],
    options: DecodeOptions | None = None,
    *,
    lm_costs: LmCosts | None = None,
    free_words: Collection[str] = (),
    widest_beam: float = 25.0,
    max_states: int = MAX_STATES,
) -> Explanation:
    """Force a reference through a graph and say whether an error is the search's, the model's or the lexicon's.

    Args:
        graph: from `load_graph`.
        scores: (T, P) acoustic scores, as for `decode`.
        reference_words: what was said.
        options: dials of the search whose errors are explained.
        lm_costs: from words (output labels) to the language model cost of each and of ending, `grammar_costs` for
            example; splits the graph cost.
        free_words: words that may stand anywhere in the paths and do not count, such as those that are silence.
        widest_beam: no wider beams are tried for a reference that the search lost; time grows fast with the beam.
        max_states: see `graph_of_words`.

    Raises:
        WfstAsrError: scores that are not in order, or a graph that needs more than `max_states`.

    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> graph = make_search_graph(loop, [-1, 0, 1], words=["<eps>", "yes", "no"])
    >>> told = explain(graph, [[-1.0, -1.25], [-9.0, -1.0]], ["no", "no"])
    >>> told.verdict, told.gap, told.regions[0].graph_gap, told.regions[0].acoustic_gap
    ('model', 0.75, 0.5, 0.25)
    >>> explain(graph, [[-1.0, -1.25]], ["noo"]).missing
    (MissingWord(word='noo', similar=('no',)),)
    """
    graph.check_whole("an explanation")
    names = graph.manifest.column_names if graph.manifest else ""
    checked = check_scores(scores, graph.num_columns, column_names=names)
    if len(checked) == 0:
        raise WfstAsrError("scores have no frames; leave out empty recordings")
    return _Explainer(graph, checked, options or DecodeOptions(), lm_costs, frozenset(free_words)).explain(
        tuple(reference_words), widest_beam, max_states
    )


@dataclass(frozen=True)
class _Found:
    search: BeamSearch
    path: SearchPath
    costs: PathCosts
    result: DecodeResult
    lm: tuple[float, ...] | None
    told: ExplainedPath


@dataclass(frozen=True)
class _Explainer:
    graph: SearchGraph
    scores: NDArray[np.float32]
    options: DecodeOptions
    lm_costs: LmCosts | None
    free: frozenset[str]

    def explain(self, words: tuple[str, ...], widest_beam: float, max_states: int) -> Explanation:
        graph = self.graph
        listed = tuple(tuple(graph.pronunciations.get(word, ())) for word in words)
        hypothesis = self._search(graph, self.options, None)
        told = hypothesis.told if hypothesis else None
        ids = {word: i for i, word in enumerate(graph.words) if i}
        missing = tuple(MissingWord(w, similar_words(w, ids)) for w in dict.fromkeys(words) if w not in ids)
        if missing:
            return Explanation(
                "lexicon", _of_missing(missing), words, hypothesis=told, missing=missing, pronunciations=listed
            )
        free = [ids[word] for word in self.free if word in ids]
        try:
            small = graph_of_words(graph, [ids[word] for word in words], free=free, max_states=max_states)
        except NoSentenceError as error:
            verdict: Verdict = "grammar"
            at = error.word
            if at < len(words) and not np.any(np.asarray(graph.arcs["olabel"]) == ids[words[at]]):
                verdict = "lexicon"
            return Explanation(verdict, str(error), words, hypothesis=told, broken_at=at, pronunciations=listed)
        exact = exact_options(acoustic_scale=self.options.acoustic_scale)
        reference = self._search(small.graph, exact, small.place)
        if reference is None or not reference.path.reached_final:
            sentence = (
                f"the reference does not fit into {len(self.scores)} frames: its shortest path is longer, or scores of "
                "minus infinity lie on every path"
            )
            return Explanation("frames", sentence, words, hypothesis=told, pronunciations=listed)
        if hypothesis is None:
            loss = find_loss(graph, self.scores, self.options, reference.costs, widest_beam=widest_beam)
            sentence = "the search found no path at all; " + self._of_loss(loss, reference)
            return Explanation("search", sentence, words, reference.told, loss=loss, pronunciations=listed)
        regions = differing_regions(
            graph, reference.costs, hypothesis.costs, reference_lm=reference.lm, hypothesis_lm=hypothesis.lm
        )
        if keeps(hypothesis.path, reference.costs):
            same = reference.told.words == hypothesis.told.words
            gap = reference.costs.total - hypothesis.costs.total
            sentence = "the words are the reference's" if same else _of_gap(gap, regions)
            return Explanation(
                "correct" if same else "model", sentence, words, reference.told, hypothesis.told, regions,
                pronunciations=listed,
            )  # fmt: skip
        loss = find_loss(graph, self.scores, self.options, reference.costs, widest_beam=widest_beam)
        same = reference.told.words == hypothesis.told.words and hypothesis.path.reached_final
        sentence = self._of_loss(loss, reference)
        if same:
            more = hypothesis.costs.total - reference.costs.total
            sentence = f"the words are the reference's, on a path that costs {more:.2f} more than it need: {sentence}"
        return Explanation(
            "correct" if same else "search", sentence, words, reference.told, hypothesis.told, regions, loss,
            pronunciations=listed,
        )  # fmt: skip

    def _search(self, graph: SearchGraph, options: DecodeOptions, place: NDArray[np.int64] | None) -> _Found | None:
        """Search a graph, or a part of the whole graph whose arcs stand at `place` in it."""
        search = BeamSearch(graph, options)
        try:
            search.advance_checked(self.scores)
        except NoPathError:
            return None
        path = search.finish()
        result = result_of_path(graph, path, self.scores, search)
        places = path.arcs if place is None else place[path.arcs]
        costs = path_costs(self.graph, places, self.scores, scale=search.acoustic_scale, final_cost=path.final_cost)
        lm = tuple(self.lm_costs(result.word_ids)) if self.lm_costs else None
        if lm is not None and not np.isfinite(lm).all():
            lm = None
        told = ExplainedPath(
            words=tuple(word for word in result.words if word not in self.free),
            costs=word_costs(self.graph, costs, result, lm),
            result=result,
        )
        return _Found(search, path, costs, result, lm, told)

    def _of_loss(self, loss: LostPath, reference: _Found) -> str:
        if loss.frame is None:
            left = "the search lost the reference, which costs less"
        else:
            word = next(
                (t.word for t in reference.result.word_times if loss.frame < t.end_frame), "the end of the sentence"
            )
            narrowed = ", which max_active had narrowed" if loss.limited else ""
            left = (
                f"the search lost the reference at frame {loss.frame} "
                f"({loss.frame * self.graph.frame_shift_s:.2f} s, '{word}'), where it cost {loss.gap:.2f} more than "
                f"the best token, outside the beam of {loss.width:.2f}{narrowed}"
            )
        if loss.beam is None:
            return f"{left}; at its worst it cost {loss.highest_gap:.2f} more, for which no beam was tried"
        dials = f"beam {loss.beam:.3f}"
        if self.options.max_active is not None and loss.max_active != self.options.max_active:
            dials += " without max_active" if loss.max_active is None else f" and max_active {loss.max_active}"
        kept = f"{left}; {dials} would have kept it"
        words = tuple(w for w in map(self.graph.word, loss.found_word_ids) if w not in self.free)
        if words != reference.told.words:
            kept += (
                f", where '{' '.join(words)}' costs still less, by {reference.costs.total - loss.found_cost:.2f}: "
                "the models do not prefer the reference"
            )
        return kept


def _of_missing(missing: Sequence[MissingWord]) -> str:
    words = ", ".join(f"'{one.word}'" for one in missing)
    return f"{words}: not among the words of the graph; add {'it' if len(missing) == 1 else 'them'} to the lexicon"


def _of_gap(gap: float, regions: Sequence[Region]) -> str:
    if gap <= 1e-3:
        return "the reference costs the same as what was found: a tie"
    acoustic = sum(region.acoustic_gap for region in regions)
    graph = sum(region.graph_gap for region in regions)
    return (
        f"the models prefer what was found: the reference costs {gap:.2f} more, {acoustic:+.2f} acoustic and "
        f"{graph:+.2f} graph"
    )


def similar_words(word: str, known: Collection[str], *, count: int = 5) -> tuple[str, ...]:
    """Return known words that are spelled like a word, the likest first; other case is likest of all.

    >>> similar_words("Colour", ["color", "cooler", "colour", "dog"])
    ('colour', 'color', 'cooler')
    """
    by_fold: dict[str, list[str]] = {}
    for other in known:
        if abs(len(other) - len(word)) <= 3:
            by_fold.setdefault(other.casefold(), []).append(other)
    near = difflib.get_close_matches(word.casefold(), by_fold, n=count, cutoff=0.6)
    return tuple(other for folded in near for other in sorted(by_fold[folded]))[:count]
