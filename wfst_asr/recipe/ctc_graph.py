"""T o L o G of a CTC network: from a lang directory, G and the network's tokens to a graph folder."""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.ctc.tokens import CtcTokens, read_tokens
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.manifest import Manifest
from wfst_asr.fst.symbols import EPSILON, SymbolTable, read_symbols
from wfst_asr.graph.ctc_fst import CtcTopology, check_topology
from wfst_asr.graph.step_clock import Report, StepClock
from wfst_asr.recipe.graph_inputs import grammar_hash, hash_of, hash_of_file, lang_hashes, read_grammar, text_lines
from wfst_asr.recipe.graph_work import (
    GraphRun,
    GraphWork,
    advise_pruning,
    finished_graph,
    graph_key,
    graph_work,
    package_versions,
)
from wfst_asr.recipe.trained_graph import METHODS, CompiledGraph, Grammar, Method

if TYPE_CHECKING:
    from wfst_asr.graph.forecast import Forecast
    from wfst_asr.graph.lexicon_parts import LexiconParts

TOKENS_NAME = "tokens.txt"


@dataclass(frozen=True)
class CtcGraphOptions:
    """How the graph of a CTC network is compiled.

    Attributes:
        topology: "standard", "compact" or "no-blank", see `graph.ctc_fst.ctc_fst`.
        method: "direct", "openfst", or "auto" for the direct compiler where it can be used.
        acoustic_scale: factor on the network's scores in decoding, unless the caller gives another; for the manifest.
        frame_shift_s: seconds from one row of scores to the next, for the manifest.
    """

    topology: CtcTopology = "standard"
    method: Method = "auto"
    acoustic_scale: float = 1.0
    frame_shift_s: float = 0.02

    def __post_init__(self) -> None:
        check_topology(self.topology)
        if self.method not in METHODS:
            raise WfstAsrError(f"method '{self.method}', expected one of {', '.join(METHODS)}")


@dataclass(frozen=True)
class _Inputs:
    words: SymbolTable
    phones: SymbolTable
    lexicon: ArcTable
    grammar: ArcTable
    given_as_fst: bool
    label_of: dict[int, int]  # input label of each phone id
    blank_label: int
    hashes: dict[str, str]


def compile_ctc_graph(
    lang_dir: str | os.PathLike[str],
    grammar: Grammar,
    tokens: str | os.PathLike[str] | CtcTokens,
    out_dir: str | os.PathLike[str],
    options: CtcGraphOptions | None = None,
    *,
    report: Report | None = None,
    run: GraphRun | None = None,
) -> CompiledGraph:
    """Compile T o L o G into a graph folder, whose manifest is written last; see also `compile_trained_graph`.

    Args:
        lang_dir: folder with words.txt, phones.txt and L_disambig.fst, whose phones are tokens: letters, word pieces or
            phones, without marks of position.
        grammar: a language model (ARPA, gzipped or not, or binary), G as an OpenFst file, or a model in memory.
        tokens: the columns of the network's scores, as `tokens.txt` or in memory; those that L does not use are never
            on a path.
        out_dir: folder to write.
        options: see CtcGraphOptions.
        report: called with (step, None) when a step begins and with (step, its record) when it ends.
        run: limits, and whether to compile anew or to keep steps.

    Returns:
        What was written; input labels of the graph are column + 1.

    Raises:
        WfstAsrError: a file is missing or bad, a phone of L is no token, the folder cannot be written, or method
            "direct" was asked for and L has a form that only the OpenFst path takes.
    """
    options, run = options or CtcGraphOptions(), run or GraphRun()
    lang, target = Path(lang_dir), Path(out_dir)
    check_writable_folder(target)
    columns = tokens if isinstance(tokens, CtcTokens) else read_tokens(tokens)
    hashes = lang_hashes(lang) | {"tokens": hash_of("\n".join(columns.names).encode()), "blank": str(columns.blank)}
    with suppress(OSError):
        hashes["grammar"] = grammar_hash(grammar)
    of_key = {name: value for name, value in asdict(options).items() if name != "method"}
    key = graph_key("ctc", hashes, of_key)
    if finished := finished_graph(target, key, run, method=options.method):
        return CompiledGraph.of_finished(target, finished)
    with graph_work(target, run, report) as work:
        return _compiled(work, lang, grammar, columns, target, options, key)


