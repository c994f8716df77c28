"""Lattices whose arcs are words, silences and noises with exact times, by what a graph tells of its phones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.decoder.word_times import PhoneTime, phone_times
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.word_alignment import align_lexicon, align_words, partial_arcs
from wfst_asr.lattice.word_parsers import NONWORD, word_boundaries


@dataclass(frozen=True)
class WordLattice:
    """A lattice whose every arc is one word, or one silence with olabel 0.

    Attributes:
        lattice: arc a lasts from frame `start_frame[a]` up to but not including `end_frame[a]`.
        partial: (A,) arcs that are only a part of a word, at the end of a lattice that reached no final state.
        graph: that it was decoded with.
    """

    lattice: CompactLattice
    partial: NDArray[np.bool_]
    graph: SearchGraph

    @property
    def start_frame(self) -> NDArray[np.int32]:
        """(A,) first frame of each arc."""
        return self.lattice.frame[self.lattice.source]

    @property
    def end_frame(self) -> NDArray[np.int32]:
        """(A,) frame after the last of each arc."""
        return self.lattice.frame[self.lattice.nextstate]

    def phones(self, arc: int) -> tuple[PhoneTime, ...]:
        """Return the phones of an arc with their starts and ends."""
        low, high = self.lattice.first_label[arc : arc + 2]
        return phone_times(self.graph, self.lattice.labels[low:high], first_frame=int(self.start_frame[arc]))


def word_lattice(graph: SearchGraph, lattice: CompactLattice) -> WordLattice:
    """Align the words of a lattice with the phones of its alignments.

    Words are told apart by their pronunciations where the graph's folder has them (align_lexicon.txt), else by the
    marks _B _I _E _S of its phones.

    Args:
        graph: that the lattice was decoded with.
        lattice: for example `DecodedLattice.words`.

    Raises:
        WfstAsrError: the graph tells neither of them, or a word has no pronunciation.
    """
    labels = graph.input_labels
    if labels is not None and graph.phones and graph.pronunciations:
        pronunciations = _pronunciations(graph, lattice)
        aligned = align_lexicon(lattice, labels, pronunciations)
        return WordLattice(aligned, partial_arcs(aligned, labels, pronunciations=pronunciations), graph)
    boundaries = word_boundaries(graph.phones)
    if labels is None or not (boundaries != NONWORD).any():
        raise WfstAsrError(
            f"{graph.name}: does not tell where words begin and end; expected a graph folder with input_labels.npy, "
            "phones.txt, and align_lexicon.txt or phones marked _B _I _E _S"
        )
    aligned = align_words(lattice, labels, boundaries)
    return WordLattice(aligned, partial_arcs(aligned, labels, boundaries=boundaries), graph)


def _pronunciations(graph: SearchGraph, lattice: CompactLattice) -> dict[int, list[tuple[int, ...]]]:
    """Return the pronunciations of the lattice's words as phone ids, and those of silence under 0."""
    ids = {name: number for number, name in enumerate(graph.phones)}
    silence: list[tuple[str, ...]] = [(name,) for name in graph.manifest.silence_phones] if graph.manifest else []
    silence += graph.pronunciations.get("<eps>", ())
    found = {0: [tuple(ids[phone] for phone in variant) for variant in silence if ids.keys() >= set(variant)]}
    for number in np.unique(lattice.olabel[lattice.olabel > 0]).tolist():
        word = graph.word(number)
        variants = graph.pronunciations.get(word, ())
        if not variants:
            raise WfstAsrError(f"{graph.name}: '{word}' is not in align_lexicon.txt")
        try:
            found[number] = [tuple(ids[phone] for phone in variant) for variant in variants]
        except KeyError as error:
            raise WfstAsrError(f"{graph.name}: phone {error} of align_lexicon.txt is not in phones.txt") from error
    return found
