"""New words in a compiled graph folder: a new folder with the graph, its symbols, lexicon and manifest."""

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.decoder.search_graph import GRAPH_NAME, PREPARED_NAME
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.manifest import MANIFEST_NAME, Manifest
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.step_clock import Report, StepClock
from wfst_asr.lexicon.lexicon import Pronunciation
from wfst_asr.recipe.graph_inputs import hash_of_file
from wfst_asr.recipe.graph_vocabulary import GraphVocabulary, read_graph_vocabulary

if TYPE_CHECKING:
    from wfst_asr.graph.empty_history import EmptyHistory
    from wfst_asr.graph.extended_graph import ExtendedGraph

ADDED, APPROXIMATE = "added_words", "added_words_approximate"  # options of the manifest


@dataclass(frozen=True)
class NewWordCost:
    """How likely new words are where the history says nothing; one of the three is given.

    Attributes:
        prob: probability.
        cost: -ln of it.
        like: a word of the graph, to be as likely as that.
    """

    prob: float | None = None
    cost: float | None = None
    like: str | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.prob, self.cost, self.like)) != 1:
            raise WfstAsrError("new words need one of a probability, a cost, or a word to be as likely as")
        if self.prob is not None and not 0.0 < self.prob <= 1.0:
            raise WfstAsrError(f"probability of new words is {self.prob}; expected (0, 1]")
        if self.cost is not None and not math.isfinite(self.cost):
            raise WfstAsrError(f"cost of new words is {self.cost}; expected a number")


@dataclass(frozen=True)
class AddedWords:
    """A graph folder with new words.

    Attributes:
        folder: where it is.
        entries: the new pronunciations.
        cost: of each word, in nats.
        sounds_like: for each pronunciation, the words that the graph had with the same one.
        num_states: states of the graph.
        num_arcs: its arcs.
        num_new_states: states that were added.
        num_new_arcs: arcs that were added.
        num_places: places where words may begin that were found.
        num_endings_without: endings of the graph's words from which no place was found: behind these the new words
            cannot stand without silence.
        sums_to_one: whether the costs are such that all words and the end have probability 1 together, since the graph
            has no state that tells.
        manifest: as written.
        vocabulary: of the graph before, with the names of the new words.
    """

    folder: Path
    entries: tuple[Pronunciation, ...]
    cost: float
    sounds_like: tuple[tuple[str, ...], ...]
    num_states: int
    num_arcs: int
    num_new_states: int
    num_new_arcs: int
    num_places: int
    num_endings_without: int
    sums_to_one: bool
    manifest: Manifest
    vocabulary: GraphVocabulary


