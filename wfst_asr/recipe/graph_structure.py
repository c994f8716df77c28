"""What a finished graph shows by itself and beside its parts: states, labels, words, scales, sums of probabilities."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph.graph_dir import INPUT_LABELS_NAME, read_input_labels
from wfst_asr.graph.graph_paths import GraphPaths
from wfst_asr.recipe.graph_parts import GraphParts

Status = Literal["passed", "failed", "not looked at"]
_LOOP_TOLERANCE = 2e-3  # of a cost that is rounded to 1/1024


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: what was checked.
        status: passed, failed, or not looked at.
        detail: numbers, or why it was not looked at.
        example: the first thing that failed.
    """

    name: str
    status: Status
    detail: str
    example: str = ""


def structure_checks(paths: GraphPaths, parts: GraphParts) -> list[Check]:
    """Return the checks that need no random paths."""
    return [
        _states(paths),
        _input_labels(paths, parts),
        _symbols(paths, parts),
        _words(paths, parts),
        _scales(paths, parts),
        _inputs(parts),
        _sums(paths, parts),
    ]


def _states(paths: GraphPaths) -> Check:
    unreached, dead = np.flatnonzero(paths.into == -1), np.flatnonzero(paths.out == -1)
    detail = f"{len(unreached)} of {paths.num_states:,} states cannot be reached, {len(dead)} lead to no end"
    if not len(unreached) and not len(dead):
        return Check("states", "passed", f"all {paths.num_states:,} states lie on paths")
    example = f"no arc leads to state {unreached[0]} from the start" if len(unreached) else f"state {dead[0]} is dead"
    return Check("states", "failed", detail, example)


def _input_labels(paths: GraphPaths, parts: GraphParts) -> Check:
    """Look whether labels are described in the folder, as the model has them, with columns in range."""
    name = "input labels"
    largest = int(paths.ilabel.max())
    own = None
    if (parts.folder / INPUT_LABELS_NAME).exists():
        try:
            own = read_input_labels(parts.folder)
        except WfstAsrError as error:
            return Check(name, "failed", "not described", str(error))
        if largest >= len(own):
            return Check(name, "failed", f"{len(own) - 1} labels are described", f"label {largest} is not described")
        columns = own["column"][np.unique(paths.ilabel)]
        if parts.manifest and int(columns.max()) >= parts.manifest.num_columns:
            detail = f"score matrices have {parts.manifest.num_columns} columns"
            return Check(name, "failed", detail, f"a label has column {columns.max()}")
    if parts.input_labels is None:
        if own is None:
            return Check(name, "not looked at", "the folder does not describe them, and no model was given")
        return Check(name, "passed", f"{largest} is the largest of {len(own) - 1} that are described")
    theirs = parts.input_labels
    if largest >= len(theirs):
        return Check(
            name, "failed", f"the model has {len(theirs) - 1} labels", f"label {largest} is none of the model's"
        )
    if own is not None and len(own) != len(theirs):
        return Check(
            name, "failed", "the folder describes another model", f"{len(own) - 1} labels, the model {len(theirs) - 1}"
        )
    if own is not None and (unlike := np.flatnonzero(own != theirs)).size:
        label = int(unlike[0])
        return Check(
            name,
            "failed",
            f"{len(unlike)} of {len(own) - 1} labels mean something else in the model",
            f"label {label} is {_label(own[label], parts)} in the graph, {_label(theirs[label], parts)} in the model",
        )
    return Check(name, "passed", f"{largest} is the largest of the model's {len(theirs) - 1}")


def _label(record: np.void, parts: GraphParts) -> str:
    phone = parts.phones.names.get(int(record["phone"]), str(record["phone"]))
    return f"column {record['column']} of {phone}.{record['hmm_state']}"


def _symbols(paths: GraphPaths, parts: GraphParts) -> Check:
    used = np.flatnonzero(np.bincount(paths.olabel)[1:]) + 1
    unnamed = [label for label in used.tolist() if label not in parts.words.names]
    if unnamed:
        return Check("symbols", "failed", f"{len(unnamed)} output labels have no name", f"label {unnamed[0]}")
    marks = [label for label in parts.words.disambiguation_ids if label in used]
    if marks:
        return Check("symbols", "failed", "disambiguation symbols are left", f"'{parts.words.names[marks[0]]}'")
    if parts.differences:
        return Check("symbols", "failed", f"{len(parts.differences)} tables differ", parts.differences[0])
    seen = "as in the lang directory" if parts.lexicon is not None else "all output labels have names"
    return Check("symbols", "passed", f"{len(used):,} output labels, {seen}")


