"""A decision tree with the story of its building: splits, merges, leaves, likelihoods."""

from dataclasses import dataclass

import numpy as np

from wfst_asr.tree.decision_tree import DecisionTree
from wfst_asr.tree.roots import Root
from wfst_asr.tree.stats import FloatArray, IntArray, TreeStatistics, gaussian_log_likelihood, sum_rows


@dataclass(frozen=True)
class SplitRecord:
    """One split, in the order of splitting.

    Attributes:
        root: number of the root in the list of roots.
        root_pdf_class: pdf-class that the root is of; -1 where the pdf-classes share it.
        path: answers from the root to the node that is split, "y" and "n" in turn; "" for the root itself.
        key: window position that is asked about, or PDF_CLASS.
        values: phones (or pdf-classes) whose answer is yes.
        gain: log-likelihood gained.
        yes_count: frames on the yes side.
        no_count: frames on the no side.
    """

    root: int
    root_pdf_class: int
    path: str
    key: int
    values: frozenset[int]
    gain: float
    yes_count: float
    no_count: float


@dataclass(frozen=True)
class LeafRecord:
    """One leaf: where it is, how many frames reach it, and its pdf-id, which leaves that were merged share."""

    root: int
    root_pdf_class: int
    path: str
    count: float
    pdf_id: int


@dataclass(frozen=True)
class MergeRecord:
    """Two leaves of one root, by path, that became one, with the log-likelihood that this cost; in order."""

    root: int
    root_pdf_class: int
    path: str
    other_path: str
    cost: float


@dataclass(frozen=True, eq=False)
class BuiltTree:
    """A tree and how it came about.  Log-likelihoods are of all frames under a Gaussian a leaf (or root, or pdf).

    Attributes:
        tree: pdf-ids are numbered by root, and from yes to no within it.
        roots: as given.
        splits: in order; the sum of their gains is `split_log_likelihood - root_log_likelihood`.
        merges: in order; the sum of their costs is `split_log_likelihood - log_likelihood`.
        leaves: every leaf, before merging.
        root_log_likelihood: before the first split.
        split_log_likelihood: after the last split.
        log_likelihood: of the tied states, after merging.
        frames: number of frames.
        merge_threshold: cost below which leaves were merged; 0 for none.
        pdf_of_row: (K,) int32, pdf-id of every row of the statistics.
        unseen_phones: phones of the roots without a frame; they have the leaves that their root's questions lead to.
    """

    tree: DecisionTree
    roots: tuple[Root, ...]
    splits: tuple[SplitRecord, ...]
    merges: tuple[MergeRecord, ...]
    leaves: tuple[LeafRecord, ...]
    root_log_likelihood: float
    split_log_likelihood: float
    log_likelihood: float
    frames: float
    merge_threshold: float
    pdf_of_row: IntArray
    unseen_phones: tuple[int, ...]

    @property
    def num_pdfs(self) -> int:
        """Number of tied states."""
        return self.tree.num_pdfs


def statistics_by_pdf(built: BuiltTree, stats: TreeStatistics) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (P,) frames, (P, D) sums and (P, D) sums of squares of every pdf; `stats`: of `build_tree`."""
    return (
        np.bincount(built.pdf_of_row, stats.count, minlength=built.num_pdfs).astype(np.float64),
        sum_rows(stats.first, built.pdf_of_row, built.num_pdfs),
        sum_rows(stats.second, built.pdf_of_row, built.num_pdfs),
    )


def tied_log_likelihood(built: BuiltTree, stats: TreeStatistics, *, variance_floor: float = 0.01) -> float:
    """Return the log-likelihood of all frames under a Gaussian a pdf, computed anew from statistics and pdf-ids."""
    return float(gaussian_log_likelihood(*statistics_by_pdf(built, stats), floor=variance_floor).sum())
