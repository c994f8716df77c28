"""`wfst-asr lm info`: what a language model holds."""

import json
from pathlib import Path

import click

_SOUND = 1e-6


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(model: Path, as_json: bool) -> None:
    """Show the order, the n-grams and the size of the language MODEL, and whether its probabilities sum to one."""
    import numpy as np

    from wfst_asr.lm.history_sums import largest_deviation
    from wfst_asr.lm.model_files import read_model

    read = read_model(model)
    marks = [mark for mark in ("<s>", "</s>", "<unk>", "<UNK>") if mark in read.word_ids]
    arrays = sum(
        a.nbytes for level in read.levels for a in (level.word, level.log_prob, level.backoff, level.first_child)
    )
    deviation = largest_deviation(read, np.random.default_rng(0))
    if as_json:
        facts = {
            "order": read.order,
            "ngrams": list(read.num_ngrams),
            "words": len(read.words),
            "marks": marks,
            "file_bytes": model.stat().st_size,
            "memory_bytes": arrays,
            "largest_deviation": deviation,
        }
        click.echo(json.dumps(facts))
        return
    among = f" ({', '.join(marks)} among them)" if marks else ""
    click.echo(f"{model}: order {read.order}, {len(read.words)} words{among}")
    for order, count in enumerate(read.num_ngrams, start=1):
        click.echo(f"  {order}-grams  {count:>10}")
    click.echo(f"  {model.stat().st_size} bytes in the file, {arrays} in memory")
    told = "sum to one" if deviation < _SOUND else "do not sum to one"
    click.echo(f"  probabilities {told} after the histories looked at: off by {deviation:.2g} at most")
