"""Rescoring: the language model of a lattice taken out and another put in, or n-best lists ranked by any callable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.lattice.best_path import LatticePath
from wfst_asr.lattice.best_way import BestWay, add_best_way
from wfst_asr.lattice.compose import AnyLattice, compose
from wfst_asr.lattice.lattice import checked_scale
from wfst_asr.lattice.word_fst import WordFst, word_fst

Scorer = Callable[[Sequence[Sequence[str]]], Sequence[float]]


def rescore(
    lattice: AnyLattice,
    new: ArcTable | WordFst | None,
    *,
    old: ArcTable | WordFst | BestWay | None = None,
    old_exact: bool = False,
    new_weight: float = 1.0,
    old_weight: float = 1.0,
    backoff_label: int | None = None,
) -> AnyLattice:
    """Replace the language model of a lattice.

        graph cost - old_weight * old model's cost + new_weight * new model's cost

    for every path, exactly; the end of the sentence counts.  The new model charges its own probabilities, its back-off
    arcs being failure transitions.  The old model is taken out as a graph holds it: at the cost of the best way through
    G, which is less than the model's own where backing off is cheaper than an n-gram that the model has.  With weights
    between 0 and 1 the models are mixed in the log domain.  Kaldi: lattice-lmrescore --lm-scale=-1, then
    lattice-lmrescore-const-arpa.

    Args:
        lattice: of either kind, its words numbered as those of the models.
        new: G of the new model, as an FST or (for many lattices) a `WordFst`; None: the old one is only taken out.
        old: G of the model in the lattice's costs, for many lattices a `WordFst` or best a `BestWay`, which remembers;
            None: the new one is only added.
        old_exact: the old model's own probabilities are in the lattice, as after an earlier rescoring, not a graph's.
        new_weight: factor of the new model's costs.
        old_weight: factor of the old model's costs.
        backoff_label: input label of the back-off arcs of those that are ArcTables.

    Raises:
        WfstAsrError: errors of `compose`; a model accepts none of the lattice's paths.
    """
    result = lattice
    if old is not None:
        result = _without(lattice, old, -old_weight, exact=old_exact, backoff_label=backoff_label)
        _check(lattice, result, "old")
    if new is not None:
        before = result
        label = backoff_label if isinstance(new, ArcTable) else None
        result = compose(result, new, weight=new_weight, backoff_label=label)
        _check(before, result, "new")
    return result


def _without(
    lattice: AnyLattice, old: ArcTable | WordFst | BestWay, weight: float, *, exact: bool, backoff_label: int | None
) -> AnyLattice:
    if isinstance(old, ArcTable):
        old = word_fst(old, backoff_label=backoff_label)
    if not exact:
        return add_best_way(lattice, old if isinstance(old, BestWay) else BestWay(old), weight=weight)
    if isinstance(old, BestWay):
        raise WfstAsrError("old_exact beside a BestWay, which is of a graph's costs; give the WordFst")
    return compose(lattice, old, weight=weight)


def _check(before: AnyLattice, after: AnyLattice, name: str) -> None:
    if before.num_states and not after.num_states:
        raise WfstAsrError(
            f"the {name} language model accepts no path of the lattice; check that its words are those of the graph"
        )


@dataclass(frozen=True)
class RescoredPath:
    """A path of an n-best list with the cost that a scorer gave it.

    Attributes:
        path: with its graph and acoustic costs.
        words: its words.
        new_cost: minus the scorer's score.
        total_cost: what the list is sorted by.
    """

    path: LatticePath
    words: tuple[str, ...]
    new_cost: float
    total_cost: float

    @property
    def graph_cost(self) -> float:
        """Graph cost of the path, the old language model's included."""
        return self.path.graph_cost

    @property
    def acoustic_cost(self) -> float:
        """Acoustic cost of the path, not scaled."""
        return self.path.acoustic_cost


def rescore_nbest(
    paths: Sequence[LatticePath],
    scorer: Scorer,
    *,
    words: Mapping[int, str],
    acoustic_scale: float,
    graph_weight: float = 1.0,
    new_weight: float = 1.0,
    insertion_penalty: float = 0.0,
) -> tuple[RescoredPath, ...]:
    """Rank an n-best list by graph cost, acoustic cost and a new score, any function of word sequences.

        graph_weight * graph cost + acoustic_scale * acoustic cost + new_weight * new cost + penalty * words

    To replace the language model, take it out of the lattice (`rescore` with new=None) before the n-best search.  Paths
    of equal cost stay in their order.

    Args:
        paths: the list, such as of `n_best`.
        scorer: takes all sentences, each a sequence of words, and returns the natural log of a probability (or any
            score, higher is better) for each, such as `NGramModel.scores`; -inf is put last.
        words: word by id, such as `read_symbols("words.txt").names`.
        acoustic_scale: factor of acoustic costs.
        graph_weight: factor of graph costs.
        new_weight: factor of new costs.
        insertion_penalty: cost that each word adds.

    Raises:
        WfstAsrError: a word id without a name, an acoustic scale that is no number above 0, scores of another number
            than the sentences, or one that is no number.
    """
    scale = checked_scale(acoustic_scale)
    for path in paths:
        missing = [w for w in path.word_ids if w not in words]
        if missing:
            raise WfstAsrError(f"the word symbols have no id {missing[0]}; give those that the graph was made with")
    sentences = [tuple(words[w] for w in path.word_ids) for path in paths]
    scores = np.asarray(scorer(sentences) if sentences else [], dtype=np.float64)
    if scores.shape != (len(sentences),):
        raise WfstAsrError(
            f"the scorer returned shape {scores.shape} for {len(sentences)} sentences; expected one each"
        )
    if np.isnan(scores).any() or (scores == np.inf).any():
        bad = int(np.flatnonzero(np.isnan(scores) | (scores == np.inf))[0])
        raise WfstAsrError(f"the scorer returned {scores[bad]} for '{' '.join(sentences[bad])}'; expected a number")
    result = []
    for path, sentence, new_cost in zip(paths, sentences, -scores, strict=True):
        total = graph_weight * path.graph_cost + scale * path.acoustic_cost + insertion_penalty * len(sentence)
        total += new_weight * float(new_cost) if new_weight else 0.0
        result.append(RescoredPath(path, sentence, float(new_cost), total))
    return tuple(sorted(result, key=lambda rescored: rescored.total_cost))
