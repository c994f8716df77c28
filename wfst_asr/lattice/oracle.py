"""Oracle: the path of a lattice that is nearest to a reference, and the error rate that it has."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.best_path import LatticePath, path_of_arcs
from wfst_asr.lattice.single_end import AnyLattice, with_single_end

_MAX_CELLS = 1 << 27  # of the table states x words, 17 bytes each


@dataclass(frozen=True)
class OracleCounts:
    """Errors of the nearest paths of one lattice or more.

    Attributes:
        hits: words of the reference that the path has.
        substitutions: words of the reference that the path has another word for.
        insertions: words of the path that the reference lacks.
        deletions: words of the reference that the path lacks.
        frames: frames of the lattices.
        arc_frames: frames of all arcs, so that arc_frames / frames is the depth.

    >>> OracleCounts(hits=7, substitutions=1, insertions=2, deletions=2, frames=100, arc_frames=250.0).error_rate
    0.5
    """

    hits: int = 0
    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    frames: int = 0
    arc_frames: float = 0.0

    @property
    def errors(self) -> int:
        """Return the edit distance."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def reference_length(self) -> int:
        """Return the words of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def error_rate(self) -> float:
        """Errors for each word of the reference; of an empty one 0 without and infinity with errors."""
        if not self.reference_length:
            return np.inf if self.errors else 0.0
        return self.errors / self.reference_length

    @property
    def density(self) -> float:
        """Arcs alive in a frame, on the average (Kaldi: `lattice-depth`)."""
        return self.arc_frames / max(1, self.frames)

    def __add__(self, other: "OracleCounts") -> "OracleCounts":
        return OracleCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.frames + other.frames,
            self.arc_frames + other.arc_frames,
        )


@dataclass(frozen=True)
class Oracle:
    """The nearest path to a reference.

    Attributes:
        path: of those with the fewest errors the one of the lowest cost.
        alignment: (word of the reference, word of the path) pairs in order, 0 where one side has none.
        counts: its errors.
    """

    path: LatticePath
    alignment: tuple[tuple[int, int], ...]
    counts: OracleCounts


def oracle(
    lattice: AnyLattice, reference: Sequence[int], *, ignored: Collection[int] = (), acoustic_scale: float | None = None
) -> Oracle:
    """Return the path of a lattice with the least edit distance to a reference (Kaldi: `lattice-oracle`).

        D(s, j) = min over arcs (s, w, d) of [w != r_j] + D(d, j + 1),  1 + D(d, j),  and  1 + D(s, j + 1)

    Time is arcs * words of the reference.

    Args:
        lattice: of either kind, with at least one path.
        reference: labels; for a word that the lattice cannot have, any negative number.
        ignored: labels that are no words, such as silence, on both sides.
        acoustic_scale: of the costs that decide between paths with the same errors; that of the search, if not given.

    Raises:
        WfstAsrError: a scale that is no number above 0, a label 0, a lattice without a path, or one that is too large.
    """
    from wfst_asr.lattice._edit_kernels import nearest_path

    words = np.array([w for w in reference if w not in ignored], dtype=np.int32)
    if (words == 0).any():
        raise WfstAsrError("the reference has the label 0, which is no word; leave it out")
    joined = with_single_end(lattice, acoustic_scale=acoustic_scale, ignored=ignored)
    if joined.num_states * (len(words) + 1) > _MAX_CELLS:
        raise WfstAsrError(
            f"{joined.num_states:,} states by {len(words)} words are too much for an oracle; "
            "prune or determinize the lattice first"
        )
    joined.costs(soft=False)
    steps, places = nearest_path(joined.first_arc, joined.nextstate, joined.word, joined.cost, words)
    taken = steps >= 0
    found = np.where(taken, joined.word[np.maximum(steps, 0)], 0)
    wanted = np.zeros(len(steps), dtype=np.int32)
    wanted[places >= 0] = words[places[places >= 0]]
    pairs = tuple((int(r), int(w)) for r, w in zip(wanted, found, strict=True) if r or w)
    counts = OracleCounts(
        hits=sum(r == w for r, w in pairs),
        substitutions=sum(r != w and r != 0 and w != 0 for r, w in pairs),
        insertions=sum(r == 0 for r, _ in pairs),
        deletions=sum(w == 0 for _, w in pairs),
        frames=lattice.num_frames,
        arc_frames=lattice.density * max(1, lattice.num_frames),
    )
    arcs = joined.arc[steps[taken]]
    return Oracle(path_of_arcs(lattice, arcs[:-1]), pairs, counts)


def total_counts(oracles: Iterable[Oracle]) -> OracleCounts:
    """Return the counts of a set of utterances together: its error rate is that of all words, not a mean of rates."""
    return sum((found.counts for found in oracles), OracleCounts())
