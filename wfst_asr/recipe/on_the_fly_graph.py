"""Graphs that are composed while they are searched: made of their parts, in memory or as a folder."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.decoder.on_the_fly import DEFAULT_MEMORY_MB, OnTheFlyParts
from wfst_asr.decoder.parts_file import write_ahead, write_entries
from wfst_asr.decoder.search_graph import SearchGraph, composed_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.manifest import Manifest
from wfst_asr.fst.symbols import EPSILON
from wfst_asr.graph.on_the_fly import BackoffEntries, LookAheadHcl
from wfst_asr.graph.step_clock import Report, StepClock
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.recipe.graph_inputs import text_lines
from wfst_asr.recipe.trained_graph import (
    CompiledGraph,
    TrainedGraphOptions,
    direct_parts,
    read_inputs,
    usual_acoustic_scale,
)
from wfst_asr.tree.decision_tree import DecisionTree


def search_graph_on_the_fly(
    hcl: LookAheadHcl,
    grammar: BackoffEntries,
    columns: ArrayLike,
    *,
    num_columns: int | None = None,
    words: Sequence[str] | None = None,
    max_graph_memory_mb: float = DEFAULT_MEMORY_MB,
) -> SearchGraph:
    """Prepare HCL and G for a search that composes them.

    Args:
        hcl: from `compile_hcl`.
        grammar: from `backoff_entries`.
        columns: (L,) score column of each input label of HCL; entry 0 is not read.
        num_columns: columns of the score matrices; the highest in `columns` and one, if not given.
        words: word of each label of G.
        max_graph_memory_mb: of what is composed; see OnTheFlyGraph.
    """
    return composed_search_graph(
        parts_on_the_fly(hcl, grammar),
        columns,
        num_columns=num_columns,
        words=words,
        max_graph_memory_mb=max_graph_memory_mb,
    )


def parts_on_the_fly(hcl: LookAheadHcl, grammar: BackoffEntries) -> OnTheFlyParts:
    """Return HCL and G as the decoder takes them."""
    entries = np.empty((len(grammar.rank), 6), dtype=np.int32)
    entries[:, 0], entries[:, 1] = grammar.rank, grammar.nextstate
    entries.view(np.float32)[:, 2] = grammar.cost
    entries[:, 3] = np.append(hcl.word, 0)[grammar.rank]
    entries.view(np.float64)[:, 2] = grammar.total
    return OnTheFlyParts(
        table=hcl.table,
        marker=hcl.marker,
        set_of=hcl.set_of,
        set_first=hcl.set_first,
        low=hcl.low,
        high=hcl.high,
        word=hcl.word,
        word_cost=hcl.cost,
        g_start=grammar.start,
        g_first=grammar.first,
        g_entries=entries,
        g_final=grammar.final_cost,
        g_backoff=grammar.backoff_state,
        g_backoff_cost=grammar.backoff_cost,
        g_backoffs=grammar.backoffs,
    )


def compile_on_the_fly(
    lang_dir: str | os.PathLike[str],
    grammar: str | os.PathLike[str] | NGramModel,
    model: str | os.PathLike[str] | tuple[DecisionTree, TransitionModel],
    out_dir: str | os.PathLike[str],
    *,
    options: TrainedGraphOptions | None = None,
    report: Report | None = None,
) -> CompiledGraph:
    """Write a graph folder with HCL and G apart, for a search that composes them; as `compile_trained_graph`.

    Raises:
        WfstAsrError: as there; or L, the tree or G has a form that this way does not take.
    """
    from wfst_asr.graph.direct import spoken_part
    from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
    from wfst_asr.graph.graph_dir import transition_input_labels, write_graph_dir
    from wfst_asr.graph.lexical_tree import pronunciation_arrays_of_rows
    from wfst_asr.graph.on_the_fly import backoff_entries, compile_hcl
    from wfst_asr.graph.word_silence import WordSilence

    options = options or TrainedGraphOptions()
    lang, target = Path(lang_dir), Path(out_dir)
    check_writable_folder(target)
    clock = StepClock(report)
    with clock.step("read") as size:
        inputs = read_inputs(lang, grammar, model)
        size.set(inputs.grammar.num_states, inputs.grammar.num_arcs)
    with clock.step("H and C: HMMs of windows") as size:
        parts, hmms = direct_parts(inputs, options)
        if isinstance(parts, WordSilence):
            raise WfstAsrError(
                f"{lang}: has silence whose probability depends on the word, which a search that composes G does not "
                "take; make the lang directory without silence probabilities, or compile without --on-the-fly"
            )
        size.set(len(hmms.hmm_unit), hmms.num_chains)
    with clock.step("L: lexicon") as size:
        pronunciations = pronunciation_arrays_of_rows(parts.pronunciations)
        size.set(len(pronunciations.tail_end), len(pronunciations.phone))
    with clock.step("G: entries") as size:
        backoff, g = inputs.words.get(BACKOFF_SYMBOL, -1), inputs.grammar
        if inputs.given_as_fst:
            g = spoken_part(g, pronunciations.word, backoff_label=backoff)
        name = "G" if isinstance(grammar, NGramModel) else str(grammar)
        entries = backoff_entries(g, pronunciations, backoff_label=backoff, name=name)
        size.set(len(entries.final_cost), len(entries.rank))
    hcl = compile_hcl(
        pronunciations, hmms, silence_phone=parts.silence_phone, silence_prob=parts.silence_prob or 0.5, clock=clock
    )
    on_the_fly = parts_on_the_fly(hcl, entries)
    manifest = Manifest(
        label_kind="transition-id",
        num_columns=inputs.model.num_pdfs,
        column_names="pdf-id of final.mdl",
        frame_shift_s=options.frame_shift_s,
        acoustic_scale=options.acoustic_scale or usual_acoustic_scale(inputs.tree),
        self_loop_scale=options.self_loop_scale,
        transition_scale=options.transition_scale,
        silence_phones=tuple(line.strip() for line in text_lines(lang / "phones" / "silence.txt")),
        inputs=inputs.hashes,
        options={
            "method": "on-the-fly",
            "transition_scale": options.transition_scale,
            "self_loop_scale": options.self_loop_scale,
        },
        steps=tuple(clock.done),
    )
    rows = [line.split() for line in text_lines(lang / "phones" / "align_lexicon.txt")]
    write_graph_dir(
        target,
        hcl.table,
        words=inputs.words,
        phones=inputs.phones,
        input_labels=transition_input_labels(inputs.model),
        manifest=manifest,
        align_lexicon=[(row[1], row[2:]) for row in rows if len(row) > 2 and row[1] != EPSILON] if rows else None,
        hcl_files=lambda folder: write_parts(folder, on_the_fly),
    )
    return CompiledGraph(target, "on-the-fly", "", hcl.table.num_states, hcl.table.num_arcs, manifest)


def write_parts(folder: Path, parts: OnTheFlyParts) -> None:
    """Write what stands beside HCL in a graph folder."""
    write_ahead(folder, parts)
    write_entries(folder, parts)
