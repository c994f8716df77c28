"""`wfst-asr lattice best`: the best word sequence of each lattice, with times and confidences."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from wfst_asr.cli.lattice_source import LatticeSource, ctm_of, ctm_options, source_options, write_lines

if TYPE_CHECKING:
    from wfst_asr.io.ctm import CtmWord
    from wfst_asr.lattice.confidence import Calibration


@click.command()
@source_options
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@ctm_options[0]
@ctm_options[1]
@ctm_options[2]
def best(
    output: Path | None, ctm: Path | None, frame_shift_ms: float, calibration: Path | None, **options: Any
) -> None:
    """Write the words of the best path of LATTICES: lines "UTTERANCE WORD ...".

    Times are where the lattice has its words, which is exact only after words have been aligned; confidences are
    posteriors of the words in the lattice.
    """
    from wfst_asr.io.ctm import write_ctm
    from wfst_asr.score.calibration import load_calibration

    source = LatticeSource.of_options(**options)
    calibrated = load_calibration(calibration) if calibration else None
    entries: list[CtmWord] | None = [] if ctm else None
    write_lines(_lines(source, entries, frame_shift_ms, calibrated), output)
    if ctm and entries is not None:
        write_ctm(entries, ctm)


def _lines(
    source: LatticeSource, entries: "list[CtmWord] | None", frame_shift_ms: float, calibration: "Calibration | None"
) -> Iterator[str]:
    from wfst_asr.lattice.best_path import best_path
    from wfst_asr.lattice.confidence import word_confidences

    for utterance, lattice in source:
        scale, penalty = source.acoustic_scale, source.insertion_penalty
        path = best_path(lattice, acoustic_scale=scale, insertion_penalty=penalty)
        words = source.words_of(path.word_ids)
        yield " ".join([utterance, *words])
        if entries is None:
            continue
        confidences = word_confidences(lattice, path.word_ids, acoustic_scale=scale, calibration=calibration)
        arcs = path.arcs[lattice.olabel[path.arcs] != 0]
        begins, ends = (np.asarray(lattice.frame[states]) for states in (lattice.source[arcs], lattice.nextstate[arcs]))
        entries += ctm_of(utterance, words, begins.tolist(), ends.tolist(), confidences.tolist(), frame_shift_ms)
