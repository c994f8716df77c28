"""HCL and G of the English model that the pip package pocketsphinx ships, for a search that composes them."""

import os
from dataclasses import asdict

import numpy as np

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.manifest import Manifest, read_manifest
from wfst_asr.recipe.english_graph import (
    EnglishFiles,
    EnglishGraphOptions,
    Report,
    input_hashes,
    read_english_parts,
    senone_input_labels,
    sphinx_window_hmms,
)


def are_current(folder: str | os.PathLike[str], files: EnglishFiles, options: EnglishGraphOptions) -> bool:
    """Tell whether a folder holds the parts of these files and options."""
    try:
        manifest = read_manifest(folder)
    except WfstAsrError:
        return False
    return dict(manifest.options) == _told(options) and dict(manifest.inputs) == input_hashes(files)


def _told(options: EnglishGraphOptions) -> dict[str, object]:
    return {**asdict(options), "method": "on-the-fly"}


def compile_english_on_the_fly(
    files: EnglishFiles,
    graph_dir: str | os.PathLike[str],
    options: EnglishGraphOptions | None = None,
    report: Report | None = None,
) -> Manifest:
    """Write a graph folder with HCL and G apart; as `compile_english_graph`, whose words, scales and costs it has."""
    from wfst_asr.fst.symbols import SymbolTable
    from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
    from wfst_asr.graph.graph_dir import write_graph_dir
    from wfst_asr.graph.on_the_fly import backoff_entries, compile_hcl
    from wfst_asr.graph.step_clock import StepClock
    from wfst_asr.recipe.on_the_fly_graph import parts_on_the_fly, write_parts

    options = options or EnglishGraphOptions()
    check_writable_folder(graph_dir)
    clock = StepClock(report)
    english = read_english_parts(files, options, clock)
    model, pronunciations, backoff = english.model, english.pronunciations, english.backoff_label
    with clock.step("G: entries") as size:
        entries = backoff_entries(english.grammar, pronunciations, backoff_label=backoff)
        size.set(len(entries.final_cost), len(entries.rank))
    hcl = compile_hcl(
        pronunciations,
        sphinx_window_hmms(model, transition_scale=options.transition_scale),
        silence_phone=model.context.phone_ids["SIL"],
        silence_prob=options.silence_prob,
        clock=clock,
    )
    parts = parts_on_the_fly(hcl, entries)
    manifest = Manifest(
        label_kind="pdf-id+1",
        num_columns=model.num_senones,
        column_names=f"senone of {files.model_dir.name}",
        frame_shift_s=1.0 / model.feature_options.frate,
        acoustic_scale=options.acoustic_scale,
        self_loop_scale=options.transition_scale,
        transition_scale=options.transition_scale,
        silence_phones=tuple(np.array(model.mdef.ci_phones)[model.mdef.is_filler].tolist()),
        inputs=input_hashes(files),
        options=_told(options),
        steps=tuple(clock.done),
    )
    write_graph_dir(
        graph_dir,
        hcl.table,
        words=SymbolTable({"<eps>": 0} | english.word_ids | {BACKOFF_SYMBOL: backoff}),
        phones=SymbolTable({"<eps>": 0} | {phone: i for i, phone in enumerate(model.mdef.ci_phones, start=1)}),
        input_labels=senone_input_labels(model),
        manifest=manifest,
        align_lexicon=((entry.word, entry.phones) for entry in english.lexicon.entries),
        hcl_files=lambda folder: write_parts(folder, parts),
    )
    return manifest
