"""HCLG of a trained model: by the direct compiler where L and the model have its form, else by general operations."""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.manifest import Manifest
from wfst_asr.fst.symbols import EPSILON, SymbolTable, read_symbols
from wfst_asr.graph.step_clock import Report, StepClock
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.kaldi.transition_model import read_transition_model
from wfst_asr.kaldi.tree import read_tree, tree_bytes
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.recipe.graph_inputs import grammar_hash, hash_of, hash_of_file, lang_hashes, read_grammar, text_lines
from wfst_asr.recipe.graph_work import (
    GraphRun,
    GraphWork,
    advise_pruning_or_parts,
    finished_graph,
    graph_key,
    graph_work,
    package_versions,
)
from wfst_asr.tree.decision_tree import DecisionTree

if TYPE_CHECKING:
    from wfst_asr.graph.forecast import Forecast
    from wfst_asr.graph.lexicon_parts import LexiconParts
    from wfst_asr.graph.window_hmms import WindowHmms
    from wfst_asr.graph.word_silence import TreeInputs, WordSilence

Method = Literal["auto", "openfst", "direct"]
Grammar = str | os.PathLike[str] | NGramModel
Model = str | os.PathLike[str] | tuple[DecisionTree, TransitionModel]
METHODS: tuple[Method, ...] = ("auto", "openfst", "direct")


