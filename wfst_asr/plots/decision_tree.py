"""A picture of the tree of one phone: its questions, their gains, and how many frames reach each leaf."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.language_model import check_plot
from wfst_asr.tree.built_tree import LeafRecord, SplitRecord
from wfst_asr.tree.decision_tree import PDF_CLASS
from wfst_asr.tree.log import TreeLog, asked_about, phones_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONGEST = 26  # letters of a question in a box
_COLUMN = 2.1  # inches from a question to its answers
_Place = tuple[int, int, str]  # root, pdf-class of the root, path


def plot_phone_tree(
    log: TreeLog,
    phone: int,
    path: str | os.PathLike[str],
    *,
    phones: Mapping[str, int],
    max_depth: int | None = None,
) -> None:
    """Draw the tree of the root that a phone belongs to into an image file, from left to right.

    A box is a question (what is asked about, the phones that say yes), with its gain in log-likelihood and its frames;
    the upper branch is yes.  A leaf shows its pdf-id and frames; leaves that were merged share pdf-id and colour.

    Args:
        log: of `read_tree_log`, or `TreeLog.of` a tree just built.
        phone: id.
        path: the file; its suffix says its kind (.png, .svg, .pdf).
        phones: id of every phone by name.
        max_depth: questions from the root that are drawn; what is below a node then is one box.  None draws all.

    Raises:
        WfstAsrError: the tree has no such phone; matplotlib is not installed, or cannot write this kind of file.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    names = {number: name for name, number in phones.items()}
    root = next((number for number, root in enumerate(log.roots) if phone in root.phones), None)
    if root is None:
        raise WfstAsrError(f"the tree has no phone {names.get(phone, phone)}; take the phones.txt that belongs to it")
    drawing = _Drawing(log, root, names, max_depth)
    height = max(2.0, 0.42 * drawing.num_ends + 0.8)
    figure = Figure(figsize=(_COLUMN * (drawing.depth + 1) + 1.0, height), layout="constrained")
    axes = figure.add_subplot(1, 1, 1)
    drawing.draw(axes)
    title = " ".join(phones_in_words(log.roots[root].phones, names))
    axes.set_title(f"{title}: {drawing.num_splits} questions, {drawing.num_pdfs} tied states", fontsize=10)
    with written_aside(path) as aside:
        figure.savefig(aside, format=Path(path).suffix.lstrip(".").lower(), dpi=130)


class _Drawing:
    """Places the nodes of one root's trees: leaves one below the other, a question between its branches."""

    def __init__(self, log: TreeLog, root: int, names: Mapping[int, str], max_depth: int | None) -> None:
        self._log, self._names, self._max_depth = log, names, max_depth
        self._splits: dict[_Place, SplitRecord] = {
            (split.root, split.root_pdf_class, split.path): split for split in log.splits if split.root == root
        }
        self._leaves: dict[_Place, LeafRecord] = {
            (leaf.root, leaf.root_pdf_class, leaf.path): leaf for leaf in log.leaves if leaf.root == root
        }
        self._order = {id(split): number for number, split in enumerate(log.splits, 1)}
        pdfs = [leaf.pdf_id for leaf in self._leaves.values()]
        self._merged = sorted({pdf for pdf in pdfs if pdfs.count(pdf) > 1})
        self.num_pdfs = len(set(pdfs))
        self.num_splits = len(self._splits)
        self._starts = sorted({(root, leaf.root_pdf_class, "") for leaf in self._leaves.values()})
        self.depth = max((self._depth_of(start) for start in self._starts), default=0)
        self.num_ends = sum(self._count_ends(start) for start in self._starts)

    def draw(self, axes: "Axes") -> None:
        row = 0
        for start in self._starts:
            row = self._node(axes, start, row)[1]
            if start[1] >= 0:
                axes.text(-0.08, self._middle(start, row), f"state {start[1]}", ha="right", va="center", fontsize=8)
        axes.set_xlim(-0.4, self.depth + 0.8)
        axes.set_ylim(row - 0.4, -0.6)
        axes.set_axis_off()

    def _middle(self, start: _Place, end: int) -> float:
        return end - self._count_ends(start) / 2 - 0.5

    def _ends_here(self, place: _Place) -> bool:
        return place not in self._splits or (self._max_depth is not None and len(place[2]) >= self._max_depth)

    def _depth_of(self, place: _Place) -> int:
        if self._ends_here(place):
            return len(place[2])
        return max(self._depth_of(child) for child in _children(place))

    def _count_ends(self, place: _Place) -> int:
        return 1 if self._ends_here(place) else sum(self._count_ends(child) for child in _children(place))

    def _node(self, axes: "Axes", place: _Place, row: int) -> tuple[float, int]:
        """Draw what is at a place and below it from `row` on; return its height and the next free row."""
        x = len(place[2])
        if self._ends_here(place):
            self._end(axes, place, x, row)
            return float(row), row + 1
        heights = []
        for child in _children(place):
            height, row = self._node(axes, child, row)
            heights.append(height)
        y = sum(heights) / 2
        for height, answer in zip(heights, ("yes", "no"), strict=True):
            axes.plot([x + 0.4, x + 0.84, x + 1.0], [y, height, height], "-", color="0.6", linewidth=0.8, zorder=0)
            axes.text(x + 0.95, height - 0.06, answer, fontsize=6, color="0.4", ha="right", va="bottom")
        split = self._splits[place]
        text = f"{self._question(split)}\n#{self._order[id(split)]}  gain {split.gain:,.0f}"
        text += f"  frames {split.yes_count + split.no_count:,.0f}"
        style = {"boxstyle": "round,pad=0.25", "facecolor": "#eaf1fb", "edgecolor": "#5b7db1", "linewidth": 0.7}
        axes.text(x, y, text, ha="left", va="center", fontsize=6.5, bbox=style)
        return y, row

    def _end(self, axes: "Axes", place: _Place, x: float, row: int) -> None:
        below = [
            leaf for other, leaf in self._leaves.items() if other[:2] == place[:2] and other[2].startswith(place[2])
        ]
        frames = sum(leaf.count for leaf in below)
        text = f"{len(below)} leaves" if place in self._splits else f"pdf {below[0].pdf_id}"
        colour: tuple[str, float] = ("0.5", 0.1)
        if place not in self._splits and below[0].pdf_id in self._merged:
            colour = (f"C{self._merged.index(below[0].pdf_id) % 10}", 0.4)
        style = {"boxstyle": "round,pad=0.25", "facecolor": colour, "edgecolor": "0.4", "linewidth": 0.7}
        axes.text(x, row, f"{text}  frames {frames:,.0f}", ha="left", va="center", fontsize=6.5, bbox=style)

    def _question(self, split: SplitRecord) -> str:
        about = asked_about(split.key, self._log.central_position)
        if split.key == PDF_CLASS:
            return f"{about} {' '.join(map(str, sorted(split.values)))}?"
        name = self._log.question_names.get(split.values)
        if name is None:
            words = phones_in_words(split.values, self._names)
            name = " ".join(words)
            kept = words
            while len(name) > _LONGEST and len(kept) > 1:
                kept = kept[:-1]
                name = f"{' '.join(kept)} +{len(words) - len(kept)}"
        return f"{about}: {name}?"


def _children(place: _Place) -> tuple[_Place, _Place]:
    root, pdf_class, path = place
    return (root, pdf_class, path + "y"), (root, pdf_class, path + "n")
