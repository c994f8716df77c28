"""Proof that new words are decoded: sentences with them, spoken by a perfect model, go through the search."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.spoken_units import Automaton, HmmUnits, PhoneUnits, TokenUnits, Unit
from wfst_asr.lexicon.lexicon import Pronunciation
from wfst_asr.recipe.graph_vocabulary import GraphVocabulary, read_graph_vocabulary

_WRONG = 40.0  # nats a frame against what is not spoken
_BEAM = 60.0
_FRAMES = 2  # of each unit


@dataclass(frozen=True)
class DecodedWord:
    """What the search heard of a new pronunciation.

    Attributes:
        entry: the pronunciation.
        sentences: the sentences that were spoken, with words of the graph before and behind, and alone.
        heard: what was decoded of each.
    """

    entry: Pronunciation
    sentences: tuple[tuple[str, ...], ...]
    heard: tuple[tuple[str, ...], ...]

    @property
    def is_found(self) -> bool:
        """Whether the word was heard in every sentence."""
        return all(self.entry.word in words for words in self.heard)


def prove_added_words(
    graph_dir: str | os.PathLike[str],
    entries: Sequence[Pronunciation],
    *,
    model_dir: str | os.PathLike[str] | None = None,
    vocabulary: GraphVocabulary | None = None,
) -> list[DecodedWord]:
    """Decode sentences with each new pronunciation, from scores that are those of its own units frame by frame.

    The graph is prepared for the decoder, as at its first use anyway.

    Args:
        graph_dir: a graph folder with the words.
        entries: pronunciations in the phones of the graph.
        model_dir: see `read_graph_vocabulary`.
        vocabulary: what that reads, if it is known.

    Raises:
        WfstAsrError: a file is missing or bad, or a word is not in the graph.
    """
    vocabulary = vocabulary or read_graph_vocabulary(graph_dir, model_dir)
    graph = load_graph(graph_dir)
    scale = 1.0 / graph.acoustic_scale
    options = DecodeOptions(beam=_BEAM, max_active=100_000)
    neighbours = _neighbours(vocabulary, {entry.word for entry in entries})
    found = []
    for entry in entries:
        if entry.word not in vocabulary.words:
            raise WfstAsrError(f"{graph_dir}: has no word '{entry.word}'; add it first")
        new = entry.word, vocabulary.phone_ids(entry.word, entry.phones)
        sentences = [[new], [*neighbours[:1], new, *neighbours[1:]]]
        heard = []
        for sentence in sentences:
            phones = [phone for _, spoken in sentence for phone in spoken]
            columns = graph.columns[labels_of(vocabulary.units, phones)]
            scores = np.full((len(columns), graph.num_columns), -_WRONG * scale, dtype=np.float32)
            scores[np.arange(len(columns)), columns] = 0.0
            heard.append(decode(graph, scores, options).words)
        spoken = tuple(tuple(word for word, _ in sentence) for sentence in sentences)
        found.append(DecodedWord(entry, spoken, tuple(heard)))
    return found


def _neighbours(vocabulary: GraphVocabulary, new: set[str]) -> list[tuple[str, tuple[int, ...]]]:
    """Return two words of the graph, one to stand before and one behind."""
    arcs = vocabulary.table.arcs["olabel"]
    used = np.zeros(max(vocabulary.words.names) + 1, dtype=bool)
    used[arcs] = True
    rows = [(word, phones) for word, phones in vocabulary.rows if word not in new and used[vocabulary.words[word]]]
    rows = [row for row in rows if len(row[1]) > 1] or rows
    chosen = [rows[len(rows) // 3], rows[2 * len(rows) // 3]] if rows else []
    return [(word, vocabulary.phone_ids(word, phones)) for word, phones in chosen]


def labels_of(units: PhoneUnits, phones: Sequence[int]) -> NDArray[np.int64]:
    """Return the input label of each frame of a phone sequence without silence, in the fewest units."""
    labels: list[int] = []
    for unit in _spoken(units, phones):
        labels += [unit.label] + [unit.loop_label] * ((_FRAMES - 1) * (unit.loop_label > 0))
    return np.array(labels, dtype=np.int64)


def _spoken(units: PhoneUnits, phones: Sequence[int]) -> Iterator[Unit]:
    context = units.start
    if isinstance(units, TokenUnits):
        previous = 0
        for phone in phones:
            label = units.label_of[phone]
            if label == previous:
                yield units.unit(units.blank_label)
            yield units.unit(label)
            previous = label
        return
    assert isinstance(units, HmmUnits)
    for phone in phones:
        automaton = units.emission(context, phone)
        if automaton is not None:
            yield from _shortest(automaton)
        context = units.after(context, phone)
    end = units.emission(context, None) if units.late else None
    if end is not None:
        yield from _shortest(end)


def _shortest(automaton: Automaton) -> list[Unit]:
    ways: list[tuple[int, list[Unit]]] = [(0, [])]
    seen = {0}
    for place, way in ways:
        for unit, behind in automaton.steps[place]:
            if behind in automaton.ends:
                return [*way, unit]
            if behind not in seen:
                seen.add(behind)
                ways.append((behind, [*way, unit]))
    raise AssertionError("an HMM without end")
