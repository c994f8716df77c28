"""`wfst-asr lattice oracle`: the lowest error rate that a path of each lattice has."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.lattice_source import LatticeSource, source_options, write_lines
from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.lattice.oracle import OracleCounts


@click.command()
@source_options
@click.argument("reference", metavar="TEXT", type=click.Path(path_type=Path))
@click.option("--ignore", "ignored", multiple=True, metavar="WORD", help="No word, such as a silence; may be repeated.")
@click.option("--output", type=click.Path(path_type=Path), help="Also write the words of the nearest paths.")
@click.option("--per-utterance", is_flag=True, help="Also print every utterance's counts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; rates in percent.")
def oracle(
    reference: Path, ignored: tuple[str, ...], output: Path | None, per_utterance: bool, as_json: bool, **options: Any
) -> None:
    """Tell how near the paths of LATTICES come to the words of TEXT (a Kaldi text file, or a folder with one).

    Depth is the number of arcs alive in a frame, on the average.
    """
    from wfst_asr.lattice import oracle as nearest
    from wfst_asr.score.wer import read_text

    source = LatticeSource.of_options(**options)
    references = read_text(reference)
    no_words = {label for label in source.labels_of(ignored) if label > 0}
    found, skipped = {}, []
    for utterance, lattice in source:
        if utterance not in references:
            skipped.append(utterance)
            continue
        labels = source.labels_of([word for word in references[utterance] if word not in ignored])
        found[utterance] = nearest.oracle(lattice, labels, ignored=no_words, acoustic_scale=source.acoustic_scale)
    if not found:
        raise WfstAsrError(
            f"{reference} has none of the {len(skipped)} utterances of {source.path}; give the text of these recordings"
        )
    if output:
        write_lines((" ".join([u, *source.words_of(one.path.word_ids)]) for u, one in found.items()), output)
    total = nearest.total_counts(found.values())
    missing = [utterance for utterance in references if utterance not in found]
    if as_json:
        record = {
            **_record(total),
            "utterances": len(found),
            "without_reference": skipped,
            "without_lattice": missing,
        }
        if per_utterance:
            record["by_utterance"] = {utterance: _record(one.counts) for utterance, one in found.items()}
        click.echo(json.dumps(record, ensure_ascii=False))
        return
    if per_utterance:
        for utterance, one in found.items():
            click.echo(f"{utterance}  {_line(one.counts)}")
    click.echo(f"{_line(total)}, {len(found)} utterances")
    for names, lack in ((missing, "lattice"), (skipped, "reference")):
        if names:
            click.echo(f"not counted, no {lack}: {names[0]}{' ...' if len(names) > 1 else ''} ({len(names)} in all)")


def _record(counts: "OracleCounts") -> dict[str, Any]:
    return {
        "wer": round(100 * counts.error_rate, 2) if math.isfinite(counts.error_rate) else None,
        "errors": counts.errors,
        "reference_length": counts.reference_length,
        "hits": counts.hits,
        "substitutions": counts.substitutions,
        "insertions": counts.insertions,
        "deletions": counts.deletions,
        "depth": round(counts.density, 3),
    }


def _line(counts: "OracleCounts") -> str:
    rate = f"{100 * counts.error_rate:.2f} %" if math.isfinite(counts.error_rate) else "undefined (empty reference)"
    return (
        f"oracle WER {rate}: {counts.errors} of {counts.reference_length} ({counts.substitutions} sub, "
        f"{counts.insertions} ins, {counts.deletions} del), depth {counts.density:.2f}"
    )
