"""What the commands over lattice archives share: which lattices, at which scale, with which names of words."""

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.errors import WfstAsrError, WfstAsrWarning

if TYPE_CHECKING:
    from wfst_asr.decoder.search_graph import SearchGraph
    from wfst_asr.io.ctm import CtmWord
    from wfst_asr.lattice.compact_lattice import CompactLattice
    from wfst_asr.lattice.lattice import Lattice

_FILE = click.Path(path_type=Path)

Command = Callable[..., Any]


def source_options(command: Command) -> Command:
    """Add the argument LATTICES and the options that `LatticeSource.of_options` takes."""
    for option in reversed(
        (
            click.argument("lattices", type=_FILE),
            click.option("--words", type=_FILE, help="Symbol table (words.txt); without it words are numbers."),
            click.option(
                "--acoustic-scale",
                type=click.FloatRange(0, min_open=True),
                help="Factor on acoustic costs, such as that of the decoding; archives do not tell it.",
            ),
            click.option(
                "--lm-weight",
                type=click.FloatRange(0, min_open=True),
                help="The inverse of the acoustic scale, in place of it; one of them has to be given.",
            ),
            click.option("--insertion-penalty", default=0.0, show_default=True, help="Cost of every word."),
            click.option(
                "--lattice-beam",
                default=8.0,
                show_default=True,
                type=click.FloatRange(0),
                help="Of state-level lattices: the beam to which they are determinized.",
            ),
        )
    ):
        command = option(command)
    return command


_CTM_OPTIONS = (
    click.option("--ctm", type=_FILE, help="Also write words with times and confidences."),
    click.option(
        "--frame-shift-ms",
        type=click.FloatRange(0, min_open=True),
        help="Time from a frame to the next.  [default: that of --graph, else 10]",
    ),
    click.option("--calibration", type=_FILE, help="Calibration of confidences, made by wfst-asr lattice calibrate."),
    click.option(
        "--graph",
        type=_FILE,
        help="Graph folder, or lang directory with --transitions: words are aligned with its phones, for exact times.",
    ),
    click.option(
        "--transitions", type=_FILE, help="final.mdl: the meaning of the labels, if --graph does not tell it."
    ),
)


def ctm_options(command: Command) -> Command:
    """Add the options of a CTM: `ctm`, `frame_shift_ms`, `calibration`, `graph` and `transitions`."""
    for option in reversed(_CTM_OPTIONS):
        command = option(command)
    return command


def alignment_graph(
    ctm: Path | None, graph: Path | None, transitions: Path | None, frame_shift_ms: float | None
) -> "tuple[SearchGraph | None, float]":
    """Return what words are aligned with, if a CTM is to have exact times, and the time of a frame in milliseconds.

    Raises:
        UsageError: options that say nothing without others.
        WfstAsrError: the graph is missing or bad.
    """
    if transitions and not graph:
        raise click.UsageError("--transitions tells the labels of --graph; give that as well")
    if graph and not ctm:
        raise click.UsageError("--graph is for the times of --ctm; give that as well")
    if graph is None:
        return None, frame_shift_ms or 10.0
    from wfst_asr.recipe.labelled_graph import load_alignment_graph

    loaded = load_alignment_graph(graph, transitions=transitions)
    return loaded, frame_shift_ms or 1000 * loaded.frame_shift_s


def warn_of_times(count: int) -> None:
    """Tell that words could not be aligned in some lattices."""
    if count:
        warnings.warn(
            f"the words of {count} lattices could not be aligned with their phones; their times are those of the "
            "lattice's arcs",
            WfstAsrWarning,
            stacklevel=3,
        )


