"""Build a phonetic decision tree: split leaves from the top by likelihood gain, then merge leaves that are alike."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.tree.best_question import BestQuestion, QuestionSearch
from wfst_asr.tree.built_tree import BuiltTree, LeafRecord, MergeRecord, SplitRecord
from wfst_asr.tree.clustering import merge_bottom_up
from wfst_asr.tree.decision_tree import PDF_CLASS, Constant, DecisionTree, EventMap, Split, Table
from wfst_asr.tree.roots import Root
from wfst_asr.tree.stats import IntArray, TreeStatistics


def build_tree(
    stats: TreeStatistics,
    *,
    questions: Sequence[frozenset[int]],
    roots: Sequence[Root],
    num_pdf_classes: Mapping[int, int],
    max_leaves: int,
    min_gain: float = 300.0,
    min_count: float = 20.0,
    max_depth: int | None = None,
    merge_threshold: float | None = None,
    variance_floor: float = 0.01,
    refine_moves: int = 0,
) -> BuiltTree:
    """Tie the HMM states of phones in context (Kaldi `BuildTree`; Young, Odell and Woodland 1994).

    The leaf whose best question gains most is split next, until a limit is met.  Then leaves of one root are merged,
    the cheapest pair first.  Gains are those of `gaussian_log_likelihood`.  Of questions that gain the same the first
    is taken, pdf-class before positions; of leaves the older one.

    Args:
        stats: of the training data.
        questions: sets of phones, asked about every position of the window.
        roots: every phone in one of them.
        num_pdf_classes: by phone, from the topology.
        max_leaves: leaves to stop at, unsplit ones included, before merging; 0 for no limit.
        min_gain: log-likelihood that a split must gain more than.
        min_count: frames that both sides of a split must have.  Kaldi has no such limit; without it a few frames whose
            variances the floor holds up gain enough for a leaf of their own.
        max_depth: questions between a root and a leaf at most; None for no limit.
        merge_threshold: cost below which leaves are merged; None is the smallest gain of a split, 0 merges nothing.
        variance_floor: of the Gaussians; above 0.
        refine_moves: phones that may leave or join the best question of a node, most gaining first (Kaldi's
            `--num-iters-refine`); 0 asks only `questions`.

    Raises:
        WfstAsrError: no statistics, phones or pdf-classes in them that no root or topology has, a limit out of range.

    >>> from wfst_asr.tree.roots import Root
    >>> windows = np.array([[2, 1, 2], [3, 1, 2]], np.int32)
    >>> first = np.array([[0.0], [500.0]])
    >>> stats = TreeStatistics(windows, 1, np.zeros(2, np.int32), np.array([100.0, 100.0]), first, first**2 / 100 + 100)
    >>> built = build_tree(
    ...     stats,
    ...     questions=[frozenset({3})],
    ...     roots=[Root((1,)), Root((2,)), Root((3,))],
    ...     num_pdf_classes={1: 1, 2: 1, 3: 1},
    ...     max_leaves=9,
    ...     min_gain=10.0,
    ... )
    >>> [(split.key, sorted(split.values), round(split.gain, 3)) for split in built.splits]
    [(0, [3], 198.1)]
    >>> built.tree.pdf_id((3, 1, 2), 0), built.tree.pdf_id((2, 1, 2), 0), built.num_pdfs, built.unseen_phones
    (0, 1, 4, (2, 3))
    """
    _check(stats, roots, num_pdf_classes, max_leaves=max_leaves, min_gain=min_gain, variance_floor=variance_floor)
    search = QuestionSearch(
        stats,
        list(dict.fromkeys(questions)),
        num_pdf_classes=max(num_pdf_classes[phone] for root in roots for phone in root.phones),
        variance_floor=variance_floor,
        min_count=min_count,
        refine_moves=refine_moves,
    )
    stubs = _stubs(stats, roots, num_pdf_classes)
    before = sum(search.log_likelihood(stub.rows) for stub in stubs)
    splits = _grow(stubs, search, roots, max_leaves=max_leaves, min_gain=min_gain, max_depth=max_depth)
    gained = sum(record.gain for record in splits)
    threshold = merge_threshold
    if threshold is None:
        threshold = min((record.gain for record in splits), default=0.0)
    merges = _merge(stubs, search, variance_floor, threshold)
    leaves, pdf_of_row = _number(stubs, search, len(stats))
    trees: list[list[EventMap]] = [[] for _ in roots]
    for stub in stubs:
        trees[stub.root].append(_event_map(stub))
    maps = [
        parts[0] if root.shared else Table(PDF_CLASS, tuple(parts)) for root, parts in zip(roots, trees, strict=True)
    ]
    tree = DecisionTree(stats.context_width, stats.central_position, _by_phone(stats.central_position, roots, maps))
    seen = set(np.unique(stats.central_phone).tolist())
    return BuiltTree(
        tree=tree,
        roots=tuple(roots),
        splits=tuple(splits),
        merges=tuple(merges),
        leaves=tuple(leaves),
        root_log_likelihood=before,
        split_log_likelihood=before + gained,
        log_likelihood=before + gained - sum(merge.cost for merge in merges),
        frames=stats.frames,
        merge_threshold=threshold,
        pdf_of_row=pdf_of_row,
        unseen_phones=tuple(sorted({phone for root in roots for phone in root.phones} - seen)),
    )


@dataclass(eq=False)
class _Node:
    """A node while the tree grows."""

    root: int
    root_pdf_class: int
    path: str
    rows: NDArray[np.int64]
    question: BestQuestion | None = None
    yes: "_Node | None" = None
    no: "_Node | None" = None
    merged_into: "_Node | None" = field(default=None, repr=False)
    pdf_id: int = -1


def _stubs(stats: TreeStatistics, roots: Sequence[Root], num_pdf_classes: Mapping[int, int]) -> list[_Node]:
    """Return the nodes that exist before any split: one a root, or one a pdf-class of a root that is not shared."""
    root_of_phone = np.full(1 + max(max(root.phones) for root in roots), -1)
    for number, root in enumerate(roots):
        root_of_phone[list(root.phones)] = number
    root_of_row = root_of_phone[stats.central_phone]
    stubs = []
    for number, root in enumerate(roots):
        rows = np.flatnonzero(root_of_row == number)
        if root.shared:
            stubs.append(_Node(number, -1, "", rows))
            continue
        for pdf_class in range(max(num_pdf_classes[phone] for phone in root.phones)):
            stubs.append(_Node(number, pdf_class, "", rows[stats.pdf_class[rows] == pdf_class]))
    return stubs


def _grow(
    stubs: list[_Node],
    search: QuestionSearch,
    roots: Sequence[Root],
    *,
    max_leaves: int,
    min_gain: float,
    max_depth: int | None,
) -> list[SplitRecord]:
    queue: list[tuple[float, int, _Node]] = []
    numbered = 0

    def consider(node: _Node) -> None:
        nonlocal numbered
        numbered += 1
        if max_depth is None or len(node.path) < max_depth:
            node.question = search.best(node.rows)
            if node.question is not None and node.question.gain > min_gain:
                heapq.heappush(queue, (-node.question.gain, numbered, node))

    num_leaves = len(stubs)
    if max_leaves and num_leaves >= max_leaves:
        return []
    for stub in stubs:
        if roots[stub.root].split:
            consider(stub)
    splits: list[SplitRecord] = []
    while queue and not (max_leaves and num_leaves >= max_leaves):
        node = heapq.heappop(queue)[2]
        question = node.question
        assert question is not None
        node.yes = _Node(node.root, node.root_pdf_class, node.path + "y", node.rows[question.says_yes])
        node.no = _Node(node.root, node.root_pdf_class, node.path + "n", node.rows[~question.says_yes])
        num_leaves += 1
        counts = search.count(node.yes.rows), search.count(node.no.rows)
        splits.append(
            SplitRecord(
                node.root, node.root_pdf_class, node.path, question.key, question.values, question.gain, *counts
            )
        )
        for child in (node.yes, node.no):
            consider(child)
    return splits


def _merge(stubs: list[_Node], search: QuestionSearch, floor: float, threshold: float) -> list[MergeRecord]:
    records = []
    limit = threshold * (1.0 - 1e-9)  # a split that gained just the threshold is not undone by a rounding error
    for stub in stubs:
        leaves = _leaves(stub)
        if len(leaves) < 2 or not threshold > 0.0:
            continue
        points = np.stack([search.sums(leaf.rows) for leaf in leaves])
        for merge in merge_bottom_up(points, floor=floor, max_cost=limit):
            kept, other = leaves[merge.kept], leaves[merge.other]
            other.merged_into = kept
            records.append(MergeRecord(stub.root, stub.root_pdf_class, kept.path, other.path, merge.cost))
    return records


def _number(stubs: list[_Node], search: QuestionSearch, num_rows: int) -> tuple[list[LeafRecord], IntArray]:
    """Give out pdf-ids from left to right; return all leaves and the pdf-id of every row of the statistics."""
    records, pdf_of_row, num_pdfs = [], np.full(num_rows, -1, np.int32), 0
    for stub in stubs:
        for leaf in _leaves(stub):
            kept = leaf
            while kept.merged_into is not None:
                kept = kept.merged_into
            if kept.pdf_id < 0:
                kept.pdf_id, num_pdfs = num_pdfs, num_pdfs + 1
            leaf.pdf_id = kept.pdf_id
            pdf_of_row[leaf.rows] = leaf.pdf_id
            count = search.count(leaf.rows)
            records.append(LeafRecord(leaf.root, leaf.root_pdf_class, leaf.path, count, leaf.pdf_id))
    return records, pdf_of_row


def _leaves(node: _Node) -> list[_Node]:
    """Return the leaves below a node, from yes to no."""
    found, waiting = [], [node]
    while waiting:
        node = waiting.pop()
        if node.yes is None or node.no is None:
            found.append(node)
        else:
            waiting += [node.no, node.yes]
    return found


def _event_map(node: _Node) -> EventMap:
    if node.yes is None or node.no is None or node.question is None:
        return Constant(node.pdf_id)
    return Split(node.question.key, node.question.values, _event_map(node.yes), _event_map(node.no))


def _by_phone(position: int, roots: Sequence[Root], maps: Sequence[EventMap]) -> EventMap:
    """Ask for the central phone by halves of the roots until one is left (Kaldi `GetStubMap`)."""
    if len(roots) == 1:
        return maps[0]
    half = len(roots) // 2
    phones = frozenset(phone for root in roots[:half] for phone in root.phones)
    yes, no = _by_phone(position, roots[:half], maps[:half]), _by_phone(position, roots[half:], maps[half:])
    return Split(position, phones, yes, no)


def _check(
    stats: TreeStatistics,
    roots: Sequence[Root],
    num_pdf_classes: Mapping[int, int],
    *,
    max_leaves: int,
    min_gain: float,
    variance_floor: float,
) -> None:
    if not len(stats):
        raise WfstAsrError("tree: there are no statistics; give the alignment of at least one utterance")
    if max_leaves < 0 or min_gain < 0.0 or not variance_floor > 0.0:
        raise WfstAsrError(
            f"tree: at most {max_leaves} leaves, gain over {min_gain:g}, variances from {variance_floor:g} on; "
            "expected numbers that are not negative, and a floor above 0"
        )
    phones = [phone for root in roots for phone in root.phones]
    if len(set(phones)) != len(phones):
        twice = next(phone for phone in phones if phones.count(phone) > 1)
        raise WfstAsrError(f"tree: phone {twice} is in two roots; every phone has one")
    without = sorted(set(phones) - set(num_pdf_classes))
    if without:
        raise WfstAsrError(f"tree: phone {without[0]} of the roots has no HMM topology; add it to the topo file")
    strangers = sorted(set(np.unique(stats.central_phone).tolist()) - set(phones))
    if strangers:
        raise WfstAsrError(f"tree: phone {strangers[0]} is in the data but in no root; add a root for it")
    classes = np.zeros(1 + max(phones), np.int64)
    for phone in phones:
        classes[phone] = num_pdf_classes[phone]
    wrong = np.flatnonzero(stats.pdf_class >= classes[stats.central_phone])
    if len(wrong):
        row = int(wrong[0])
        raise WfstAsrError(
            f"tree: pdf-class {stats.pdf_class[row]} of phone {stats.central_phone[row]} is in the data, but its "
            f"topology has {classes[stats.central_phone[row]]}; take the topology of the model that made the alignment"
        )
