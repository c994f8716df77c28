"""Phonetic decision trees as records: constants, tables and splits over (position or pdf-class, value).

A tree maps an event to a pdf-id.  The event's keys are the positions 0 ... N - 1 of a context window, whose values
are phones (0 beyond the ends of the utterance), and the key PDF_CLASS (Kaldi `event-map.h`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from wfst_asr.errors import WfstAsrError

PDF_CLASS = -1


@dataclass(frozen=True)
class Constant:
    """A leaf: the answer is a pdf-id."""

    pdf_id: int


@dataclass(frozen=True)
class Table:
    """One subtree per value of a key; None where a value has no answer."""

    key: int
    nodes: tuple["EventMap | None", ...]


@dataclass(frozen=True)
class Split:
    """A question: `yes` if the value of `key` is among `yes_values`, else `no`."""

    key: int
    yes_values: frozenset[int]
    yes: "EventMap"
    no: "EventMap"


EventMap = Constant | Table | Split


@dataclass(frozen=True)
class DecisionTree:
    """A decision tree that ties the HMM states of phones in context (Kaldi `ContextDependency`).

    Attributes:
        context_width: N, the number of phones in a window.
        central_position: P, the index of the central phone.
        root: the tree.

    >>> question = Split(0, frozenset({2}), Constant(0), Constant(1))
    >>> tree = DecisionTree(3, 1, Split(PDF_CLASS, frozenset({0}), question, Constant(2)))
    >>> tree.pdf_id((2, 5, 5), 0), tree.pdf_id((1, 5, 5), 0), tree.pdf_id((2, 5, 0), 1), tree.num_pdfs
    (0, 1, 2, 3)
    >>> sorted(tree.pdf_tuples(5, (0, 1)))
    [(0, 2), (1, 2)]
    """

    context_width: int
    central_position: int
    root: EventMap

    def __post_init__(self) -> None:
        if not 0 <= self.central_position < self.context_width:
            raise WfstAsrError(
                f"tree: central position {self.central_position} in a window of {self.context_width} phones; "
                "expected 0 <= P < N"
            )

    @cached_property
    def num_pdfs(self) -> int:
        """Number of pdf-ids, one more than the largest."""
        return 1 + max(leaf.pdf_id for leaf in leaves(self.root))

    def pdf_id(self, window: Sequence[int], pdf_class: int) -> int:
        """Return the pdf-id of `pdf_class` of the central phone of `window` (N phone ids, 0 beyond the ends).

        Raises:
            WfstAsrError: the window has another width, or the tree has no answer for it.
        """
        if len(window) != self.context_width:
            raise WfstAsrError(f"window {tuple(window)} has {len(window)} phones, the tree wants {self.context_width}")
        node: EventMap | None = self.root
        while node is not None and not isinstance(node, Constant):
            value = pdf_class if node.key == PDF_CLASS else window[node.key]
            node = _descend(node, value)
        if node is None:
            raise self._no_answer(window[self.central_position], pdf_class)
        return node.pdf_id

    def pdf_tuples(self, phone: int, pdf_classes: Sequence[int]) -> set[tuple[int, ...]]:
        """Return every tuple of pdf-ids that one window with central phone `phone` gives for `pdf_classes`.

        Raises:
            WfstAsrError: the tree has no answer for the phone and one of the classes.
        """
        known: _Known = {self.central_position: (frozenset({phone}), True)}
        found = {pdfs for pdfs, _ in self._walk(known, tuple(pdf_classes))}
        if not found:
            raise self._no_answer(phone, pdf_classes[0])
        return found

    def _walk(self, known: "_Known", classes: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], "_Known"]]:
        if not classes:
            yield (), known
            return
        for pdf, narrowed in _leaves_within(self.root, known, classes[0]):
            for rest, narrowest in self._walk(narrowed, classes[1:]):
                yield (pdf, *rest), narrowest

    def _no_answer(self, phone: int, pdf_class: int) -> WfstAsrError:
        return WfstAsrError(
            f"the tree has no pdf for phone {phone}, pdf-class {pdf_class}; "
            "take the tree, phones.txt and topo of one and the same model"
        )


# What is known of a window: position -> (values, True: one of them, False: none of them).
_Known = dict[int, tuple[frozenset[int], bool]]


def leaves(node: EventMap | None) -> Iterator[Constant]:
    """Iterate over the leaves of a tree, left to right."""
    if isinstance(node, Constant):
        yield node
    elif isinstance(node, Table):
        for child in node.nodes:
            yield from leaves(child)
    elif isinstance(node, Split):
        yield from leaves(node.yes)
        yield from leaves(node.no)


def monophone_tree(num_pdf_classes: Mapping[int, int], *, shared: Sequence[Sequence[int]] = ()) -> DecisionTree:
    """Return the tree without context: one pdf for every phone and pdf-class (Kaldi `MonophoneContextDependency`).

    Args:
        num_pdf_classes: number of pdf-classes by phone id.
        shared: sets of phones that share their pdfs; a phone in no set stands alone.

    >>> monophone_tree({1: 3, 2: 3, 3: 3}, shared=[(2, 3)]).num_pdfs
    6
    """
    sets = [list(group) for group in shared]
    grouped = {phone for group in sets for phone in group}
    sets += [[phone] for phone in num_pdf_classes if phone not in grouped]
    nodes: list[EventMap | None] = [None] * (1 + max(num_pdf_classes))
    num_pdfs = 0
    for group in sorted(sets):
        count = num_pdf_classes[group[0]]
        table = Table(PDF_CLASS, tuple(Constant(num_pdfs + i) for i in range(count)))
        num_pdfs += count
        for phone in group:
            nodes[phone] = table
    return DecisionTree(1, 0, Table(0, tuple(nodes)))


def _descend(node: Table | Split, value: int) -> EventMap | None:
    if isinstance(node, Split):
        return node.yes if value in node.yes_values else node.no
    return node.nodes[value] if 0 <= value < len(node.nodes) else None


def _leaves_within(node: EventMap | None, known: _Known, pdf_class: int) -> Iterator[tuple[int, _Known]]:
    """Iterate over the leaves that a window of which `known` holds can reach, with what then is known of it."""
    if node is None:
        return
    if isinstance(node, Constant):
        yield node.pdf_id, known
    elif node.key == PDF_CLASS:
        yield from _leaves_within(_descend(node, pdf_class), known, pdf_class)
    elif isinstance(node, Table):
        for value, child in enumerate(node.nodes):
            narrowed = _narrow(known, node.key, frozenset({value}), inside=True)
            if narrowed is not None:
                yield from _leaves_within(child, narrowed, pdf_class)
    else:
        for child, inside in ((node.yes, True), (node.no, False)):
            narrowed = _narrow(known, node.key, node.yes_values, inside=inside)
            if narrowed is not None:
                yield from _leaves_within(child, narrowed, pdf_class)


def _narrow(known: _Known, key: int, values: frozenset[int], *, inside: bool) -> _Known | None:
    """Add to `known` that the value of `key` is inside (or outside) `values`; None if that is impossible."""
    old, old_inside = known.get(key, (frozenset(), False))
    if inside and old_inside:
        new, new_inside = old & values, True
    elif inside:
        new, new_inside = values - old, True
    elif old_inside:
        new, new_inside = old - values, True
    else:
        new, new_inside = old | values, False
    if new_inside and not new:
        return None
    return {**known, key: (new, new_inside)}
