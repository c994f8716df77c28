"""`wfst-asr lattice best`: the best word sequence of each lattice, with times and confidences."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.lattice_source import (
    LatticeSource,
    alignment_graph,
    ctm_of,
    ctm_options,
    source_options,
    warn_of_times,
    write_lines,
)

if TYPE_CHECKING:
    from wfst_asr.decoder.search_graph import SearchGraph
    from wfst_asr.io.ctm import CtmWord
    from wfst_asr.lattice.best_path import LatticePath
    from wfst_asr.lattice.compact_lattice import CompactLattice
    from wfst_asr.lattice.confidence import Calibration


@click.command()
@source_options
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@ctm_options
def best(
    output: Path | None,
    ctm: Path | None,
    frame_shift_ms: float | None,
    calibration: Path | None,
    graph: Path | None,
    transitions: Path | None,
    **options: Any,
) -> None:
    """Write the words of the best path of LATTICES: lines "UTTERANCE WORD ...".

    Times are where the lattice has its words, and exact with --graph; confidences are posteriors of the words in the
    lattice.
    """
    from wfst_asr.io.ctm import write_ctm
    from wfst_asr.score.calibration import load_calibration

    source = LatticeSource.of_options(**options)
    aligner, shift_ms = alignment_graph(ctm, graph, transitions, frame_shift_ms)
    table = _Table(aligner, shift_ms, load_calibration(calibration) if calibration else None) if ctm else None
    write_lines(_lines(source, table), output)
    if ctm and table is not None:
        warn_of_times(table.inexact)
        write_ctm(table.entries, ctm)


@dataclass
class _Table:
    """The words of the CTM, and what they are made with."""

    aligner: "SearchGraph | None"
    shift_ms: float
    calibration: "Calibration | None"
    entries: "list[CtmWord]" = field(default_factory=list)
    inexact: int = 0

    def add(
        self, source: LatticeSource, utterance: str, lattice: "CompactLattice", path: "LatticePath", words: list[str]
    ) -> None:
        from wfst_asr.lattice.confidence import word_confidences

        scale = source.acoustic_scale
        confidences = word_confidences(lattice, path.word_ids, acoustic_scale=scale, calibration=self.calibration)
        begins, ends = self._frames(lattice, path)
        self.entries += ctm_of(utterance, words, begins, ends, confidences.tolist(), self.shift_ms)

    def _frames(self, lattice: "CompactLattice", path: "LatticePath") -> tuple[list[int], list[int]]:
        if self.aligner is not None:
            from wfst_asr.decoder.lattice_words import path_word_times

            times, exact = path_word_times(self.aligner, lattice, path)
            self.inexact += not exact
            if exact:
                return [time.start_frame for time in times], [time.end_frame for time in times]
        arcs = path.arcs[lattice.olabel[path.arcs] != 0]
        return lattice.frame[lattice.source[arcs]].tolist(), lattice.frame[lattice.nextstate[arcs]].tolist()


def _lines(source: LatticeSource, table: _Table | None) -> Iterator[str]:
    from wfst_asr.lattice.best_path import best_path

    for utterance, lattice in source:
        path = best_path(lattice, acoustic_scale=source.acoustic_scale, insertion_penalty=source.insertion_penalty)
        words = source.words_of(path.word_ids)
        yield " ".join([utterance, *words])
        if table is not None:
            table.add(source, utterance, lattice, path, words)
