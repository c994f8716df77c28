"""LG of a lang directory and a language model, in one file, for tools that go on from there."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.manifest import Step
from wfst_asr.fst.symbols import read_symbols
from wfst_asr.graph.step_clock import Report, StepClock
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.recipe.graph_inputs import read_grammar


@dataclass(frozen=True)
class CompiledLg:
    """An LG that was just written.

    Attributes:
        path: the file.
        method: how it was made, "direct" or "openfst".
        reason: why not directly; empty where it was, or where that was not asked for.
        num_states: its states.
        num_arcs: its arcs.
        steps: what it took.
    """

    path: Path
    method: str
    reason: str
    num_states: int
    num_arcs: int
    steps: tuple[Step, ...]


def compile_lg(
    lang_dir: str | os.PathLike[str],
    grammar: str | os.PathLike[str] | NGramModel,
    out: str | os.PathLike[str],
    *,
    method: Literal["auto", "openfst", "direct"] = "auto",
    report: Report | None = None,
) -> CompiledLg:
    """Write min(det(L o G)), with disambiguation symbols, as a vector FST: what Kaldi calls `LG.fst`.

    Args:
        lang_dir: folder with words.txt, phones.txt and L_disambig.fst.
        grammar: a language model (ARPA, gzipped or not, or binary), G as an OpenFst file, or a model in memory.
        out: file to write.
        method: "direct", "openfst", or "auto" for the direct way where L is a plain lexicon.
        report: called with (step, None) when a step begins and with (step, its record) when it ends.

    Raises:
        WfstAsrError: a file is missing or bad, nothing of G can be spoken, L o G cannot be determinized, the place
            cannot be written, or method "direct" was asked for and L has another form.
    """
    from wfst_asr.fst.convert import to_pynini
    from wfst_asr.fst.ops import as_table, read_fst, write_fst
    from wfst_asr.graph.symbol_trees import lg_with_symbols
    from wfst_asr.graph.window_hmms import DirectLimitError

    lang, clock = Path(lang_dir), StepClock(report)
    with clock.step("read") as size:
        words, phones = read_symbols(lang / "words.txt"), read_symbols(lang / "phones.txt")
        l_file = lang / "L_disambig.fst"
        lexicon = as_table(read_fst(l_file, remedy=f"make it with: wfst-asr lang make lexicon.txt {lang}"))
        g = read_grammar(grammar, words, lang)[0]
        size.set(g.num_states, g.num_arcs)
    backoff = "#0"
    if backoff not in phones or backoff not in words:
        raise WfstAsrError(f"{lang}: words.txt or phones.txt has no '{backoff}'; make the lang directory again")
    lg, reason = None, ""
    if method != "openfst":
        try:
            with clock.step("min(det(L o G))") as size:
                lg = lg_with_symbols(
                    lexicon,
                    g,
                    disambig=phones.disambiguation_ids,
                    backoff_phone=phones[backoff],
                    backoff_word=words[backoff],
                ).table()
                size.set(lg.num_states, lg.num_arcs)
        except DirectLimitError as error:
            if method == "direct":
                raise
            reason = str(error)
    made = lg if lg is not None else _by_general_operations(lexicon, g, lang, clock)
    with clock.step("write") as size:
        write_fst(to_pynini(made), out)
        size.set(made.num_states, made.num_arcs)
    how = "openfst" if lg is None else "direct"
    return CompiledLg(Path(out), how, reason, made.num_states, made.num_arcs, tuple(clock.done))


def _by_general_operations(lexicon: ArcTable, grammar: ArcTable, lang: Path, clock: StepClock) -> ArcTable:
    from wfst_asr.fst.determinize import determinize_star
    from wfst_asr.fst.ops import compose, minimize_encoded
    from wfst_asr.graph.ambiguity import check_determinizable
    from wfst_asr.graph.empty_composition import why_empty

    words, phones = read_symbols(lang / "words.txt").names, read_symbols(lang / "phones.txt")

    def word_name(label: int) -> str:
        return words.get(label, str(label))

    def phone_name(label: int) -> str:
        return phones.names.get(label, str(label))

    check_determinizable(
        lexicon, grammar, phone_disambig=phones.disambiguation_ids, phone_name=phone_name, word_name=word_name
    )
    with clock.step("L o G") as size:
        lg = compose(lexicon, grammar)
        size.set(lg.num_states, lg.num_arcs)
    if lg.num_states == 0:
        why = why_empty(lexicon, grammar, name=word_name)
        raise WfstAsrError(
            f"L o G is empty, no sentence of G can be spoken with L: {why}; take both from one lang folder"
        )
    with clock.step("det(L o G)") as size:
        lg = determinize_star(lg, what="L o G", iname=phone_name, oname=word_name)
        size.set(lg.num_states, lg.num_arcs)
    with clock.step("min(det(L o G))") as size:
        lg = minimize_encoded(lg)
        size.set(lg.num_states, lg.num_arcs)
    return lg
