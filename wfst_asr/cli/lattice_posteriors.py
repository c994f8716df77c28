"""`wfst-asr lattice posteriors`: which words may lie where, with their probabilities."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from wfst_asr.cli.lattice_source import LatticeSource, source_options, write_lines


@click.command()
@source_options
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@click.option(
    "--min-posterior", default=0.01, show_default=True, type=click.FloatRange(0, 1), help="Leave out words below."
)
@click.option(
    "--frame-shift-ms",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Time from a frame to the next.",
)
def posteriors(output: Path | None, min_posterior: float, frame_shift_ms: float, **options: Any) -> None:
    """List the words of LATTICES by time: lines "UTTERANCE BEGIN END WORD POSTERIOR", times in seconds.

    The probability is that of the word with this begin and end; exact times are those of lattices with aligned words.
    """
    write_lines(_lines(LatticeSource.of_options(**options), min_posterior, frame_shift_ms / 1000), output)


def _lines(source: LatticeSource, min_posterior: float, frame_shift_s: float) -> Iterator[str]:
    from wfst_asr.lattice.posteriors import word_posteriors

    for utterance, lattice in source:
        found = word_posteriors(
            lattice, acoustic_scale=source.acoustic_scale, insertion_penalty=source.insertion_penalty
        )
        kept = found.posteriors >= min_posterior
        words = source.words_of(found.words[kept].tolist())
        rows = zip(
            found.begins[kept].tolist(), found.ends[kept].tolist(), words, found.posteriors[kept].tolist(), strict=True
        )
        for begin, end, word, posterior in rows:
            yield f"{utterance} {begin * frame_shift_s:.2f} {end * frame_shift_s:.2f} {word} {posterior:.4f}"
