"""`wfst-asr lattice mbr`: the words of minimum Bayes risk, with confidences and confusion networks."""

import json
from collections.abc import Iterator
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
    from wfst_asr.io.ctm import CtmWord
    from wfst_asr.lattice.confidence import Calibration
    from wfst_asr.lattice.confusion import ConfusionNetwork


@click.command()
@source_options
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@ctm_options
@click.option("--ignore", "ignored", multiple=True, metavar="WORD", help="No word, such as a silence; may be repeated.")
@click.option("--networks", type=click.Path(path_type=Path), help="Also write confusion networks, one JSON a line.")
@click.option(
    "--min-posterior",
    default=0.001,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Leave words below out of the networks that are written.",
)
def mbr(
    output: Path | None,
    ctm: Path | None,
    frame_shift_ms: float | None,
    calibration: Path | None,
    graph: Path | None,
    transitions: Path | None,
    ignored: tuple[str, ...],
    networks: Path | None,
    min_posterior: float,
    **options: Any,
) -> None:
    """Write the words of LATTICES that have the least expected number of errors: lines "UTTERANCE WORD ...".

    A network is a sequence of bins, each with words that exclude each other and their posteriors; "<eps>" is no word.
    Times are means over the paths, of where the lattice has its words; with --graph of where they are.
    """
    from wfst_asr.decoder.lattice_words import network_times
    from wfst_asr.io.ctm import write_ctm
    from wfst_asr.lattice.confusion import confusion_network
    from wfst_asr.score.calibration import load_calibration

    source = LatticeSource.of_options(**options)
    calibrated: Calibration | None = load_calibration(calibration) if calibration else None
    aligner, shift_ms = alignment_graph(ctm, graph, transitions, frame_shift_ms)
    no_words = frozenset(label for label in source.labels_of(ignored) if label > 0)
    entries: list[CtmWord] = []
    kept: list[str] = []
    inexact = 0

    def lines() -> Iterator[str]:
        nonlocal inexact
        for utterance, lattice in source:
            found = confusion_network(
                lattice,
                acoustic_scale=source.acoustic_scale,
                insertion_penalty=source.insertion_penalty,
                ignored=no_words,
            )
            words = source.words_of(found.hypothesis)
            yield " ".join([utterance, *words])
            confidences = found.confidences if calibrated is None else calibrated(found.confidences)
            if ctm:
                begins, ends = found.word_begins, found.word_ends
                if aligner is not None:
                    begins, ends, exact = network_times(
                        aligner,
                        lattice,
                        found,
                        no_words=no_words,
                        acoustic_scale=source.acoustic_scale,
                        insertion_penalty=source.insertion_penalty,
                    )
                    inexact += not exact
                times = begins.tolist(), ends.tolist()
                entries.extend(ctm_of(utterance, words, *times, confidences.tolist(), shift_ms))
            if networks:
                kept.append(json.dumps(_record(source, utterance, found, shift_ms, min_posterior)))

    write_lines(lines(), output)
    if ctm:
        warn_of_times(inexact)
        write_ctm(entries, ctm)
    if networks:
        write_lines(kept, networks)


def _record(
    source: LatticeSource, utterance: str, found: "ConfusionNetwork", frame_shift_ms: float, min_posterior: float
) -> dict[str, Any]:
    def seconds(frames: float) -> float:
        return round(frames * frame_shift_ms / 1000, 3)

    def name(label: int) -> str:
        return source.words_of([label])[0] if label else "<eps>"

    return {
        "utterance": utterance,
        "words": source.words_of(found.hypothesis),
        "confidences": [round(float(c), 4) for c in found.confidences],
        "bayes_risk": round(found.bayes_risk, 4),
        "bins": [
            {
                "begin_s": seconds(found.bin_begins[b]),
                "end_s": seconds(found.bin_ends[b]),
                "words": [[name(label), round(p, 4)] for label, p in found.bin(b) if p >= min_posterior],
            }
            for b in range(found.num_bins)
        ],
    }
