"""`wfst-asr lm diagnose`: how sparse a text is, and what smoothing it allows."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.text_progress import progress_of_texts

if TYPE_CHECKING:
    from wfst_asr.lm.diagnose import Diagnosis, OrderDiagnosis, Unseen


@click.command()
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option("--order", default=3, show_default=True, type=click.IntRange(1, 6), help="Words of the longest n-grams.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw coverage and counts of counts into this image.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diagnose(texts: tuple[str, ...], order: int, plot: Path | None, as_json: bool) -> None:
    """Tell how many n-grams of one half of TEXT the other half lacks, and what its counts allow.

    TEXT is one sentence a line, plain or gzipped; several files are taken as one text.
    """
    from wfst_asr.lm.diagnose import diagnose_text
    from wfst_asr.lm.text import read_text

    if plot is not None:
        from wfst_asr.atomic_files import check_writable_folder
        from wfst_asr.plots.language_model import check_plot, plot_diagnosis

        check_writable_folder(plot.parent)
        check_plot(plot)
    with progress_of_texts(texts) as (progress, report):
        text = read_text(texts, progress=progress)
        found = diagnose_text(text, order=order, report=report)
    if plot is not None:
        plot_diagnosis(found, plot)
    if as_json:
        click.echo(json.dumps(_facts(found)))
    else:
        _print(found)


def _facts(found: "Diagnosis") -> dict[str, Any]:
    return {
        "sentences": found.num_sentences,
        "words": found.num_tokens,
        "vocabulary": found.num_types,
        "orders": [
            {
                "order": one.order,
                "second_half_unseen_in_first": _unseen_facts(one.second_half),
                "even_sentences_unseen_in_odd": _unseen_facts(one.alternating),
                "counts_of_counts": [one.counts.number(r) for r in range(1, 11)],
                "good_turing": [None if math.isnan(r) else r for r in one.good_turing],
                "absolute": one.absolute,
                "modified_kneser_ney": one.modified,
                "smoothing_notes": one.notes,
            }
            for one in found.orders
        ],
        "coverage": [{"size": c.size, "covered": c.covered, "oov_rate": c.oov_rate} for c in found.coverage],
        "advice": found.advice,
    }


def _unseen_facts(half: "Unseen | None") -> dict[str, float] | None:
    if half is None:
        return None
    return {
        "tokens": half.tokens,
        "unseen_tokens": half.unseen_tokens,
        "token_share": half.token_share,
        "types": half.types,
        "unseen_types": half.unseen_types,
        "type_share": half.type_share,
    }


def _print(found: "Diagnosis") -> None:
    click.echo(
        f"{found.num_tokens:,} words in {found.num_sentences:,} sentences, {found.num_types:,} of them different"
    )
    for title, halves in (
        ("n-grams of the second half that the first half lacks", [one.second_half for one in found.orders]),
        ("n-grams of the even sentences that the odd ones lack", [one.alternating for one in found.orders]),
    ):
        click.echo(f"\n{title}")
        for one, half in zip(found.orders, halves, strict=True):
            if half is None:
                click.echo("  (a single sentence has no halves)")
                break
            running = f"{half.token_share:7.1%} of running ones ({half.unseen_tokens:,}/{half.tokens:,})"
            different = f"{half.type_share:7.1%} of different ones ({half.unseen_types:,}/{half.types:,})"
            click.echo(f"  {one.order}-grams  {running}, {different}")
    for one in found.orders:
        _print_order(one)
    click.echo(
        "\nvocabulary of the commonest words: running words covered; words of the second half outside the first's"
    )
    for c in found.coverage:
        outside = "" if c.oov_rate is None else f"  {c.oov_rate:8.3%}"
        click.echo(f"  {c.size:>10,}  {c.covered:8.3%}{outside}")
    click.echo(f"\n{found.advice}")


def _print_order(one: "OrderDiagnosis") -> None:
    click.echo(f"\n{one.order}-grams")
    click.echo("  count r       " + "".join(f"{r:>11}" for r in range(1, 11)))
    click.echo("  n_r           " + "".join(f"{one.counts.number(r):>11,}" for r in range(1, 11)))
    click.echo("  Good-Turing r*" + "".join(f"{'-' if math.isnan(r) else f'{r:.3f}':>11}" for r in one.good_turing))
    amounts = "cannot be estimated" if one.modified is None else ", ".join(f"{amount:.3f}" for amount in one.modified)
    absolute = "cannot be estimated" if one.absolute is None else f"{one.absolute:.3f}"
    click.echo(f"  absolute discount {absolute}; modified Kneser-Ney's three: {amounts}")
    fine = [name for name, note in one.notes.items() if note is None]
    if fine:
        click.echo(f"  by its own formula: {', '.join(fine)}")
    for name, note in one.notes.items():
        if note is not None:
            click.echo(f"  {name}: {note}")