def _compiled(
    work: GraphWork, lang: Path, grammar: Grammar, columns: CtcTokens, target: Path, options: CtcGraphOptions, key: str
) -> CompiledGraph:
    from wfst_asr.graph.graph_dir import write_graph_dir
    from wfst_asr.graph.limited_process import run_limited

    clock = work.clock
    with clock.step("read") as size:
        inputs = _read_inputs(lang, grammar, columns)
        silence = tuple(line.strip() for line in text_lines(lang / "phones" / "silence.txt"))
        rows = [line.split() for line in text_lines(lang / "phones" / "align_lexicon.txt")]
        size.set(inputs.grammar.num_states, inputs.grammar.num_arcs, inputs.grammar)
    parts, reason = _plain_lexicon(inputs, options)
    if parts:
        tlg = _direct(inputs, parts, options, work)
    else:
        work.foresee(lambda: _openfst_forecast(inputs, options), advise=advise_pruning)
        limits = work.run.limits
        tlg = run_limited(lambda c: _openfst(inputs, options, c, limits.max_states or -1), clock, scratch=target)
    if tlg.num_states == 0 or tlg.num_arcs == 0:
        from wfst_asr.graph.empty_composition import why_empty

        name = inputs.words.names
        why = why_empty(inputs.lexicon, inputs.grammar, name=lambda label: name.get(label, str(label)))
        raise WfstAsrError(
            f"L o G is empty, no sentence of G can be spelled with L: {why}; take both from one lang folder"
        )
    method = "direct" if parts else "openfst"
    told = {"method": method, "topology": options.topology} | ({"method_reason": reason} if reason else {})
    manifest = Manifest(
        label_kind="token+1",
        num_columns=columns.num_columns,
        column_names="tokens of tokens.txt",
        frame_shift_s=options.frame_shift_s,
        acoustic_scale=options.acoustic_scale,
        blank_column=columns.blank,
        silence_phones=silence,
        inputs=inputs.hashes,
        options=told,
        steps=tuple(clock.done),
        key=key,
        versions=package_versions(),
    )
    manifest = work.write(
        lambda: write_graph_dir(
            target,
            tlg,
            words=inputs.words,
            phones=inputs.phones,
            input_labels=token_input_labels(columns, inputs.label_of, inputs.blank_label),
            manifest=manifest,
            align_lexicon=as_aligned(rows, options.topology) if rows else None,
            more_files={TOKENS_NAME: tokens_bytes(columns)},
            inside=work.inside,
        )
    )
    sizes = tlg.num_states, tlg.num_arcs
    return CompiledGraph(
        target, method, reason, *sizes, manifest, taken_over=tuple(clock.taken_over), forecast=work.forecast
    )


def as_aligned(rows: list[list[str]], topology: CtcTopology) -> list[tuple[str, tuple[str, ...]]]:
    """Return (word, tokens as alignments show them): where no blank must part equal tokens, they may run together."""
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    for row in rows:
        if len(row) <= 2 or row[1] == EPSILON:
            continue
        variants: list[tuple[str, ...]] = [()]
        for token in row[2:]:
            longer = [(*variant, token) for variant in variants]
            merged = [v for v in variants if v[-1:] == (token,)] if topology != "standard" else []
            variants = longer + merged
        found.update(((row[1], variant), None) for variant in variants)
    return list(found)


def tokens_bytes(tokens: CtcTokens) -> bytes:
    """Return the content of `tokens.txt`: lines "name column"."""
    return "".join(f"{name} {column}\n" for column, name in enumerate(tokens.names)).encode()


def token_input_labels(tokens: CtcTokens, label_of: dict[int, int], blank_label: int) -> NDArray[np.void]:
    """Return the records of `input_labels.npy` for labels column + 1; the blank has phone 0 and HMM state -1."""
    from wfst_asr.graph.graph_dir import INPUT_LABEL_DTYPE

    labels = np.zeros(tokens.num_columns + 1, dtype=INPUT_LABEL_DTYPE)
    labels["column"] = np.arange(-1, tokens.num_columns)
    labels["self_loop"] = -1
    for phone, label in label_of.items():
        labels["phone"][label] = phone
    labels["hmm_state"][blank_label] = -1
    return labels