def add_words_to_graph(
    graph_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    entries: Sequence[Pronunciation],
    how_likely: NewWordCost,
    *,
    model_dir: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> AddedWords:
    """Write a graph folder that has new words, or new pronunciations of words, where its language model backs off.

    What the graph accepted, it accepts at the same costs.  After a new word the history is empty.

    Args:
        graph_dir: a graph folder of a back-off model; it is only read.
        out_dir: another folder, written.
        entries: pronunciations in the phones of the graph; those of a word share its probability by theirs.
        how_likely: probability or cost of each word.
        model_dir: the model of an HCLG, see `read_graph_vocabulary`.
        report: called with (step, None) when a step begins and with (step, its record) when it ends.

    Raises:
        WfstAsrError: a file is missing or bad, the model is not the graph's, a pronunciation is in the graph already or
            has phones that the graph has not, or the graph has no empty history that can be found.
    """
    from wfst_asr.graph.added_words import add_words
    from wfst_asr.graph.empty_history_search import find_empty_history
    from wfst_asr.graph.unit_reading import UnitReader
    from wfst_asr.graph.word_begins import find_places

    source, target = Path(graph_dir), Path(out_dir)
    if target.resolve() == source.resolve():
        raise WfstAsrError(f"{target}: is the graph itself, which is only read; name another folder")
    check_writable_folder(target)
    if not entries:
        raise WfstAsrError("no word to add; give a lexicon that has some")
    clock = StepClock(report)
    with clock.step("read") as size:
        graph = read_graph_vocabulary(source, model_dir)
        size.set(graph.table.num_states, graph.table.num_arcs)
        sounds_like = _check_new(graph, entries)
        phone_rows = [graph.phone_ids(entry.word, entry.phones) for entry in entries]
        lexicon = graph.lexicon
    with clock.step("places for words") as size:
        history = find_empty_history(UnitReader(graph.table), graph.units, lexicon, silences=graph.silences)
        before = {graph.words[row["word"]] for row in graph.manifest.options.get(ADDED, ())}
        find_places(history, lexicon, always=before)
        size.set(len(history.places), 0)
    cost = _cost(graph, history, how_likely)
    with clock.step("new words") as size:
        words = _with_new_words(graph.words, entries)
        rows = [
            (phones, words[entry.word], cost - math.log(entry.prob))
            for phones, entry in zip(phone_rows, entries, strict=True)
        ]
        table = replace(add_words(history, rows), source=source / GRAPH_NAME)
        size.set(table.num_states, table.num_arcs)
    manifest = _manifest(graph, history, entries, cost, clock)
    _write(graph, target, table, words, entries, manifest)
    return AddedWords(
        folder=target,
        entries=tuple(entries),
        cost=cost,
        sounds_like=sounds_like,
        num_states=table.num_states,
        num_arcs=table.num_arcs,
        num_new_states=table.num_states - graph.table.num_states,
        num_new_arcs=table.num_arcs - graph.table.num_arcs,
        num_places=len(history.places),
        num_endings_without=len(history.without_place),
        sums_to_one=history.sums_to_one,
        manifest=manifest,
        vocabulary=replace(graph, words=words),
    )


def _check_new(graph: GraphVocabulary, entries: Sequence[Pronunciation]) -> tuple[tuple[str, ...], ...]:
    """Refuse pronunciations that the graph has already; return the words that sound like the new ones."""
    known: dict[tuple[str, ...], list[str]] = {}
    for word, phones in graph.rows:
        known.setdefault(phones, []).append(word)
    found, seen = [], set()
    for entry in entries:
        alike = known.get(aligned_phones(graph, entry.phones), [])
        if entry.word in alike or (entry.word, entry.phones) in seen:
            raise WfstAsrError(
                f"word '{entry.word}' with the pronunciation '{' '.join(entry.phones)}' is in the graph already; "
                "leave it out"
            )
        if entry.word.startswith("#") or entry.word in ("<eps>", "<s>", "</s>"):
            raise WfstAsrError(f"'{entry.word}' is a reserved symbol and cannot be a word")
        seen.add((entry.word, entry.phones))
        found.append(tuple(alike))
    return tuple(found)


def aligned_phones(graph: GraphVocabulary, phones: tuple[str, ...]) -> tuple[str, ...]:
    """Return phones as `align_lexicon.txt` of the graph writes them."""
    plain = graph.manifest.label_kind != "transition-id" or all(phone in graph.phones for phone in phones)
    return phones if plain else graph.positions.in_word(phones)


def _cost(graph: GraphVocabulary, history: "EmptyHistory", how_likely: NewWordCost) -> float:
    if how_likely.like is None:
        cost = how_likely.cost if how_likely.cost is not None else -math.log(how_likely.prob or 1.0)
        return cost + float(graph.manifest.options.get("word_insertion_penalty", 0.0))
    number = graph.words.get(how_likely.like, 0)
    costs = [history.cost_of_word(word) for word in graph.lexicon if number and word[0] == number]
    known = [cost for cost in costs if cost is not None]
    if not known:
        raise WfstAsrError(
            f"word '{how_likely.like}' is not among the words of {graph.folder}; name one that is, or give --prob"
        )
    return min(known)


def _with_new_words(words: SymbolTable, entries: Sequence[Pronunciation]) -> SymbolTable:
    ids = dict(words.ids)
    for entry in entries:
        ids.setdefault(entry.word, max(words.names) + 1 + len(ids) - len(words))
    return SymbolTable(ids)


def _manifest(
    graph: GraphVocabulary,
    history: "EmptyHistory",
    entries: Sequence[Pronunciation],
    cost: float,
    clock: StepClock,
) -> Manifest:
    old = graph.manifest
    how = str(old.options.get(APPROXIMATE, ""))
    if history.without_place:
        how = f"but cannot stand behind {len(history.without_place)} endings of words"
    elif history.sums_to_one:
        how = "at costs that are known up to one number"
    added = [
        {"word": entry.word, "phones": " ".join(entry.phones), "cost": round(cost - math.log(entry.prob), 4)}
        for entry in entries
    ]
    return replace(
        old,
        inputs={**old.inputs, "graph before new words": hash_of_file(graph.folder / MANIFEST_NAME)},
        options={
            **old.options,
            ADDED: [*old.options.get(ADDED, ()), *added],
            **({APPROXIMATE: how} if how else {}),
        },
        steps=(*old.steps, *clock.done),
    )


def _write(
    graph: GraphVocabulary,
    target: Path,
    table: "ExtendedGraph",
    words: SymbolTable,
    entries: Sequence[Pronunciation],
    manifest: Manifest,
) -> None:
    from wfst_asr.decoder.extended_layout import extend_prepared
    from wfst_asr.graph.graph_dir import read_input_labels, write_graph_dir
    from wfst_asr.recipe.ctc_graph import TOKENS_NAME, as_aligned

    rows = [(entry.word, aligned_phones(graph, entry.phones)) for entry in entries]
    if manifest.label_kind == "token+1":
        rows = as_aligned([["", word, *phones] for word, phones in rows], manifest.options.get("topology", "standard"))
    labels = read_input_labels(graph.folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / PREPARED_NAME).unlink(missing_ok=True)  # its mark tells not every change of a large graph
    if (graph.folder / TOKENS_NAME).exists():
        shutil.copyfile(graph.folder / TOKENS_NAME, target / TOKENS_NAME)
    write_graph_dir(
        target,
        table,
        words=words,
        phones=graph.phones,
        input_labels=labels,
        manifest=manifest,
        align_lexicon=[*graph.rows, *rows],
    )
    columns = np.array(labels["column"], dtype=np.int32)
    columns[0] = -1
    extend_prepared(graph.folder / GRAPH_NAME, target / GRAPH_NAME, columns, table.rows)