def _words(paths: GraphPaths, parts: GraphParts) -> Check:
    """Look whether every word that G wants and L can say is on a path, and no other."""
    if parts.lexicon is None or parts.grammar is None:
        missing = "the lang directory" if parts.lexicon is None else "G"
        return Check("vocabulary", "not looked at", f"{missing} was not given")
    if parts.unlike:
        return Check("vocabulary", "not looked at", parts.unlike)
    from wfst_asr.graph.spoken_sentences import spoken_part_of

    expected = np.flatnonzero(GraphPaths(spoken_part_of(parts.lexicon, parts.grammar)).outputs_seen())
    found = np.flatnonzero(paths.outputs_seen())
    expected, found = expected[expected > 0], found[found > 0]
    lost, extra = np.setdiff1d(expected, found), np.setdiff1d(found, expected)
    if len(lost) or len(extra):
        words = parts.words.names
        detail = f"{len(lost)} words of {len(expected):,} are on no path, {len(extra)} are on one but not in L and G"
        which = (lost if len(lost) else extra).tolist()
        shown = ", ".join(f"'{words.get(word, word)}'" for word in which[:5])
        return Check("vocabulary", "failed", detail, f"{shown} {'cannot be reached' if len(lost) else 'come up'}")
    added = f", {parts.num_added} pronunciations added later among them" if parts.num_added else ""
    return Check("vocabulary", "passed", f"all {len(expected):,} words of L and G are on paths{added}")


def _loop_labels(parts: GraphParts) -> NDArray[np.int64]:
    assert parts.transitions is not None
    return np.flatnonzero(parts.transitions.is_self_loop)


def self_loop_scale_of(paths: GraphPaths, parts: GraphParts) -> float:
    """Return the scale that the manifest tells, or that the self-loops of a graph without manifest show."""
    if parts.manifest is not None or parts.transitions is None:
        return parts.manifest.self_loop_scale if parts.manifest else 0.1
    return _shown_scale(paths, parts)


def _shown_scale(paths: GraphPaths, parts: GraphParts) -> float:
    """Return the median ratio of the costs of self-loops to their negative log probabilities."""
    assert parts.transitions is not None
    model = parts.transitions
    loops = _loop_labels(parts)
    is_loop = np.zeros(max(model.num_transition_ids, int(paths.ilabel.max())) + 1, dtype=bool)
    is_loop[loops[model.log_prob[loops] < -1e-3]] = True
    arcs = np.flatnonzero(is_loop[paths.ilabel])[:1_000_000]
    if not len(arcs):
        return 0.1
    return float(np.median(paths.cost[arcs] / -model.log_prob[paths.ilabel[arcs]]))


def _scales(paths: GraphPaths, parts: GraphParts) -> Check:
    """Look whether every self-loop costs what the model's probability and the manifest's scale say."""
    from wfst_asr.graph._check_kernels import wrong_loops

    if parts.label_kind != "transition-id":
        return Check("self-loop scale", "not looked at", f"input labels are {parts.label_kind}, without scales")
    if parts.transitions is None:
        return Check("self-loop scale", "not looked at", "the model was not given")
    if int(paths.ilabel.max()) > parts.transitions.num_transition_ids:
        return Check("self-loop scale", "not looked at", "the graph has input labels that the model lacks")
    scale, shown = self_loop_scale_of(paths, parts), _shown_scale(paths, parts)
    expected = np.full(parts.transitions.num_transition_ids + 1, np.nan)
    loops = _loop_labels(parts)
    expected[loops] = -scale * parts.transitions.log_prob[loops]
    count, wrong, example = wrong_loops(
        paths.first, paths.ilabel, paths.cost, paths.nextstate, expected, _LOOP_TOLERANCE
    )
    whose = "the manifest's" if parts.manifest else "read off the graph"
    if not wrong:
        return Check("self-loop scale", "passed", f"{count:,} self-loops have the scale {scale:.4g} ({whose})")
    label = int(paths.ilabel[example])
    return Check(
        "self-loop scale",
        "failed",
        f"{wrong:,} of {count:,} self-loops have another cost than by scale {scale:.4g} ({whose}); "
        f"most show {shown:.4g}",
        f"transition-id {label} costs {paths.cost[example]:.4f} at state {paths.source(example)}, "
        f"expected {expected[label]:.4f}",
    )


