"""SearchGraph: a compiled graph ready for decoding, with the meaning of its labels."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.decoder.layout import EMITTING_WORDS, EPSILON_WORDS, HEADER_WORDS, SearchLayout, lay_out
from wfst_asr.decoder.limited_frames import LimitedFrames
from wfst_asr.decoder.on_the_fly import DEFAULT_MEMORY_MB, ComposedPart, OnTheFlyGraph, OnTheFlyParts
from wfst_asr.decoder.parts_file import HCL_NAME, read_parts
from wfst_asr.decoder.prepared_file import PreparedGraph, fingerprint, read_prepared, write_prepared
from wfst_asr.decoder.symbols import Pronunciations, read_pronunciations, read_symbols
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, STATE_DTYPE, ArcTable, read_const_fst
from wfst_asr.fst.manifest import MANIFEST_NAME, Manifest, read_manifest

GRAPH_NAME = "HCLG.fst"
LABELS_NAME = "input_labels.npy"
PREPARED_NAME = "HCLG.search"
LABEL_DTYPE = np.dtype([("column", "<i4"), ("phone", "<i4"), ("hmm_state", "<i2"), ("self_loop", "i1")])


@dataclass(frozen=True)
class SearchGraph:
    """A graph laid out for the beam search.

    Attributes:
        layout: what the search reads.
        states: (S,) records of the const FST (final cost, first arc, number of arcs).
        arcs: (A,) arcs of the const FST, read only when a path is traced back.
        columns: (L,) score column of each input label; entry 0 (epsilon) is -1.
        num_columns: columns that a score matrix must have.
        manifest: of the graph folder, None for a graph that has none.
        input_labels: (L,) records (column, phone, hmm_state, self_loop), None where they are not known.
        name: where the graph came from, for messages.
        word_source: the words by id, or the symbol table that holds them, or None.
        limited_frames: in how many frames of its searches max_active cut the beam.
        on_the_fly: composes the graph while it is searched; None for a graph that is all there.  Where there is one,
            layout, states and arcs are empty here, and each search has its own SearchGraph (`for_search`).
        composed: in the SearchGraph of such a search: what is composed so far.
        free_room: buffers of searches that are done, without lattices and with; the next ones take them over.
    """

    layout: SearchLayout | ComposedPart
    states: NDArray[np.void]
    arcs: NDArray[np.void]
    columns: NDArray[np.int32]
    num_columns: int
    manifest: Manifest | None = None
    input_labels: NDArray[np.void] | None = None
    name: str = "graph"
    word_source: Path | tuple[str, ...] | None = field(default=None, repr=False)
    on_the_fly: OnTheFlyGraph | None = field(default=None, repr=False, compare=False)
    composed: ComposedPart | None = field(default=None, init=False, repr=False, compare=False)
    limited_frames: LimitedFrames = field(default_factory=LimitedFrames, init=False, repr=False, compare=False)
    free_room: tuple[list[Any], list[Any]] = field(
        default_factory=lambda: ([], []), init=False, repr=False, compare=False
    )

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Words by id; a word without a name is called by its number."""
        if isinstance(self.word_source, Path):
            return read_symbols(self.word_source)
        return self.word_source or ()

    @cached_property
    def phones(self) -> tuple[str, ...]:
        """Phones by id, empty where the graph has no `phones.txt`."""
        path = Path(self.name) / "phones.txt"
        return read_symbols(path) if path.is_file() else ()

    @cached_property
    def pronunciations(self) -> Pronunciations:
        """Phones of each pronunciation of each word, empty where there is no file of them.

        The file is `align_lexicon.txt` of the folder, or `phones/align_lexicon.txt` of a lang directory.
        """
        for path in (Path(self.name) / "align_lexicon.txt", Path(self.name) / "phones" / "align_lexicon.txt"):
            if path.is_file():
                return read_pronunciations(path)
        return Pronunciations({})

    @property
    def frame_shift_s(self) -> float:
        """Seconds from one frame to the next: the manifest's, or 0.01."""
        return self.manifest.frame_shift_s if self.manifest else 0.01

    @property
    def acoustic_scale(self) -> float:
        """Scale that decoding takes unless told otherwise: the manifest's, or 1."""
        return self.manifest.acoustic_scale if self.manifest else 1.0

    def for_search(self) -> "SearchGraph":
        """Return the graph that a search goes through: this one, or what is composed of it so far."""
        if self.on_the_fly is None:
            return self
        bound: SearchGraph = self.on_the_fly.for_search(self)
        return bound

    def check_whole(self, purpose: str) -> None:
        """Refuse a graph that is composed on the fly for what must see all of its arcs.

        Raises:
            WfstAsrError: it is one.
        """
        if self.on_the_fly is not None:
            raise WfstAsrError(
                f"{self.name}: is composed while it is searched, and {purpose} must see the whole graph; compile one "
                "without --on-the-fly"
            )

    def word(self, word_id: int) -> str:
        """Return the word of an id."""
        return self.words[word_id] if word_id < len(self.words) else str(word_id)

    def places(self, addresses: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the place in the const FST of arcs given by their addresses in the layout."""
        from wfst_asr.decoder import _trace_kernels

        block = np.searchsorted(self.layout.block_start, addresses, side="right") - 1
        begin = self.layout.block_start[block].astype(np.int64)
        emitting = self.layout.words[begin + 2].astype(np.int64)
        offset = addresses.astype(np.int64) - begin - HEADER_WORDS
        epsilon_offset = offset - EMITTING_WORDS * emitting
        kind = np.where(offset < 0, 0, np.where(epsilon_offset < 0, 1, 2))
        rank = np.where(kind == 0, 0, np.where(kind == 1, offset // EMITTING_WORDS, epsilon_offset // EPSILON_WORDS))
        state = self.layout.state[block]
        first = self.states["first_arc"][state].astype(np.int64)
        stop = first + self.states["num_arcs"][state]
        places: NDArray[np.int64] = _trace_kernels.arcs_of_path(
            kind, rank, state, first, stop, self.arcs["ilabel"], self.arcs["nextstate"]
        )
        return places

    def final_costs(self, targets: NDArray[np.uint32]) -> NDArray[np.float32]:
        """Return the final cost of the states that tokens stand in."""
        address = targets & np.uint32((1 << self.layout.code_shift) - 1)
        order = np.argsort(address)  # neighbours are looked up one after another, while their memory is near
        block = np.searchsorted(self.layout.block_start, address[order])
        costs = np.empty(len(targets), dtype=np.float32)
        costs[order] = self.states["final_cost"][self.layout.state[block]]
        return costs


def make_search_graph(
    table: ArcTable,
    columns: ArrayLike,
    *,
    num_columns: int | None = None,
    words: Sequence[str] | None = None,
    input_labels: NDArray[np.void] | None = None,
    manifest: Manifest | None = None,
) -> SearchGraph:
    """Prepare a graph that is in memory for decoding.

    Args:
        table: the graph, input labels as in `columns`, output labels words.
        columns: (L,) score column of each input label; entry 0 (epsilon) is not read.
        num_columns: columns of the score matrices; the highest in `columns` and one, if not given.
        words: word of each output label.
        input_labels: see SearchGraph.
        manifest: see SearchGraph.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> graph = make_search_graph(arc_table(2, [(0, 1, 1, 1, 0.5)], finals={1: 0.0}), [-1, 0], words=["<eps>", "yes"])
    >>> graph.num_columns, graph.word(1)
    (1, 'yes')
    """
    checked, count = _check_columns(columns, num_columns, "columns")
    states = np.zeros(table.num_states, dtype=STATE_DTYPE)
    states["final_cost"] = table.final_cost
    states["first_arc"] = table.first_arc[:-1]
    states["num_arcs"] = np.diff(table.first_arc)
    return SearchGraph(
        layout=lay_out(table, checked),
        states=states,
        arcs=np.asarray(table.arcs),
        columns=checked,
        num_columns=count,
        manifest=manifest,
        input_labels=input_labels,
        word_source=tuple(words) if words is not None else None,
    )


def composed_search_graph(
    parts: OnTheFlyParts,
    columns: ArrayLike,
    *,
    num_columns: int | None = None,
    words: Path | Sequence[str] | None = None,
    input_labels: NDArray[np.void] | None = None,
    manifest: Manifest | None = None,
    max_graph_memory_mb: float = DEFAULT_MEMORY_MB,
) -> SearchGraph:
    """Prepare HCL and G for a search that composes them; the rest as for `make_search_graph`."""
    checked, count = _check_columns(columns, num_columns, "columns")
    nothing = np.empty(0, np.uint32)
    return SearchGraph(
        layout=SearchLayout(nothing, nothing, np.empty(0, np.int32), 0, 0),
        states=np.empty(0, STATE_DTYPE),
        arcs=np.empty(0, ARC_DTYPE),
        columns=checked,
        num_columns=count,
        manifest=manifest,
        input_labels=input_labels,
        name=parts.name,
        word_source=words if words is None or isinstance(words, Path) else tuple(words),
        on_the_fly=OnTheFlyGraph(parts, checked, max_memory_mb=max_graph_memory_mb),
    )


def load_graph(
    path: str | os.PathLike[str],
    *,
    columns: ArrayLike | None = None,
    words: str | os.PathLike[str] | Sequence[str] | None = None,
    max_graph_memory_mb: float | None = None,
) -> SearchGraph:
    """Load a compiled graph for decoding, or HCL and G for a search that composes them.

    The prepared form is kept beside the graph as `HCLG.search` and mapped at the next start; where the folder cannot be
    written, the graph is prepared anew each time.

    Args:
        path: a graph folder, or a const FST alone (then `columns` is needed).
        columns: (L,) score column of each input label, for a graph without manifest, or records of LABEL_DTYPE, which
            tell words' exact times as well; entry 0 is not read.
        words: symbol table or list of words by id; `words.txt` in the folder, if not given.
        max_graph_memory_mb: of what is composed of HCL and G; see OnTheFlyGraph.  Not used for other graphs.

    Raises:
        WfstAsrError: a file that is missing, damaged, truncated or of another kind; files that do not fit each other.
    """
    given = Path(path)
    folder = given if given.is_dir() else given.parent
    fst = given / GRAPH_NAME if given.is_dir() else given
    on_the_fly = not fst.exists() and (given / HCL_NAME).exists()
    if on_the_fly:
        fst = given / HCL_NAME
    if not fst.exists():
        raise WfstAsrError(f"{fst}: no such file; make it with: wfst-asr graph compile")
    if columns is None and given.is_dir() and (given / LABELS_NAME).exists() and not (given / MANIFEST_NAME).exists():
        raise WfstAsrError(
            f"{given}: has no {MANIFEST_NAME}, which is written last, so that its compilation was cut short; "
            "compile the graph again"
        )
    manifest = read_manifest(folder) if columns is None and (folder / MANIFEST_NAME).exists() else None
    labels: NDArray[np.void] | None = None
    if columns is not None and np.asarray(columns).dtype.names is not None:
        labels = _check_labels(np.asarray(columns), str(fst))
        columns = labels["column"]
    elif columns is None:
        labels, columns = _labels_of_folder(folder, manifest, fst)
    num_columns = manifest.num_columns if manifest else None
    checked, count = _check_columns(columns, num_columns, str(folder / LABELS_NAME))
    source: Path | tuple[str, ...] | None
    if words is None:
        source = folder / "words.txt" if (folder / "words.txt").is_file() else None
    elif isinstance(words, str | os.PathLike):
        source = Path(words)
    else:
        source = tuple(words)
    if on_the_fly:
        return composed_search_graph(
            read_parts(folder),
            checked,
            num_columns=count,
            words=source,
            input_labels=labels,
            manifest=manifest,
            max_graph_memory_mb=max_graph_memory_mb or DEFAULT_MEMORY_MB,
        )
    prepared = _prepare(fst, checked)
    if manifest and manifest.steps and manifest.steps[-1].states:
        told = (manifest.steps[-1].states, manifest.steps[-1].arcs)
        if told != (len(prepared.states), len(prepared.arcs)):
            raise WfstAsrError(
                f"{folder / MANIFEST_NAME}: tells of {told[0]} states and {told[1]} arcs, but {fst.name} has "
                f"{len(prepared.states)} and {len(prepared.arcs)}; "
                "the two do not belong together: compile the graph again"
            )
    return SearchGraph(
        layout=prepared.layout,
        states=prepared.states,
        arcs=prepared.arcs,
        columns=checked,
        num_columns=count,
        manifest=manifest,
        input_labels=labels,
        name=str(folder),
        word_source=source,
    )


def _prepare(fst: Path, columns: NDArray[np.int32]) -> PreparedGraph:
    beside = fst.with_name(PREPARED_NAME if fst.name == GRAPH_NAME else fst.name + ".search")
    mark = fingerprint(fst, columns)
    prepared = read_prepared(beside, fst, mark=mark)
    if prepared is not None:
        return prepared
    table = read_const_fst(fst)
    layout = lay_out(table, columns, name=str(fst))
    size = fst.stat().st_size
    states_at = size - STATE_DTYPE.itemsize * table.num_states - ARC_DTYPE.itemsize * table.num_arcs
    made = PreparedGraph.of_file(layout, fst, states_at, table.num_states, table.num_arcs)
    write_prepared(beside, made, mark=mark)
    return made


def _labels_of_folder(folder: Path, manifest: Manifest | None, fst: Path) -> tuple[NDArray[np.void] | None, Any]:
    """Return the label table and the columns of a graph folder."""
    path = folder / LABELS_NAME
    if path.is_file():
        try:
            labels = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise WfstAsrError(f"{path}: cannot be read ({error}); compile the graph again") from error
        labels = _check_labels(labels, str(path))
        return labels, labels["column"]
    if manifest is not None and manifest.label_kind == "pdf-id+1":
        return None, np.arange(-1, manifest.num_columns, dtype=np.int32)
    raise WfstAsrError(
        f"{fst}: has no {LABELS_NAME} beside it, so that its input labels have no meaning; "
        "give load_graph the score column of each label as columns="
    )


def _check_labels(labels: NDArray[Any], name: str) -> NDArray[np.void]:
    if labels.dtype.names is None or set(LABEL_DTYPE.names or ()) - set(labels.dtype.names) or labels.ndim != 1:
        raise WfstAsrError(
            f"{name}: input labels without meaning; expected records of {', '.join(LABEL_DTYPE.names or ())}"
        )
    return labels


def _check_columns(columns: ArrayLike, num_columns: int | None, name: str) -> tuple[NDArray[np.int32], int]:
    table = np.array(columns)
    if table.ndim != 1 or table.dtype.kind not in "iu" or len(table) < 1:
        raise WfstAsrError(f"{name}: expected one whole number for each input label, with an entry for epsilon first")
    checked = table.astype(np.int32)
    checked[0] = -1
    highest = int(checked.max(initial=-1))
    count = num_columns if num_columns is not None else highest + 1
    if highest >= count:
        label = int(np.flatnonzero(checked >= count)[0])
        raise WfstAsrError(
            f"{name}: input label {label} has column {checked[label]}, but the manifest tells of {count} columns; "
            "compile the graph again with its own model"
        )
    if (checked[1:] < 0).any():
        label = int(np.flatnonzero(checked[1:] < 0)[0]) + 1
        raise WfstAsrError(f"{name}: input label {label} has column {checked[label]}, expected 0 or more")
    return checked, count
