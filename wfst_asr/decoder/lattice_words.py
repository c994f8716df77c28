"""What decoding tells beyond the best path: confidences, the n best word sequences, words of minimum Bayes risk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.decode import DecodeResult
from wfst_asr.decoder.lattice_beam import DecodedLattice, decode_lattice
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.decoder.word_lattice import word_lattice
from wfst_asr.decoder.word_times import WordTime, word_times
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.best_path import LatticePath
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.confidence import Calibration, word_confidences
from wfst_asr.lattice.confusion import ConfusionNetwork, confusion_network
from wfst_asr.lattice.lattice import Lattice
from wfst_asr.lattice.nbest import n_best
from wfst_asr.lattice.single_end import AnyLattice

KINDS = ("", "words", "states")


@dataclass(frozen=True)
class LatticeOptions:
    """What is asked for of each utterance beside its best path.  Its words get confidences in any case.

    Attributes:
        keep: "words" for the lattice of words, "states" for the state-level one, "" for none.
        num_best: so many of the best word sequences; 0 for none.
        mbr: words of minimum Bayes risk.
        calibration: of all confidences, see `lattice.confidence.word_confidences`.
        no_words: labels that the words of minimum Bayes risk are without, such as those of silence.
        lattice_beam: in place of the search's, for example where other passes have lattices for their own ends.

    Raises:
        WfstAsrError: another kind of lattice, or a number below 0.
    """

    keep: str = ""
    num_best: int = 0
    mbr: bool = False
    calibration: Calibration | None = None
    no_words: frozenset[int] = frozenset()
    lattice_beam: float | None = None

    def __post_init__(self) -> None:
        if self.keep not in KINDS:
            raise WfstAsrError(f"lattices of kind '{self.keep}'; expected 'words', 'states' or ''")
        if self.num_best < 0:
            raise WfstAsrError(f"{self.num_best} best word sequences, expected 0 or more")

    def search(self, options: DecodeOptions) -> DecodeOptions:
        """Return dials of a search with the lattice beam that is wanted."""
        return options if self.lattice_beam is None else replace(options, lattice_beam=self.lattice_beam)


@dataclass(frozen=True)
class Hypothesis:
    """One sequence of words of a lattice.

    Attributes:
        words: the words.
        word_ids: their output labels.
        word_times: start and end of each word.
        times_exact: as in DecodeResult.
        confidences: of each word.
        graph_cost: of its best path.
        acoustic_cost: of its best path, not scaled.
        total_cost: graph cost + acoustic scale * acoustic cost.
    """

    words: tuple[str, ...]
    word_ids: tuple[int, ...]
    word_times: tuple[WordTime, ...]
    times_exact: bool
    confidences: tuple[float, ...]
    graph_cost: float
    acoustic_cost: float
    total_cost: float


@dataclass(frozen=True)
class MbrWords:
    """The words with the least expected number of errors.

    Attributes:
        words: the words.
        word_ids: their output labels.
        word_times: start and end of each word, to the frame: means over the paths.
        times_exact: whether the paths' words were aligned with their phones first.
        confidences: of each word.
        bayes_risk: the expected number of errors.
    """

    words: tuple[str, ...]
    word_ids: tuple[int, ...]
    word_times: tuple[WordTime, ...]
    times_exact: bool
    confidences: tuple[float, ...]
    bayes_risk: float


@dataclass(frozen=True)
class LatticeResult:
    """What was found for an utterance.

    Attributes:
        best: the best path, its words with confidences.
        n_best: the best word sequences, the best first; empty where they were not asked for.
        mbr: None where it was not asked for.
        lattice: None where it was not asked for.
    """

    best: DecodeResult
    n_best: tuple[Hypothesis, ...] = ()
    mbr: MbrWords | None = None
    lattice: Lattice | CompactLattice | None = None


def decode_words(
    graph: SearchGraph,
    scores: Any,
    options: DecodeOptions | None = None,
    *,
    wanted: LatticeOptions | None = None,
    keep_statistics: bool = False,
) -> LatticeResult:
    """Decode, and take from the lattice what is wanted.

    Args:
        graph: from `load_graph`.
        scores: (T, P) as for `decode`.
        options: dials of the search; `lattice_beam` bounds the paths that confidences and all else are of.
        wanted: see LatticeOptions; by default confidences alone.
        keep_statistics: as for `decode`.

    Raises:
        WfstAsrError: as `decode`, and as `confusion_network`, for example a lattice of so long a recording that it is
            too much for it.
        NoPathError: as `decode`.

    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> graph = make_search_graph(loop, [-1, 0, 1], words=["<eps>", "yes", "no"])
    >>> found = decode_words(graph, [[-1.0, -1.5], [-9.0, -1.0]], wanted=LatticeOptions(num_best=2))
    >>> found.best.words, [round(c, 2) for c in found.best.confidences]
    (('yes', 'no'), [0.73, 1.0])
    >>> [(one.words, round(one.total_cost, 2)) for one in found.n_best]
    [(('yes', 'no'), 3.5), (('no', 'no'), 4.5)]
    """
    wanted = wanted or LatticeOptions()
    search = wanted.search(options or DecodeOptions())
    found = decode_lattice(graph, scores, search, keep_statistics=keep_statistics)
    return words_of_lattice(graph, found, wanted=wanted)


def words_of_lattice(
    graph: SearchGraph, found: DecodedLattice, *, wanted: LatticeOptions | None = None
) -> LatticeResult:
    """`decode_words` for what has been decoded."""
    wanted = wanted or LatticeOptions()
    lattice = found.words
    best = replace(found.best, confidences=_confidences(lattice, found.best.word_ids, wanted.calibration))
    return LatticeResult(
        best=best,
        n_best=hypotheses(graph, lattice, wanted.num_best, calibration=wanted.calibration) if wanted.num_best else (),
        mbr=mbr_words(graph, lattice, calibration=wanted.calibration, no_words=wanted.no_words) if wanted.mbr else None,
        lattice={"": None, "words": lattice, "states": found.lattice}[wanted.keep],
    )


def hypotheses(
    graph: SearchGraph, lattice: CompactLattice, num_best: int, *, calibration: Calibration | None = None
) -> tuple[Hypothesis, ...]:
    """Return the best word sequences of a lattice with times and confidences.

    Raises:
        WfstAsrError: a number below 1, or a lattice without a path.
    """
    made = []
    for path in n_best(lattice, num_best):
        times, exact = path_word_times(graph, lattice, path)
        made.append(
            Hypothesis(
                words=tuple(graph.word(w) for w in path.word_ids),
                word_ids=path.word_ids,
                word_times=times,
                times_exact=exact,
                confidences=_confidences(lattice, path.word_ids, calibration),
                graph_cost=path.graph_cost,
                acoustic_cost=path.acoustic_cost,
                total_cost=path.graph_cost + lattice.acoustic_scale * path.acoustic_cost,
            )
        )
    return tuple(made)


def path_word_times(graph: SearchGraph, lattice: AnyLattice, path: LatticePath) -> tuple[tuple[WordTime, ...], bool]:
    """Return start and end of each word of a lattice's path, and whether they are exact; see `word_times`."""
    arcs = path.arcs[lattice.olabel[path.arcs] != 0]
    frames = lattice.frame[lattice.source[arcs]].astype(np.int64)
    return word_times(graph, [graph.word(w) for w in path.word_ids], frames, path.alignment)


