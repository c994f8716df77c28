"""HCLG from L, G, a tree and a transition model: HCLG = asl(min(rds(det(H' o min(det(C o min(det(L o G)))))))).

This is the compilation by general operations on machines, the definition that a compiler with knowledge of the
structure of L and G must agree with.  Mohri, Pereira and Riley, "Speech recognition with weighted finite-state
transducers" (2008), section 4; Kaldi `mkgraph.sh`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.content_hash import content_sha256
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.manifest import Step
from wfst_asr.fst.ops import (
    DELTA,
    Machine,
    as_table,
    compose,
    minimize_encoded,
    remove_disambig_symbols,
    remove_eps_local,
)
from wfst_asr.graph.ambiguity import check_determinizable
from wfst_asr.graph.context_fst import ContextWindow, compose_context, is_disambig_window
from wfst_asr.graph.empty_composition import why_empty
from wfst_asr.graph.hmm_fst import hmm_table
from wfst_asr.graph.self_loops import add_self_loops
from wfst_asr.graph.step_clock import Made, Report, StepClock
from wfst_asr.graph.window_list import WindowList
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.tree.context_dependency import ContextDependency


@dataclass(frozen=True)
class HclgOptions:
    """How HCLG is compiled.

    Attributes:
        transition_scale: factor on the log probabilities of transitions other than self-loops.
        self_loop_scale: factor on those of self-loops and of leaving them.
        reorder: put the self-loop behind its forward transition, as graphs for decoding have it.
        delta: costs closer than this count as equal; nats.
        determinize_clg: determinize and minimise C o LG too.  It is deterministic but for its first arcs, so that
            this seldom makes the graph smaller; Kaldi does not.
        max_states: give up when a determinization passes so many states; -1 for no limit.
    """

    transition_scale: float = 1.0
    self_loop_scale: float = 0.1
    reorder: bool = True
    delta: float = DELTA
    determinize_clg: bool = False
    max_states: int = -1

    def __post_init__(self) -> None:
        for name in ("transition_scale", "self_loop_scale", "delta"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected 0 or more")


@dataclass(frozen=True)
class HclgResult:
    """A compiled graph.

    Attributes:
        fst: HCLG; input labels are transition-ids, output labels words.
        context_windows: the windows that C made of LG, see `compose_context`.
        steps: sizes, time and memory of each step.
        machines: the machines in between by the name of their step, if they were asked for.
    """

    fst: ArcTable
    context_windows: tuple[ContextWindow, ...]
    steps: tuple[Step, ...]
    machines: dict[str, ArcTable]


def compile_hclg(
    lexicon: Machine,
    grammar: Machine,
    tree: ContextDependency,
    model: TransitionModel,
    *,
    phone_disambig: Iterable[int],
    options: HclgOptions | None = None,
    report: Report | None = None,
    clock: StepClock | None = None,
    keep_machines: bool = False,
    phone_name: Callable[[int], str] = str,
    word_name: Callable[[int], str] = str,
) -> HclgResult:
    """Compile HCLG.

    Args:
        lexicon: L with disambiguation symbols; inputs are phones, outputs words.
        grammar: G, an acceptor of words with `#0` on the input side of back-off arcs.
        tree: pdf-ids of context windows; its width and central position make C.
        model: transition-ids and their probabilities.
        phone_disambig: ids of the disambiguation symbols on L's input side.
        options: scales and deltas.
        report: called with (step, None) when a step begins and with (step, its record) when it ends.
        clock: records the steps in place of one made here, and takes over those that were stored.
        keep_machines: keep every machine in between in the result (for teaching and tests).
        phone_name: gives the name of a phone id for error messages.
        word_name: gives the name of a word id for error messages.

    Returns:
        HCLG with its context windows and the record of the steps.

    Raises:
        WfstAsrError: L o G is empty or cannot be determinized (two words sound the same and have no disambiguation
            symbol); a phone without topology; a tree of another model.
    """
    options = options or HclgOptions()
    disambig = tuple(sorted(set(phone_disambig)))
    clock = clock or StepClock(report)
    begun = len(clock.done)
    machines: dict[str, ArcTable] = {}

    def run(
        name: str, make: Callable[[], ArcTable], of: Sequence[Made[ArcTable]] = (), key: Sequence[Any] = ()
    ) -> Made[ArcTable]:
        made = clock.run(name, make, of=of, key=key)
        if keep_machines:
            machines[name] = made.value()
        return made

    def minimized(name: str, made: Made[ArcTable]) -> Made[ArcTable]:
        return run(name, lambda: minimize_encoded(made.take(), delta=options.delta), [made], [options.delta])

    det = partial(determinize_star, delta=options.delta, max_states=options.max_states, oname=word_name)
    det_key = (options.delta,)
    lexicon, grammar = as_table(lexicon), as_table(grammar)
    check_determinizable(lexicon, grammar, phone_disambig=disambig, phone_name=phone_name, word_name=word_name)
    lg = run("L o G", lambda: compose(lexicon, grammar), key=[content_sha256(lexicon, grammar)])
    if lg.num_states == 0:
        raise WfstAsrError(
            f"L o G is empty, no sentence of G can be spoken with L: {why_empty(lexicon, grammar, name=word_name)}; "
            "take words.txt, L and G of one lang folder"
        )
    det_lg = run("det(L o G)", lambda: det(lg.take(), what="L o G", iname=phone_name), [lg], det_key)
    small_lg = minimized("min(det(L o G))", det_lg)
    compose_c = partial(
        compose_context, disambig=disambig, context_width=tree.context_width, central_position=tree.central_position
    )
    found: list[tuple[ContextWindow, ...]] = []

    def composed() -> ArcTable:
        table: ArcTable
        table, windows = compose_c(small_lg.value())
        found.append(windows)
        return table

    c_key = (disambig, tree.context_width, tree.central_position)
    clg = run("C o LG", composed, [small_lg], c_key)
    listed = clock.run(
        "C: windows",
        lambda: WindowList.of(found[0] if found else compose_c(small_lg.value())[1]),
        of=[small_lg],
        key=c_key,
        lasting=True,
    )
    small_lg.forget()
    windows = listed.value().tuples()
    if options.determinize_clg:
        name = partial(_window_name, windows, phone_name)
        wide = clg
        det_clg = run("det(C o LG)", lambda: det(wide.take(), what="C o LG", iname=name), [clg], det_key)
        clg = minimized("min(det(C o LG))", det_clg)
    with clock.step("H") as size:
        h = hmm_table(windows, tree, model, transition_scale=options.transition_scale)
        size.set(h.num_states, h.num_arcs, h)
    hc = run("H o CLG", lambda: compose(h, clg.value()), [clg], [clock.done[-1].sha256])
    if hc.num_states == 0:
        name = partial(_window_name, windows, phone_name)
        raise WfstAsrError(
            "H o C o L o G is empty: "
            + why_empty(h, clg.value(), name=name, left_name="H", right_name="C o L o G", kind="context window")
        )
    clg.forget()
    det_hc = run(
        "det(H o CLG)",
        lambda: det(hc.take(), what="H o CLG", iname=partial(_transition_name, model, phone_name)),
        [hc],
        det_key,
    )
    above = model.num_transition_ids + 1
    symbols = range(above, above + len(windows))
    plain = run("rds(HCLG)", lambda: _without_symbols(det_hc.take(), symbols), [det_hc], [above, len(windows)])
    small = minimized("min(HCLG)", plain)
    small.value()
    with clock.step("asl(HCLG)") as size:
        hclg = add_self_loops(small.take(), model, self_loop_scale=options.self_loop_scale, reorder=options.reorder)
        size.set(hclg.num_states, hclg.num_arcs, hclg)
    if keep_machines:
        machines["H"], machines["asl(HCLG)"] = h, hclg
    return HclgResult(hclg, windows, tuple(clock.done[begun:]), machines)


def _without_symbols(table: ArcTable, symbols: Iterable[int]) -> ArcTable:
    return remove_eps_local(remove_disambig_symbols(table, symbols))


def _window_name(windows: tuple[ContextWindow, ...], phone_name: Callable[[int], str], label: int) -> str:
    window = windows[label]
    if is_disambig_window(window):
        return phone_name(-window[0]) if window[0] else "#-1"
    return "/".join(phone_name(phone) if phone else "-" for phone in window)


def _transition_name(model: TransitionModel, phone_name: Callable[[int], str], label: int) -> str:
    if label > model.num_transition_ids:
        return f"#{label - model.num_transition_ids - 1}"
    return f"{phone_name(int(model.phone[label]))}.{model.hmm_state[label]}"
