"""Which HMM stands for a phone between two others: H and C as arrays, for the direct compiler.

An HMM is a chain of units.  A unit is what is passed in one visit of an HMM state: a forward transition, and the
self-loop that goes with it.  Topologies that are no chains are networks, whose arcs are chains.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import NO_PDF, HmmTopology
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.tree.decision_tree import PDF_CLASS, Constant, DecisionTree, EventMap, Split, Table

MAX_PATHS = 8  # an HMM with no more paths than this becomes so many chains, else a network of its states
_LEAVE = -1


class DirectLimitError(WfstAsrError):
    """A machine has a form that the direct compiler does not take, and the OpenFst path does."""


@dataclass(frozen=True)
class WindowHmms:
    """Which HMM stands for a phone between two others, and what it is.

    Attributes:
        hmm_of: (left classes, phones + 1, right classes) int32 HMM number; monophones have one class a side.  Numbers
            below the number of chains are chains, those from it on networks.
        left_class: (phones + 1,) int32 class of a phone as left context; 0 is also "no phone before".
        right_class: (phones + 1,) int32 class of a phone as right context; entry 0 is "no phone after".
        hmm_first: (chains + 1,) int64 offsets into `hmm_unit`; chains in lexicographic order of their units.
        hmm_unit: flat units of the chains.
        unit_label: (units,) int32 input label of each unit in HCLG.
        unit_enter_cost: (units,) float, paid once a visit: the scaled cost of the transition out of the state.
        unit_loop_cost: (units,) float, the scaled cost of the self-loop.
        unit_loop_label: (units,) int32 input label of the self-loop, 0 where there is none; None: `unit_label`.
        network_first: (networks + 1,) int64 offsets into the arcs of the networks.
        network_arcs: (arcs, 3) int32 place where an arc begins, place where it ends, number of its chain; place 0 is
            the entry, which no arc enters, 1, 2 ... are places inside, -1 is the exit.
    """

    hmm_of: NDArray[np.int32]
    left_class: NDArray[np.int32]
    right_class: NDArray[np.int32]
    hmm_first: NDArray[np.int64]
    hmm_unit: NDArray[np.int32]
    unit_label: NDArray[np.int32]
    unit_enter_cost: NDArray[np.float64]
    unit_loop_cost: NDArray[np.float64]
    unit_loop_label: NDArray[np.int32] | None = None
    network_first: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    network_arcs: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 3), dtype=np.int32))

    def __post_init__(self) -> None:
        if np.any(np.diff(self.hmm_first) < 1):
            raise WfstAsrError(
                "an HMM has no emitting state; the direct compiler needs at least one, use the OpenFst path"
            )

    @property
    def num_chains(self) -> int:
        return len(self.hmm_first) - 1

    @property
    def num_networks(self) -> int:
        return len(self.network_first) - 1


def window_hmms(
    tree: DecisionTree,
    model: TransitionModel,
    *,
    phones: Iterable[int] | None = None,
    transition_scale: float = 1.0,
    self_loop_scale: float = 0.1,
) -> WindowHmms:
    """Describe the HMMs of a tree and a transition model; input labels are transition-ids.

    The graph that comes of it is that of the OpenFst path with reordered self-loops: a unit is a forward transition-id,
    followed by the self-loop of the state that it leaves.

    Args:
        tree: at most one phone of context a side (triphones, monophones, biphones).
        model: the transition model of the tree.
        phones: ids of the phones to describe; None: all of the topology.
        transition_scale: factor on the log probabilities of the forward transitions.
        self_loop_scale: factor on those of self-loops and of leaving them.

    Raises:
        DirectLimitError: a wider context, or a topology with states that emit nothing.
        WfstAsrError: a window without pdf, or a tree and a model that do not fit.

    >>> from wfst_asr.hmm.topology import kaldi_topology
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> tree = monophone_tree({1: 5, 2: 3})
    >>> hmms = window_hmms(tree, transition_model_from_tree(tree, kaldi_topology([2], [1])))
    >>> hmms.num_chains, hmms.num_networks, hmms.hmm_of.ravel().tolist()  # 13 arcs of silence, 1 chain; 0 is unused
    (14, 1, [0, 14, 13])
    """
    width, central = tree.context_width, tree.central_position
    if central > 1 or width - central > 2:
        raise DirectLimitError(
            f"the direct compiler takes at most one phone of context a side, but the tree has windows of {width} "
            f"phones with the phone itself at {central}; use the OpenFst path"
        )
    chosen = sorted(set(model.topology.phones if phones is None else phones))
    largest = max(*model.topology.phones, *chosen)
    left_key, right_key = central - 1 if central else None, central + 1 if central + 1 < width else None
    left_class = _context_classes(tree, left_key, largest)
    right_class = _context_classes(tree, right_key, largest)
    builder = _HmmBuilder(tree, model)
    shape = int(left_class.max()) + 1, int(right_class.max()) + 1
    tables = _PdfTables(tree, left_key, right_key, left_class, right_class)
    for phone in chosen:
        num_classes = model.topology.num_pdf_classes(phone)
        pdfs = np.stack([tables.pdfs(phone, c, shape).ravel() for c in range(num_classes)], axis=1)
        builder.add(phone, pdfs)
    return builder.finish(left_class, right_class, transition_scale, self_loop_scale)


def _context_classes(tree: DecisionTree, key: int | None, largest: int) -> NDArray[np.int32]:
    """Return the class of every phone 0 ... largest at position `key`: phones are alike in every question of the tree.

    The class of 0 is 0; the others are numbered as they are met.
    """
    values = np.arange(largest + 1)
    answers: dict[frozenset[int], NDArray[np.bool_]] = {}
    tables = False
    stack: list[EventMap | None] = [tree.root]
    while stack:
        node = stack.pop()
        if isinstance(node, Table):
            tables = tables or node.key == key
            stack.extend(node.nodes)
        elif isinstance(node, Split):
            if node.key == key and node.yes_values not in answers:
                answers[node.yes_values] = np.isin(values, list(node.yes_values))
            stack += [node.yes, node.no]
    if tables:  # a phone a branch
        return values.astype(np.int32)
    if not answers:
        return np.zeros(largest + 1, dtype=np.int32)
    rows = np.packbits(np.stack(list(answers.values()), axis=1), axis=1)
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows], dtype=np.int32)


class _PdfTables:
    """Reads pdf-ids of all windows off the tree, a subtree a time."""

    def __init__(
        self,
        tree: DecisionTree,
        left_key: int | None,
        right_key: int | None,
        left_class: NDArray[np.int32],
        right_class: NDArray[np.int32],
    ) -> None:
        self._tree = tree
        self._class_of_key = {left_key: left_class, right_key: right_class}
        self._left_key, self._right_key = left_key, right_key
        # a phone of each class, the first
        self._examples = {key: np.unique(classes, return_index=True)[1] for key, classes in self._class_of_key.items()}
        self._answers: dict[tuple[int, frozenset[int]], NDArray[np.bool_]] = {}

    def pdfs(self, phone: int, pdf_class: int, shape: tuple[int, int]) -> NDArray[np.int32]:
        """Return (left classes, right classes) int32 pdf-ids.

        Raises:
            WfstAsrError: a window has no pdf.
        """
        result = np.full(shape, -1, dtype=np.int32)
        self._fill(self._tree.root, phone, pdf_class, np.arange(shape[0]), np.arange(shape[1]), result)
        if result.min() < 0:
            left, right = np.argwhere(result < 0)[0]
            before, after = self._examples[self._left_key][left], self._examples[self._right_key][right]
            raise WfstAsrError(
                f"the tree has no pdf for phone {phone}, pdf-class {pdf_class} between phones {before} and {after}; "
                "take the tree, phones.txt and topo of one and the same model"
            )
        return result

    def _fill(
        self,
        node: EventMap | None,
        phone: int,
        pdf_class: int,
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        result: NDArray[np.int32],
    ) -> None:
        while node is not None and not isinstance(node, Constant):
            if node.key in (PDF_CLASS, self._tree.central_position):
                value = pdf_class if node.key == PDF_CLASS else phone
                if isinstance(node, Split):
                    node = node.yes if value in node.yes_values else node.no
                else:
                    node = node.nodes[value] if value < len(node.nodes) else None
                continue
            at_left = node.key == self._left_key
            here = left if at_left else right
            for child, chosen in self._branches(node, here):
                if len(chosen):
                    pair = (chosen, right) if at_left else (left, chosen)
                    self._fill(child, phone, pdf_class, *pair, result)
            return
        if node is not None:
            result[np.ix_(left, right)] = node.pdf_id

    def _branches(
        self, node: Table | Split, classes: NDArray[np.int64]
    ) -> Sequence[tuple[EventMap | None, NDArray[np.int64]]]:
        examples = self._examples[node.key]
        if isinstance(node, Table):
            return [(node.nodes[v], classes[examples[classes] == v]) for v in range(len(node.nodes))]
        key = (node.key, node.yes_values)
        if key not in self._answers:
            self._answers[key] = np.isin(examples, list(node.yes_values))
        yes = self._answers[key][classes]
        return [(node.yes, classes[yes]), (node.no, classes[~yes])]


@dataclass(frozen=True)
class _Shape:
    """The ways through a topology entry: arcs (state, index of the transition) by place.

    Attributes:
        arcs: (source place, target place, ((state, transition index), ...)); one arc 0 -> -1 is a plain chain.
    """

    arcs: tuple[tuple[int, int, tuple[tuple[int, int], ...]], ...]


def _shape_of(topology: HmmTopology, phone: int) -> _Shape:
    states = topology.states(phone)
    final = len(states) - 1
    if any(state.forward_pdf_class == NO_PDF for state in states[:-1]):
        raise DirectLimitError(
            f"the HMM of phone {phone} has a state that emits nothing; the direct compiler takes none, use the OpenFst "
            "path"
        )
    forward = [
        [(index, dest) for index, (dest, _) in enumerate(state.transitions) if dest != number]
        for number, state in enumerate(states)
    ]
    paths: list[tuple[tuple[int, int], ...]] = []
    stack: list[tuple[int, tuple[tuple[int, int], ...]]] = [(0, ())]
    while stack and len(paths) <= MAX_PATHS:
        state, path = stack.pop()
        if state == final:
            paths.append(path)
            continue
        if len(path) > final:  # a state was visited twice
            paths = []
            break
        stack += [(dest, (*path, (state, index))) for index, dest in forward[state]]
    else:
        if len(paths) <= MAX_PATHS:
            return _Shape(tuple((0, _LEAVE, path) for path in sorted(paths)))
    # places: the states that arcs enter; the first state is one only if it is entered again
    entered = sorted({dest for arcs in forward for _, dest in arcs} - {final})
    place = {state: i for i, state in enumerate(entered, start=1)} | {final: _LEAVE}
    arcs = [(0, place[dest], ((0, index),)) for index, dest in forward[0]]
    for state in entered:
        arcs += [(place[state], place[dest], ((state, index),)) for index, dest in forward[state]]
    return _Shape(tuple(arcs))


class _HmmBuilder:
    """Gathers the HMMs of phones by their pdf-ids."""

    def __init__(self, tree: DecisionTree, model: TransitionModel) -> None:
        self._model = model
        self._num_pdfs = max(tree.num_pdfs, model.num_pdfs) + 1
        self._num_states = max(len(entry) for entry in model.topology.entries)
        self._codes = self._code(*model.tuples.T.astype(np.int64))
        self._phones: list[int] = []
        self._which: list[NDArray[np.int64]] = []  # per phone: (windows,) index into its HMMs
        self._arcs: list[list[NDArray[np.int64]]] = []  # per phone: (HMMs, length) transition-ids of each arc
        self._shapes: list[_Shape] = []

    def _code(self, phone: NDArray[np.int64], state: NDArray[np.int64], *pdfs: NDArray[np.int64]) -> NDArray[np.int64]:
        forward, loop = pdfs
        code = (phone * self._num_states + state) * self._num_pdfs + forward
        return np.asarray(code * self._num_pdfs + loop + 1, dtype=np.int64)

    def add(self, phone: int, pdfs: NDArray[np.int32]) -> None:
        """Add a phone, with the (windows, pdf-classes) pdf-ids of its windows."""
        code = np.zeros(len(pdfs), dtype=np.int64)
        for column in pdfs.T:  # renumbered in between, so that the code stays small
            code = np.unique(code * self._num_pdfs + column, return_inverse=True)[1]
        _, example, which = np.unique(code, return_index=True, return_inverse=True)
        rows = pdfs[example].astype(np.int64)
        shape = _shape_of(self._model.topology, phone)
        ids = {}
        for number, state in enumerate(self._model.topology.states(phone)[:-1]):
            forward = rows[:, state.forward_pdf_class]
            loop = (
                rows[:, state.self_loop_pdf_class] if state.self_loop_pdf_class != NO_PDF else np.full_like(forward, -1)
            )
            ones = np.ones(len(rows), dtype=np.int64)
            wanted = self._code(phone * ones, number * ones, forward, loop)
            found = np.minimum(np.searchsorted(self._codes, wanted), len(self._codes) - 1)
            missing = np.flatnonzero(self._codes[found] != wanted)
            if len(missing):  # raises, and names them
                self._model.find(phone, number, int(forward[missing[0]]), int(loop[missing[0]]))
            ids[number] = self._model.first_id[found + 1]
        self._phones.append(phone)
        self._which.append(which)
        self._shapes.append(shape)
        self._arcs.append(
            [np.stack([ids[state] + index for state, index in path], axis=1) for _, _, path in shape.arcs]
        )

    def finish(
        self,
        left_class: NDArray[np.int32],
        right_class: NDArray[np.int32],
        transition_scale: float,
        self_loop_scale: float,
    ) -> WindowHmms:
        """Give numbers to the units, chains and networks."""
        model = self._model
        longest = max(arc.shape[1] for arcs in self._arcs for arc in arcs)
        padded = []
        for arcs in self._arcs:
            for arc in arcs:
                rows = np.zeros((len(arc), longest), dtype=np.int64)  # 0 is no transition-id: the short before the long
                rows[:, : arc.shape[1]] = arc
                padded.append(rows)
        chains, which = np.unique(np.concatenate(padded), axis=0, return_inverse=True)
        chain_of_arc = np.split(which.reshape(-1), np.cumsum([len(rows) for rows in padded])[:-1])
        ids = np.unique(chains[chains > 0])
        state = model.transition_state[ids]
        loop_id = model.self_loop_id[state]
        enter = -transition_scale * model.forward_log_prob[ids].astype(np.float64)
        enter -= self_loop_scale * model.non_self_loop_log_prob[state].astype(np.float64)
        shape = int(left_class.max()) + 1, len(left_class), int(right_class.max()) + 1
        hmm_of = np.zeros(shape, dtype=np.int32)
        network_sizes, network_arcs = [0], []
        at = 0
        for phone, form, arcs, windows in zip(self._phones, self._shapes, self._arcs, self._which, strict=True):
            numbers = np.stack(chain_of_arc[at : at + len(arcs)], axis=1)  # (HMMs, arcs)
            at += len(arcs)
            if len(arcs) == 1:
                of_hmm = numbers[:, 0]
            else:
                of_hmm = len(chains) + len(network_sizes) - 1 + np.arange(len(numbers))
                for row in numbers.tolist():
                    places = sorted((s, chain, t) for (s, t, _), chain in zip(form.arcs, row, strict=True))
                    network_arcs += [(s, t, chain) for s, chain, t in places]
                    network_sizes.append(len(places))
            hmm_of[:, phone, :] = of_hmm[windows].reshape(shape[0], shape[2])
        return WindowHmms(
            hmm_of=hmm_of,
            left_class=left_class,
            right_class=right_class,
            hmm_first=np.concatenate(([0], np.cumsum((chains > 0).sum(axis=1)))).astype(np.int64),
            hmm_unit=np.searchsorted(ids, chains[chains > 0]).astype(np.int32),
            unit_label=ids.astype(np.int32),
            unit_enter_cost=enter,
            unit_loop_cost=-self_loop_scale * model.log_prob[loop_id].astype(np.float64),
            unit_loop_label=loop_id.astype(np.int32),
            network_first=np.cumsum(network_sizes, dtype=np.int64),
            network_arcs=np.array(network_arcs, dtype=np.int32).reshape(-1, 3),
        )