def _inputs(parts: GraphParts) -> Check:
    """Compare the hashes in the manifest with those of the parts."""
    if parts.manifest is None:
        return Check("manifest", "not looked at", "the folder has no manifest.json")
    told = {name: digest for name, digest in parts.manifest.inputs.items() if name in parts.hashes}
    rest = sorted(set(parts.manifest.inputs) - set(told))
    differ = sorted(name for name, digest in told.items() if digest not in parts.hashes[name])
    unknown = f"; not compared: {', '.join(rest)}" if rest else ""
    if differ:
        return Check(
            "manifest",
            "failed",
            f"{', '.join(differ)} of the manifest are not those given{unknown}",
            f"the graph was compiled from another {differ[0]} than the one given",
        )
    if not told:
        return Check("manifest", "not looked at", "none of the manifest's inputs were given" + unknown)
    return Check("manifest", "passed", f"hashes of {', '.join(sorted(told))} are those of the manifest{unknown}")


def _sums(paths: GraphPaths, parts: GraphParts) -> Check:
    """Tell what leaves each state in the log semiring, self-loops and scales undone, beside G's own."""
    name = "stochasticity"
    told = []
    if parts.grammar is not None:
        told.append(f"G {_spread(_plain_sums(parts.grammar))}")
    if parts.label_kind == "token+1":
        sums, what = _token_sums(paths, parts), "graph, between units,"
    elif parts.label_kind == "transition-id" and parts.transitions is not None:
        if int(paths.ilabel.max()) > parts.transitions.num_transition_ids:
            return Check(name, "not looked at", "the graph has input labels that the model lacks")
        sums, what = _hmm_sums(paths, parts), "graph, scales undone,"
    else:
        return Check(name, "not looked at", "the model was not given, so that scales cannot be undone")
    sums = sums[~np.isnan(sums)]
    told.insert(0, f"{what} {_spread(sums)}")
    broken = int(np.count_nonzero(np.isnan(paths.cost) | np.isneginf(paths.cost)))
    if broken:
        return Check(name, "failed", "; ".join(told), f"{broken} arcs have no finite cost")
    return Check(name, "passed", "log sums: " + "; ".join(told))


def _spread(sums: NDArray[np.float32]) -> str:
    sums = sums[np.isfinite(sums)]
    if not len(sums):
        return "none"
    low, middle, high = np.quantile(sums, [0.01, 0.5, 0.99])
    return f"{sums.min():+.3f} to {sums.max():+.3f} (1 % {low:+.3f}, half {middle:+.3f}, 99 % {high:+.3f})"


def _plain_sums(table: ArcTable) -> NDArray[np.float32]:
    machine = GraphPaths(table)
    size = int(machine.ilabel.max(initial=0)) + 1
    return _log_sums(machine, np.zeros(size), np.zeros(size, dtype=bool), np.zeros(size))


def _log_sums(
    paths: GraphPaths,
    of_label: NDArray[np.float64],
    is_loop: NDArray[np.bool_],
    of_loop: NDArray[np.float64],
    *,
    looping_only: bool = False,
) -> NDArray[np.float32]:
    from wfst_asr.graph._check_kernels import log_sums

    columns = (paths.first, paths.ilabel, paths.cost, paths.nextstate, paths.final)
    return log_sums(*columns, of_label, is_loop, of_loop, int(looping_only))  # type: ignore[no-any-return]


def _hmm_sums(paths: GraphPaths, parts: GraphParts) -> NDArray[np.float32]:
    """Return the sums with unscaled forward transitions and no self-loops.

    The cost of leaving a self-loop stands behind it in graphs of the OpenFst path and of Kaldi, and before it in those
    of the direct compiler; the way that comes closer to 0 is taken.
    """
    assert parts.transitions is not None
    model = parts.transitions
    scale = self_loop_scale_of(paths, parts)
    transition_scale = parts.manifest.transition_scale if parts.manifest else 1.0
    leave = -scale * model.non_self_loop_log_prob[model.transition_state].astype(np.float64)
    forward = np.where(model.is_self_loop, 0.0, (1.0 - transition_scale) * model.forward_log_prob.astype(np.float64))
    forward[0] = leave[0] = 0.0
    none = np.zeros(len(forward))
    behind = _log_sums(paths, forward, model.is_self_loop, leave)
    before = _log_sums(paths, forward + np.where(model.is_self_loop, 0.0, leave), model.is_self_loop, none)
    spread = [float(np.mean(np.abs(sums[np.isfinite(sums)]))) for sums in (behind, before)]
    return behind if spread[0] <= spread[1] else before


def _token_sums(paths: GraphPaths, parts: GraphParts) -> NDArray[np.float32]:
    """Return the sums at the states where blanks may stay, blanks apart."""
    size = max(int(paths.ilabel.max()), parts.blank_label) + 1
    is_blank = np.zeros(size, dtype=bool)
    is_blank[parts.blank_label] = True
    of_label = np.where(is_blank, np.nan, 0.0)
    return _log_sums(paths, of_label, is_blank, np.zeros(size), looping_only=True)