def mbr_words(
    graph: SearchGraph,
    lattice: CompactLattice,
    *,
    calibration: Calibration | None = None,
    no_words: frozenset[int] = frozenset(),
    acoustic_scale: float | None = None,
    insertion_penalty: float = 0.0,
) -> MbrWords:
    """Return the words of minimum Bayes risk with confidences, and times from words aligned with their phones.

    Args:
        graph: that the lattice was decoded with.
        lattice: of words.
        calibration: of the confidences.
        no_words: labels that are no words, such as those of silence.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.

    Raises:
        WfstAsrError: as `confusion_network`.
    """
    network = confusion_network(
        lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty, ignored=no_words
    )
    begins, ends, exact = network_times(
        graph,
        lattice,
        network,
        no_words=no_words,
        acoustic_scale=acoustic_scale,
        insertion_penalty=insertion_penalty,
    )
    words = tuple(graph.word(w) for w in network.hypothesis)
    shift = graph.frame_shift_s
    times = tuple(
        WordTime(word, start, end, round(start * shift, 6), round(end * shift, 6))
        for word, start, end in zip(
            words, np.rint(begins).astype(int).tolist(), np.rint(ends).astype(int).tolist(), strict=True
        )
    )
    confidences = network.confidences if calibration is None else calibration(network.confidences)
    return MbrWords(
        words, network.hypothesis, times, exact, tuple(np.asarray(confidences).tolist()), network.bayes_risk
    )


def network_times(
    graph: SearchGraph,
    lattice: CompactLattice,
    network: ConfusionNetwork,
    *,
    no_words: frozenset[int] = frozenset(),
    acoustic_scale: float | None = None,
    insertion_penalty: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return first frames and frames after the last of a network's words, and whether words were aligned for them.

    Where the graph does not tell the phones of its words, they are those of the lattice's arcs, as in the network.
    """
    if not network.hypothesis:
        return network.word_begins, network.word_ends, True
    try:
        aligned = word_lattice(graph, lattice).lattice
    except WfstAsrError:
        return network.word_begins, network.word_ends, False
    exact = confusion_network(
        aligned,
        network.hypothesis,
        keep=True,
        acoustic_scale=acoustic_scale,
        insertion_penalty=insertion_penalty,
        ignored=no_words,
    )
    return exact.word_begins, exact.word_ends, True


def _confidences(
    lattice: CompactLattice, word_ids: Sequence[int], calibration: Calibration | None
) -> tuple[float, ...]:
    if not word_ids:
        return ()
    return tuple(word_confidences(lattice, word_ids, calibration=calibration).tolist())