def _read_inputs(lang: Path, grammar: Grammar, tokens: CtcTokens) -> _Inputs:
    from wfst_asr.fst.ops import as_table, read_fst

    words, phones = read_symbols(lang / "words.txt"), read_symbols(lang / "phones.txt")
    l_file = lang / "L_disambig.fst"
    lexicon = as_table(read_fst(l_file, remedy=f"make it with: wfst-asr lang make lexicon.txt {lang}"))
    column_of = {name: column for column, name in enumerate(tokens.names) if column != tokens.blank}
    label_of = {number: column_of[name] + 1 for name, number in phones.items() if name in column_of}
    known = {0, *phones.disambiguation_ids, *label_of}
    for label in np.unique(lexicon.arcs["ilabel"]).tolist():
        if label not in known:
            raise WfstAsrError(
                f"{l_file}: '{phones.names.get(label, label)}' is no token of the network; spell the words in its "
                "tokens (wfst-asr lang spell), without marks of position (lang make --no-position-dependent)"
            )
    for label in np.unique(lexicon.arcs["olabel"]).tolist():
        if label and label not in words.names:
            raise WfstAsrError(f"{l_file}: has a word of number {label}, which words.txt has not; make both anew")
    g, name, digest = read_grammar(grammar, words, lang)
    hashes = {"L": hash_of_file(l_file), "tokens": hash_of("\n".join(tokens.names).encode()), name: digest}
    return _Inputs(words, phones, lexicon, g, name == "G", label_of, tokens.blank + 1, hashes)


def _plain_lexicon(inputs: _Inputs, options: CtcGraphOptions) -> "tuple[LexiconParts | None, str]":
    """Return the parts of L for the direct compiler, or why it is not taken."""
    from wfst_asr.graph.lexicon_parts import lexicon_parts
    from wfst_asr.graph.window_hmms import DirectLimitError

    if options.method == "openfst":
        return None, ""
    try:
        return lexicon_parts(inputs.lexicon, inputs.phones.disambiguation_ids), ""
    except DirectLimitError as error:
        if options.method == "direct":
            raise
        return None, str(error)


def _direct(inputs: _Inputs, parts: "LexiconParts", options: CtcGraphOptions, work: GraphWork) -> ArcTable:
    from wfst_asr.graph.direct import spoken_part
    from wfst_asr.graph.forecast import count_lg, forecast_tlg
    from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
    from wfst_asr.graph.lexical_tree import pronunciation_arrays_of_rows
    from wfst_asr.graph.tlg import direct_tlg

    with work.clock.step("L: lexicon") as size:
        pronunciations = pronunciation_arrays_of_rows(parts.pronunciations)
        size.set(len(pronunciations.tail_end), len(pronunciations.phone), pronunciations)
    backoff = inputs.words.get(BACKOFF_SYMBOL, -1)
    grammar = inputs.grammar
    if inputs.given_as_fst:
        grammar = spoken_part(grammar, pronunciations.word, backoff_label=backoff)
        if grammar.num_states == 0:
            return grammar
    work.foresee(
        lambda: forecast_tlg(
            count_lg(pronunciations, grammar, backoff_label=backoff, silence_phone=parts.silence_phone),
            topology=options.topology,
        ),
        advise=advise_pruning,
    )
    return direct_tlg(
        pronunciations,
        grammar,
        inputs.label_of,
        blank_label=inputs.blank_label,
        backoff_label=backoff,
        silence_phone=parts.silence_phone,
        silence_prob=parts.silence_prob,
        topology=options.topology,
        clock=work.clock,
    )


def _openfst_forecast(inputs: _Inputs, options: CtcGraphOptions) -> "Forecast":
    """Forecast the OpenFst path where L has a form that can be counted."""
    from wfst_asr.graph.forecast import count_lg, forecast_openfst, forecast_tlg, no_forecast
    from wfst_asr.graph.lexical_tree import pronunciation_arrays_of_rows
    from wfst_asr.graph.lexicon_parts import lexicon_parts
    from wfst_asr.graph.window_hmms import DirectLimitError

    try:
        parts = lexicon_parts(inputs.lexicon, inputs.phones.disambiguation_ids)
    except DirectLimitError as error:
        return no_forecast(inputs.grammar, str(error))
    rows, backoff = pronunciation_arrays_of_rows(parts.pronunciations), inputs.words.get("#0", -1)
    counts = count_lg(rows, inputs.grammar, backoff_label=backoff, silence_phone=parts.silence_phone)
    return forecast_openfst(forecast_tlg(counts, topology=options.topology))


def _openfst(inputs: _Inputs, options: CtcGraphOptions, clock: StepClock, max_states: int) -> ArcTable:
    from wfst_asr.graph.tlg import openfst_tlg

    return openfst_tlg(
        inputs.lexicon,
        inputs.grammar,
        inputs.label_of,
        blank_label=inputs.blank_label,
        unit_disambig=inputs.phones.disambiguation_ids,
        topology=options.topology,
        clock=clock,
        max_states=max_states,
        unit_name=lambda label: inputs.phones.names.get(label, str(label)),
        word_name=lambda label: inputs.words.names.get(label, str(label)),
    )
