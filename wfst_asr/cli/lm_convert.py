"""`wfst-asr lm convert`: a language model from one form to another."""

from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--add-histories", is_flag=True, help="List histories of n-grams that are not listed themselves.")
def convert(model: Path, output: Path, add_histories: bool) -> None:
    """Convert MODEL (ARPA, gzipped or not, or binary) to the form that the name of OUTPUT asks for.

    .arpa and .arpa.gz are ARPA, .ngram is the binary form, which loads in milliseconds.
    """
    from wfst_asr.lm.model_files import read_model, write_model

    read = read_model(model, add_histories=add_histories)
    write_model(read, output)
    counts = ", ".join(f"{count} {order}-grams" for order, count in enumerate(read.num_ngrams, start=1))
    click.echo(f"{output}: {counts}, {output.stat().st_size} bytes")
