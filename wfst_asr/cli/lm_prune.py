"""`wfst-asr lm prune`: a smaller language model, by relative entropy."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--threshold", type=float, help="Remove n-grams whose loss raises the perplexity by less, such as 1e-8.")
@click.option("--max-ngrams", type=click.IntRange(1), help="Keep this many n-grams of all orders, unigrams included.")
@click.option(
    "--history-model",
    type=click.Path(path_type=Path),
    help="Model for the probabilities of histories; for Kneser-Ney models one of another smoothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def prune(
    model: Path,
    output: Path,
    threshold: float | None,
    max_ngrams: int | None,
    history_model: Path | None,
    as_json: bool,
) -> None:
    """Prune MODEL by relative entropy (Stolcke 1998) into OUT, with --threshold or --max-ngrams.

    OUT is an ARPA file, gzipped if its name ends in .gz, or the memory-mapped form if it ends in .ngram.
    """
    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.lm import prune as pruning
    from wfst_asr.lm.model_files import read_model, write_model

    if (threshold is None) == (max_ngrams is None):
        raise click.UsageError("give either --threshold or --max-ngrams")
    check_writable_folder(output.parent)
    whole = read_model(model)
    history = read_model(history_model) if history_model is not None else None
    pruned = pruning.prune(whole, threshold=threshold, max_ngrams=max_ngrams, history_model=history)
    write_model(pruned, output)
    if as_json:
        click.echo(json.dumps({"before": list(whole.num_ngrams), "after": list(pruned.num_ngrams)}))
        return
    after = pruned.num_ngrams + (0,) * (whole.order - pruned.order)
    click.echo(f"{output}: {sum(after):,} of {sum(whole.num_ngrams):,} n-grams")
    for order, (old, new) in enumerate(zip(whole.num_ngrams, after, strict=True), start=1):
        click.echo(f"  {order}-grams  {old:>12,} -> {new:>12,}")