@dataclass(frozen=True)
class TrainedGraphOptions:
    """How the graph of a trained model is compiled.

    Attributes:
        method: "direct", "openfst", or "auto" for the direct compiler where it can be used.
        transition_scale: factor on the log probabilities of transitions other than self-loops.
        self_loop_scale: factor on those of self-loops and of leaving them.
        acoustic_scale: factor on acoustic scores in decoding, unless the caller gives another; for the manifest.
            None: 1 / 10 for monophones, 1 / 15 for phones in context.
        frame_shift_s: seconds from one frame to the next, for the manifest.
    """

    method: Method = "auto"
    transition_scale: float = 1.0
    self_loop_scale: float = 0.1
    acoustic_scale: float | None = None
    frame_shift_s: float = 0.01

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise WfstAsrError(f"method '{self.method}', expected one of {', '.join(METHODS)}")
        for name in ("transition_scale", "self_loop_scale"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected 0 or more")


@dataclass(frozen=True)
class CompiledGraph:
    """A graph folder that was just written.

    Attributes:
        folder: where it is.
        method: how it was compiled, "direct" or "openfst".
        reason: why the direct compiler was not taken; empty where it was, or where another method was asked for.
        num_states: states of HCLG.
        num_arcs: its arcs.
        manifest: as written.
        up_to_date: whether it was there already, of the same inputs and options, so that nothing was compiled.
        taken_over: names of the steps that an earlier, interrupted run had finished.
        forecast: what was expected before the first large step; None where nothing was compiled.
    """

    folder: Path
    method: str
    reason: str
    num_states: int
    num_arcs: int
    manifest: Manifest
    up_to_date: bool = False
    taken_over: tuple[str, ...] = ()
    forecast: "Forecast | None" = None

    @classmethod
    def of_finished(cls, folder: Path, manifest: Manifest) -> "CompiledGraph":
        """Describe a graph that was there already."""
        told, last = manifest.options, manifest.steps[-1]
        method, reason = str(told.get("method", "")), str(told.get("method_reason", ""))
        return cls(folder, method, reason, last.states, last.arcs, manifest, up_to_date=True)


@dataclass(frozen=True)
class _Inputs:
    """What both methods compile: symbols, machines and model, with the hashes of their files."""

    words: SymbolTable
    phones: SymbolTable
    lexicon: ArcTable
    grammar: ArcTable
    tree: DecisionTree
    model: TransitionModel
    hashes: dict[str, str]

    @property
    def given_as_fst(self) -> bool:
        """Whether G was given as a machine, not made here of a language model."""
        return "G" in self.hashes


def usual_acoustic_scale(tree: DecisionTree) -> float:
    """Return the acoustic scale that does well for models of a tree where nothing can be tuned.

    The more exactly a model tells states apart, the more its scores of neighbouring frames say the same again, and the
    less they should count.  The values lie between those that were best on AN4 and on LibriSpeech.

    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> usual_acoustic_scale(monophone_tree({1: 3}))
    0.1
    """
    return 1 / 10 if tree.context_width == 1 else 1 / 15


def compile_trained_graph(
    lang_dir: str | os.PathLike[str],
    grammar: Grammar,
    model: Model,
    out_dir: str | os.PathLike[str],
    *,
    options: TrainedGraphOptions | None = None,
    report: Report | None = None,
    run: GraphRun | None = None,
) -> CompiledGraph:
    """Compile HCLG into a graph folder, whose manifest is written last.

    A graph that is there already, of the same inputs and options, is not compiled again, and a compilation that was
    killed is taken up after its last finished step.  An older graph stays whole until the new one is written.

    Args:
        lang_dir: folder with words.txt, phones.txt and L_disambig.fst.
        grammar: a language model (ARPA, gzipped or not, or binary), G as an OpenFst file, or a model in memory.
        model: folder with `tree` and `final.mdl`, or the two in memory.
        out_dir: folder to write.
        options: see TrainedGraphOptions.
        report: called with (step, None) when a step begins and with (step, its record) when it ends.
        run: limits, and whether to compile anew or to keep steps.

    Returns:
        What was written; input labels of the graph are transition-ids.

    Raises:
        WfstAsrError: a file is missing or bad, the parts do not fit, the folder cannot be written, or method "direct"
            was asked for and L, the tree or the topology has a form that only the OpenFst path takes.
    """
    options, run = options or TrainedGraphOptions(), run or GraphRun()
    lang, target = Path(lang_dir), Path(out_dir)
    check_writable_folder(target)
    key = graph_key("trained", _input_hashes(lang, grammar, model), _options_of_key(options))
    if finished := finished_graph(target, key, run, method=options.method):
        return CompiledGraph.of_finished(target, finished)
    with graph_work(target, run, report) as work:
        return _compiled(work, lang, grammar, model, target, options, key)


def _compiled(
    work: GraphWork, lang: Path, grammar: Grammar, model: Model, target: Path, options: TrainedGraphOptions, key: str
) -> CompiledGraph:
    from wfst_asr.graph.graph_dir import transition_input_labels, write_graph_dir
    from wfst_asr.graph.limited_process import run_limited
    from wfst_asr.graph.window_hmms import DirectLimitError
    from wfst_asr.graph.word_silence import has_word_silence

    clock = work.clock
    with clock.step("read") as size:
        inputs = read_inputs(lang, grammar, model)
        silence = tuple(line.strip() for line in text_lines(lang / "phones" / "silence.txt"))
        # "word word phones", where the first column names the word to show and the second the one in the graph
        rows = [line.split() for line in text_lines(lang / "phones" / "align_lexicon.txt")]
        size.set(inputs.grammar.num_states, inputs.grammar.num_arcs, inputs.grammar)
    method, reason, parts = "openfst", "", None
    if options.method != "openfst":
        try:
            with clock.step("H and C: HMMs of windows") as size:
                parts = direct_parts(inputs, options)
                size.set(len(parts[1].hmm_unit), parts[1].num_chains, parts[1])
            method = "direct"
        except DirectLimitError as error:
            if options.method == "direct":
                raise
            reason = str(error)
    if parts:
        hclg = _direct(inputs, *parts, work)
    else:
        work.foresee(lambda: _openfst_forecast(inputs, options), advise=advise_pruning_or_parts)
        limits = work.run.limits
        hclg = run_limited(lambda c: _openfst(inputs, options, c, limits.max_states or -1), clock, scratch=target)
    if hclg.num_states == 0 or hclg.num_arcs == 0:
        from wfst_asr.graph.empty_composition import why_empty

        name = inputs.words.names
        why = why_empty(inputs.lexicon, inputs.grammar, name=lambda label: name.get(label, str(label)))
        raise WfstAsrError(
            f"L o G is empty, no sentence of G can be spoken with L: {why}; take both from one lang folder"
        )
    told = {"method": method, "transition_scale": options.transition_scale, "self_loop_scale": options.self_loop_scale}
    manifest = Manifest(
        label_kind="transition-id",
        num_columns=inputs.model.num_pdfs,
        column_names="pdf-id of final.mdl",
        frame_shift_s=options.frame_shift_s,
        acoustic_scale=options.acoustic_scale or usual_acoustic_scale(inputs.tree),
        self_loop_scale=options.self_loop_scale,
        transition_scale=options.transition_scale,
        silence_phones=silence,
        inputs=inputs.hashes,
        options={
            **told,
            **({"method_reason": reason} if reason else {}),
            **({"word_silence": True} if has_word_silence(inputs.lexicon) else {}),
        },
        steps=tuple(clock.done),
        key=key,
        versions=package_versions(),
    )
    manifest = work.write(
        lambda: write_graph_dir(
            target,
            hclg,
            words=inputs.words,
            phones=inputs.phones,
            input_labels=transition_input_labels(inputs.model),
            manifest=manifest,
            align_lexicon=[(row[1], row[2:]) for row in rows if len(row) > 2 and row[1] != EPSILON] if rows else None,
            inside=work.inside,
        )
    )
    sizes = hclg.num_states, hclg.num_arcs
    return CompiledGraph(
        target, method, reason, *sizes, manifest, taken_over=tuple(clock.taken_over), forecast=work.forecast
    )


def _options_of_key(options: TrainedGraphOptions) -> dict[str, object]:
    return {name: value for name, value in asdict(options).items() if name != "method"}


def _input_hashes(lang: Path, grammar: Grammar, model: Model) -> dict[str, str]:
    """Return the hashes of everything that the folder is made of; of what is missing, nothing."""
    hashes = lang_hashes(lang)
    with suppress(OSError):
        hashes["grammar"] = grammar_hash(grammar)
        if isinstance(model, tuple):
            hashes |= {"tree": hash_of(tree_bytes(model[0])), "model": transitions_hash(model[1])}
        else:
            hashes |= {name: hash_of_file(Path(model) / name) for name in ("tree", "final.mdl")}
    return hashes


def read_inputs(lang: Path, grammar: Grammar, model: Model) -> _Inputs:
    """Read what a graph is compiled from; see `compile_trained_graph`."""
    from wfst_asr.fst.ops import as_table, read_fst
    from wfst_asr.graph.lang_validation import check_lexicon_labels

    words, phones = read_symbols(lang / "words.txt"), read_symbols(lang / "phones.txt")
    hashes: dict[str, str] = {}
    if isinstance(model, tuple):
        tree, transitions = model
        hashes |= {"tree": hash_of(tree_bytes(tree)), "model": transitions_hash(transitions)}
    else:
        folder = Path(model)
        tree, transitions = read_tree(folder / "tree"), read_transition_model(folder / "final.mdl")
        hashes |= {"tree": hash_of_file(folder / "tree"), "model": hash_of_file(folder / "final.mdl")}
    for phone in transitions.topology.phones:
        if phone not in phones.names:
            raise WfstAsrError(f"{lang / 'phones.txt'}: phone {phone} of the model is missing; take the model's own")
    l_file = lang / "L_disambig.fst"
    lexicon = as_table(read_fst(l_file, remedy=f"make it with: wfst-asr lang make lexicon.txt {lang}"))
    check_lexicon_labels(lexicon, words, phones, model_phones=transitions.topology.phones)
    hashes["L"] = hash_of_file(l_file)
    g, name, digest = read_grammar(grammar, words, lang)
    return _Inputs(words, phones, lexicon, g, tree, transitions, hashes | {name: digest})


def direct_parts(inputs: _Inputs, options: TrainedGraphOptions) -> "tuple[LexiconParts | WordSilence, WindowHmms]":
    """Return what the direct compiler needs.

    Raises:
        DirectLimitError: L, the tree or the topology has a form that it does not take.
    """
    from wfst_asr.graph.lexicon_parts import lexicon_parts
    from wfst_asr.graph.window_hmms import window_hmms
    from wfst_asr.graph.word_silence import has_word_silence, word_silence

    read_parts = word_silence if has_word_silence(inputs.lexicon) else lexicon_parts
    parts: LexiconParts | WordSilence = read_parts(inputs.lexicon, inputs.phones.disambiguation_ids)
    hmms = window_hmms(
        inputs.tree,
        inputs.model,
        phones=parts.phones,
        transition_scale=options.transition_scale,
        self_loop_scale=options.self_loop_scale,
    )
    return parts, hmms


def _direct(inputs: _Inputs, parts: "LexiconParts | WordSilence", hmms: "WindowHmms", work: GraphWork) -> ArcTable:
    from wfst_asr.graph.direct import direct_hclg, spoken_part
    from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
    from wfst_asr.graph.word_silence import tree_inputs

    backoff = inputs.words.get(BACKOFF_SYMBOL, -1)
    grammar = inputs.grammar
    if inputs.given_as_fst:
        grammar = spoken_part(grammar, parts.word_ids, backoff_label=backoff)
        if grammar.num_states == 0:
            return grammar
    with work.clock.step("L: lexicon") as size:
        tree = tree_inputs(parts, grammar, backoff_label=backoff)
        lexicon = tree.pronunciations
        size.set(len(lexicon.tail_end), len(lexicon.phone), lexicon)
    work.foresee(lambda: _direct_forecast(tree, hmms), advise=advise_pruning_or_parts)
    return direct_hclg(
        tree.pronunciations,
        tree.grammar,
        hmms,
        backoff_label=tree.backoff_label,
        silence_phone=tree.silence_phone,
        silence_prob=tree.silence_prob,
        clock=work.clock,
    )


def _direct_forecast(tree: "TreeInputs", hmms: "WindowHmms") -> "Forecast":
    from wfst_asr.graph.forecast import count_lg, forecast_hclg

    silence = tree.silence_phone
    counts = count_lg(tree.pronunciations, tree.grammar, backoff_label=tree.backoff_label, silence_phone=silence)
    return forecast_hclg(counts, tree.pronunciations, hmms, silence_phone=silence)


def _openfst_forecast(inputs: _Inputs, options: TrainedGraphOptions) -> "Forecast":
    """Forecast the OpenFst path where L and the model have a form that can be counted."""
    from wfst_asr.graph.forecast import forecast_openfst, no_forecast
    from wfst_asr.graph.window_hmms import DirectLimitError
    from wfst_asr.graph.word_silence import tree_inputs

    try:
        parts, hmms = direct_parts(inputs, options)
    except DirectLimitError as error:
        return no_forecast(inputs.grammar, str(error))
    tree = tree_inputs(parts, inputs.grammar, backoff_label=inputs.words.get("#0", -1))
    return forecast_openfst(_direct_forecast(tree, hmms))


def _openfst(inputs: _Inputs, options: TrainedGraphOptions, clock: StepClock, max_states: int) -> ArcTable:
    from wfst_asr.graph.hclg import HclgOptions, compile_hclg

    result = compile_hclg(
        inputs.lexicon,
        inputs.grammar,
        inputs.tree,
        inputs.model,
        phone_disambig=inputs.phones.disambiguation_ids,
        options=HclgOptions(
            transition_scale=options.transition_scale, self_loop_scale=options.self_loop_scale, max_states=max_states
        ),
        clock=clock,
        phone_name=lambda label: inputs.phones.names.get(label, str(label)),
        word_name=lambda label: inputs.words.names.get(label, str(label)),
    )
    return result.fst


def transitions_hash(transitions: TransitionModel) -> str:
    """Return what the manifest names a model by that was given in memory."""
    return hash_of(transitions.tuples, transitions.log_prob)