@dataclass(frozen=True)
class LatticeSource:
    """Lattices of an archive.

    Attributes:
        path: archive, or list of places in archives.
        names: of the words, by label; empty where words are numbers.
        acoustic_scale: factor on acoustic costs.
        insertion_penalty: cost of every word.
        lattice_beam: of determinization.
    """

    path: Path
    names: tuple[str, ...]
    acoustic_scale: float
    insertion_penalty: float
    lattice_beam: float

    @classmethod
    def of_options(
        cls,
        lattices: Path,
        words: Path | None,
        acoustic_scale: float | None,
        lm_weight: float | None,
        insertion_penalty: float,
        lattice_beam: float,
    ) -> "LatticeSource":
        """Take the options of `source_options`.

        Raises:
            UsageError: scale and weight both given, or none of them.
            WfstAsrError: a bad symbol table.
        """
        from wfst_asr.decoder.symbols import read_symbols

        if (lm_weight is None) == (acoustic_scale is None):
            raise click.UsageError("give --acoustic-scale, or its inverse, --lm-weight")
        scale = 1 / lm_weight if lm_weight else acoustic_scale or 1.0
        return cls(lattices, read_symbols(words) if words else (), scale, insertion_penalty, lattice_beam)

    def __iter__(self) -> Iterator[tuple[str, "CompactLattice"]]:
        """Yield (utterance-id, lattice of words)."""
        from wfst_asr.kaldi.lattice import read_lattices

        for key, lattice in read_lattices(self.path, acoustic_scale=self.acoustic_scale):
            yield key, self._of_words(lattice)

    def lattice_of(self, utterance: str) -> "CompactLattice":
        """Return the lattice of words of one utterance.

        Raises:
            WfstAsrError: there is none.
        """
        from wfst_asr.kaldi.lattice import read_lattices

        first = None
        for key, lattice in read_lattices(self.path, acoustic_scale=self.acoustic_scale):
            if key == utterance:
                return self._of_words(lattice)
            first = first or key
        others = f"; the first that it has is '{first}'" if first else ""
        raise WfstAsrError(f"{self.path}: has no lattice of utterance '{utterance}'{others}")

    def _of_words(self, lattice: "Lattice | CompactLattice") -> "CompactLattice":
        from wfst_asr.lattice.determinize import determinize
        from wfst_asr.lattice.lattice import Lattice

        return determinize(lattice, lattice_beam=self.lattice_beam) if isinstance(lattice, Lattice) else lattice

    def words_of(self, labels: Iterable[int]) -> list[str]:
        """Return the names of labels.

        Raises:
            WfstAsrError: a label that the symbol table lacks.
        """
        if not self.names:
            return [str(label) for label in labels]
        try:
            return [self.names[label] for label in labels]
        except IndexError as error:
            raise WfstAsrError(
                f"{self.path}: has words beyond number {len(self.names) - 1}, the last of the symbol table; "
                "give the words.txt of the graph that the lattices were made with"
            ) from error

    def labels_of(self, words: Sequence[str]) -> list[int]:
        """Return the labels of words, -1 for those that there are none for."""
        if not self.names:
            return [int(word) if word.isdigit() else -1 for word in words]
        return [self._labels.get(word, -1) for word in words]

    @cached_property
    def _labels(self) -> dict[str, int]:
        return {name: label for label, name in enumerate(self.names)}


def ctm_of(
    utterance: str,
    words: Sequence[str],
    begins: Collection[float],
    ends: Collection[float],
    confidences: Collection[float],
    frame_shift_ms: float,
) -> "list[CtmWord]":
    """Return the words of an utterance with their times, given in frames."""
    from wfst_asr.io.ctm import CtmWord

    return [
        CtmWord(
            utterance,
            "1",
            round(begin * frame_shift_ms / 1000, 3),
            round((end - begin) * frame_shift_ms / 1000, 3),
            word,
            float(confidence),
        )
        for word, begin, end, confidence in zip(words, begins, ends, confidences, strict=True)
    ]


def nbest_record(
    utterance: str,
    rank: int,
    words: Sequence[str],
    *,
    costs: tuple[float, float, float],
    confidences: Iterable[float],
) -> dict[str, Any]:
    """Return an entry of an n-best list for JSON; costs are the total, the graph's and the acoustic one."""
    return {
        "utterance": utterance,
        "rank": rank,
        "words": list(words),
        "total_cost": round(costs[0], 4),
        "graph_cost": round(costs[1], 4),
        "acoustic_cost": round(costs[2], 4),
        "confidences": [round(float(c), 4) for c in confidences],
    }


def write_lines(lines: Iterable[str], output: Path | None) -> None:
    """Write lines to a file, whole or not at all, or print them as they come."""
    from wfst_asr.atomic_files import written_aside

    if output is None:
        for line in lines:
            click.echo(line)
        return
    with written_aside(output) as aside, aside.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
