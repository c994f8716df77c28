"""Decode a set of utterances once, and have its words at every language-model weight and insertion penalty.

The search runs at acoustic scale 1 / `lm_weight` and keeps lattices; the words at the other weights are the best paths
of the lattices there, as in Kaldi's decode.sh and score.sh.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from wfst_asr.decoder.batch import over_threads
from wfst_asr.decoder.beam import NoPathError
from wfst_asr.decoder.decode import DecodeResult, decode
from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.lattice_words import LatticeOptions, LatticeResult, words_of_lattice
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.best_path import best_paths
from wfst_asr.lattice.posteriors import FramePosteriors, frame_posteriors
from wfst_asr.score.sweep import DEFAULT_LM_WEIGHT, INSERTION_PENALTIES, LM_WEIGHTS, Sweep, score_sweep

SEARCH_LM_WEIGHT = 12.0  # Kaldi's acwt=0.083333


@dataclass(frozen=True)
class SetOptions:
    """How a set is decoded.

    Attributes:
        search: dials of the search; its acoustic scale, where none is given, is 1 / 12.
        lm_weights: inverse acoustic scales at which words are asked for.
        insertion_penalties: costs a word at which words are asked for.
        posterior_scale: acoustic scale of the posteriors that are asked for; None asks for none.
        min_posterior: posteriors below are left out.
        only_best: ask for no words at weights and penalties; the search keeps a lattice only for posteriors and for
            what `wanted` names then.
        wanted: what else is asked for of lattices, such as confidences.
        keep_statistics: have `best` tell what the search did in each frame.

    Raises:
        WfstAsrError: no weight or no penalty, or a weight that is not above 0.
    """

    search: DecodeOptions = field(default_factory=DecodeOptions)
    lm_weights: tuple[float, ...] = LM_WEIGHTS
    insertion_penalties: tuple[float, ...] = INSERTION_PENALTIES
    posterior_scale: float | None = None
    min_posterior: float = 0.0
    only_best: bool = False
    wanted: LatticeOptions | None = None
    keep_statistics: bool = False

    def __post_init__(self) -> None:
        if not self.lm_weights or not self.insertion_penalties:
            raise WfstAsrError("give at least one language-model weight and one insertion penalty")
        if not min(self.lm_weights) > 0:
            raise WfstAsrError(f"language-model weight {min(self.lm_weights)}, expected a number above 0")

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """Every (language-model weight, insertion penalty) that words are asked for at."""
        if self.only_best:
            return ()
        return tuple((float(w), float(p)) for w, p in product(self.lm_weights, self.insertion_penalties))


@dataclass(frozen=True)
class DecodedUtterance:
    """What became of an utterance.

    Attributes:
        utterance: its id.
        best: the best path of the search; None if there is none.
        words: the words at each of `SetOptions.pairs`; empty if there is no path.
        posteriors: of transition-ids, where they were asked for.
        lattice_arcs: size of the lattice.
        frames: frames decoded.
        reason: why there is no path, empty if there is.
        cpu_seconds: of the thread, scores included.
        from_lattice: what `SetOptions.wanted` asked for.
    """

    utterance: str
    best: DecodeResult | None
    words: tuple[tuple[str, ...], ...] = ()
    posteriors: FramePosteriors | None = None
    lattice_arcs: int = 0
    frames: int = 0
    reason: str = ""
    cpu_seconds: float = 0.0
    from_lattice: LatticeResult | None = None


def decode_set(
    graph: SearchGraph | str | os.PathLike[str],
    utterances: Iterable[tuple[str, Callable[[], Any]]],
    options: SetOptions | None = None,
    *,
    num_jobs: int = 1,
    progress: Callable[[DecodedUtterance], None] | None = None,
) -> Iterator[DecodedUtterance]:
    """Decode utterances over threads, in their order.

    Args:
        graph: a graph, or its folder.
        utterances: id, and a function that makes the (T, P) float32 scores; it is called in the thread that decodes.
        options: see SetOptions.
        num_jobs: threads.
        progress: called with each utterance when it is there.

    Raises:
        WfstAsrError: scores that are not in order, with the utterance named.  An utterance without frames or without
            any path has a reason instead of words.
    """
    chosen = options or SetOptions()
    search = chosen.search
    if search.acoustic_scale is None:
        search = replace(search, acoustic_scale=1.0 / SEARCH_LM_WEIGHT)
    chosen = replace(chosen, search=search)
    loaded = graph if isinstance(graph, SearchGraph) else load_graph(graph)

    def decode_one(item: tuple[str, Callable[[], Any]]) -> DecodedUtterance:
        return _decode_one(loaded, item[0], item[1], chosen)

    for decoded in over_threads(decode_one, utterances, num_jobs=num_jobs):
        if progress is not None:
            progress(decoded)
        yield decoded


def _decode_one(
    graph: SearchGraph, utterance: str, make_scores: Callable[[], Any], options: SetOptions
) -> DecodedUtterance:
    began = time.thread_time()
    try:
        scores = make_scores()
        if len(scores) == 0:
            return DecodedUtterance(utterance, None, reason="no frames")
        if options.only_best and options.posterior_scale is None and options.wanted is None:
            best = decode(graph, scores, options.search, keep_statistics=options.keep_statistics)
            return DecodedUtterance(utterance, best, frames=len(scores), cpu_seconds=time.thread_time() - began)
        search = options.search if options.wanted is None else options.wanted.search(options.search)
        found = decode_lattice(graph, scores, search, keep_statistics=options.keep_statistics)
        told = None if options.wanted is None else words_of_lattice(graph, found, wanted=options.wanted)
    except NoPathError as error:
        return DecodedUtterance(utterance, None, reason=str(error), cpu_seconds=time.thread_time() - began)
    except WfstAsrError as error:
        raise WfstAsrError(f"utterance '{utterance}': {error}") from error
    scales, penalties = [1.0 / weight for weight, _ in options.pairs], [penalty for _, penalty in options.pairs]
    paths = best_paths(found.lattice, scales, penalties) if scales else ()
    posteriors = None
    if options.posterior_scale is not None:
        posteriors = frame_posteriors(
            found.lattice, acoustic_scale=options.posterior_scale, min_posterior=options.min_posterior
        )
    return DecodedUtterance(
        utterance=utterance,
        best=told.best if told else found.best,
        words=tuple(tuple(graph.word(w) for w in path.word_ids) for path in paths),
        posteriors=posteriors,
        lattice_arcs=found.lattice.num_arcs,
        frames=len(scores),
        cpu_seconds=time.thread_time() - began,
        from_lattice=told,
    )


def hypotheses_of(
    decoded: Sequence[DecodedUtterance], options: SetOptions | None = None, *, left_out: Iterable[str] = ()
) -> dict[tuple[float, float], dict[str, tuple[str, ...]]]:
    """Return the words by utterance for each (language-model weight, insertion penalty).

    Args:
        decoded: what `decode_set` yielded under the same options; an utterance without a path has no words.
        options: see SetOptions.
        left_out: words that are no words when it is scored, such as "<UNK>" or "!SIL".
    """
    pairs = (options or SetOptions()).pairs
    dropped = frozenset(left_out)
    return {
        pair: {
            one.utterance: tuple(w for w in one.words[i] if w not in dropped) if one.words else () for one in decoded
        }
        for i, pair in enumerate(pairs)
    }


def score_set(
    references: Mapping[str, Sequence[str]],
    decoded: Sequence[DecodedUtterance],
    options: SetOptions | None = None,
    *,
    default_lm_weight: float = DEFAULT_LM_WEIGHT,
    left_out: Iterable[str] = (),
) -> Sweep:
    """Return the error rates at every (language-model weight, insertion penalty); default: the weight, no penalty."""
    return score_sweep(
        references, hypotheses_of(decoded, options, left_out=left_out), default=(float(default_lm_weight), 0.0)
    )
