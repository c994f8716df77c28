"""Prove a compiled graph against its parts: the checks behind `wfst-asr graph check`.

Each check passes, fails with the first example in words, or is not looked at, with the reason.
"""

import os
import resource
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.graph_paths import GraphPaths
from wfst_asr.recipe.graph_inputs import read_whole_graph
from wfst_asr.recipe.graph_parts import GraphParts, read_graph_parts
from wfst_asr.recipe.graph_structure import Check, self_loop_scale_of, structure_checks


@dataclass(frozen=True)
class GraphCheckOptions:
    """How a graph is checked.

    Attributes:
        num_paths: random paths to draw each way.
        tolerance: difference of costs per label that counts as rounding.
        seed: of the random paths.
    """

    num_paths: int = 500
    tolerance: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_paths < 0 or not self.tolerance > 0:
            raise WfstAsrError(
                f"num_paths {self.num_paths}, tolerance {self.tolerance}; expected at least 0 and a positive number"
            )


@dataclass(frozen=True)
class GraphCheck:
    """The result of all checks.

    Attributes:
        graph: the folder.
        num_states: states of the graph.
        num_arcs: its arcs.
        checks: in order.
        cpu_seconds: processor time.
        peak_mb: largest resident memory of the process, in MiB.
    """

    graph: str
    num_states: int
    num_arcs: int
    checks: tuple[Check, ...]
    cpu_seconds: float
    peak_mb: float

    @property
    def sound(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "failed" for check in self.checks)

    def by_name(self, name: str) -> Check:
        """Return the check of this name."""
        return next(check for check in self.checks if check.name == name)

    def as_record(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {"sound": self.sound, **asdict(self)}


def check_graph(
    graph: str | os.PathLike[str],
    *,
    lang: str | os.PathLike[str] | None = None,
    grammar: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    options: GraphCheckOptions | None = None,
) -> GraphCheck:
    """Check a graph folder, against those of its parts that are given.

    Args:
        graph: graph folder, HCLG or T o L o G, made here or by Kaldi.
        lang: lang directory with L_disambig.fst.
        grammar: G (OpenFst file) or the language model; None: G.fst of the lang directory, if it is there.
        model: folder with tree and final.mdl, or the tokens.txt of a CTC network.
        options: see GraphCheckOptions.

    Raises:
        WfstAsrError: a file is missing or cannot be read; what is wrong with the graph itself is in the result.
    """
    options = options or GraphCheckOptions()
    began = time.process_time()
    parts = read_graph_parts(graph, lang=lang, grammar=grammar, model=model)
    table = read_whole_graph(graph)
    if table.num_states == 0 or table.start < 0 or table.num_arcs == 0:
        raise WfstAsrError(f"{graph}: the graph is empty; compile it again")
    bad = (table.arcs["nextstate"] < 0) | (table.arcs["nextstate"] >= table.num_states)
    if bad.any() or table.arcs["ilabel"].min() < 0 or table.arcs["olabel"].min() < 0:
        raise WfstAsrError(f"{graph}: an arc leads to no state or has a negative label; the file is damaged")
    paths = GraphPaths(table)
    checks = structure_checks(paths, parts)
    checks += _equivalence(paths, parts, options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return GraphCheck(
        str(graph), paths.num_states, paths.num_arcs, tuple(checks), round(time.process_time() - began, 2), round(peak)
    )


def _equivalence(paths: GraphPaths, parts: GraphParts, options: GraphCheckOptions) -> list[Check]:
    from wfst_asr.graph.spoken_sentences import SpokenSentences
    from wfst_asr.recipe.graph_equivalence import PathComparison

    names = ("parts in graph", "graph in parts")
    reason = ""
    if options.num_paths == 0:
        reason = "no paths were asked for"
    elif parts.lexicon is None or parts.grammar is None:
        reason = "the lang directory was not given" if parts.lexicon is None else "G was not given"
    elif parts.unlike:
        reason = parts.unlike
    elif parts.label_kind == "pdf-id+1":
        reason = "input labels are pdf-ids, which do not tell phones"
    elif paths.ilabel.max() >= (len(parts.input_labels) if parts.input_labels is not None else 1 << 31):
        reason = "the graph has input labels that the model lacks"
    if not reason:
        try:
            labels = parts.frame_labels(self_loop_scale_of(paths, parts))
        except WfstAsrError as error:
            reason = str(error)
    if reason:
        return [Check(name, "not looked at", reason) for name in names]
    assert parts.lexicon is not None
    assert parts.grammar is not None
    sentences = SpokenSentences(parts.lexicon, parts.grammar, parts.phones.disambiguation_ids)
    comparison = PathComparison(paths, sentences, labels, parts, tolerance=options.tolerance)
    rng = np.random.default_rng(options.seed)
    checks = []
    for name, draw in zip(names, (comparison.from_parts, comparison.from_graph), strict=True):
        found = draw(options.num_paths, rng)
        detail = f"{found.tried} random paths, costs differ by at most {found.worst:.1e} a label"
        if found.missing:
            detail = f"{found.missing} of {found.tried} random paths are missing, {found.dearer} have another cost"
        elif found.dearer:
            detail = f"{found.dearer} of {found.tried} random paths have another cost"
        if found.skipped:
            detail += f"; {found.skipped} had too many ways to compare"
        if found.tried == found.missing == 0:
            checks.append(Check(name, "not looked at", "no path could be drawn" + detail[len("0 random paths") :]))
        else:
            checks.append(Check(name, "passed" if found.sound else "failed", detail, found.example))
    return checks
