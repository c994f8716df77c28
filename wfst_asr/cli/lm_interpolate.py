"""`wfst-asr lm interpolate MODEL MODEL... OUT`."""

from pathlib import Path

import click


@click.command()
@click.argument("models", metavar="MODEL MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--weights", metavar="W,W...", help="Share of each model, such as 0.3,0.7.  [default: equal shares]")
@click.option(
    "--tune",
    metavar="TEXT",
    type=click.Path(path_type=Path),
    help="Find the weights under which TEXT is most probable.",
)
def interpolate(models: tuple[Path, ...], output: Path, weights: str | None, tune: Path | None) -> None:
    """Mix language models linearly: the probability of an n-gram in OUT is the weighted sum of the models' ones.

    OUT has the words and the n-grams of all models.  A word that a model does not list has probability 0 there.
    """
    if weights is not None and tune is not None:
        raise click.UsageError("--weights and --tune exclude each other")
    if len(models) < 2:
        raise click.UsageError("give two or more models, and the file to write")
    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.lm.interpolate import check_weights, tune_weights
    from wfst_asr.lm.interpolate import interpolate as interpolate_models
    from wfst_asr.lm.model_files import read_model, write_model
    from wfst_asr.lm.text import read_text

    check_writable_folder(output.parent)
    shares = [1 / len(models)] * len(models)
    if weights is not None:
        shares = check_weights(_numbers(weights), len(models)).tolist()
    text = None if tune is None else read_text(tune)
    read = [read_model(model) for model in models]
    if text is not None:
        tuned = tune_weights(read, text)
        shares = list(tuned.weights)
        click.echo(
            f"{tune}: perplexity {tuned.perplexity_before:.4f} with equal weights, {tuned.perplexity_after:.4f} after "
            f"{tuned.iterations} iterations ({tuned.num_events} words and ends, {tuned.num_left_out} left out)"
        )
    for model, share in zip(models, shares, strict=True):
        click.echo(f"  {share:.6f}  {model}")
    mixed = interpolate_models(read, shares)
    write_model(mixed, output)
    click.echo(f"{output}: {len(mixed.words)} words, n-grams {' '.join(map(str, mixed.num_ngrams))}")


def _numbers(weights: str) -> list[float]:
    try:
        return [float(weight) for weight in weights.split(",")]
    except ValueError:
        raise click.BadParameter(f"'{weights}', expected numbers such as 0.3,0.7", param_hint="--weights") from None
