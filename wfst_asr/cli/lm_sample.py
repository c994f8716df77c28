"""`wfst-asr lm sample LM`."""

from pathlib import Path

import click


@click.command()
@click.argument("model", metavar="LM", type=click.Path(path_type=Path))
@click.option("--num", type=click.IntRange(min=1), default=10, show_default=True, help="Sentences.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Other numbers, other sentences."
)
@click.option(
    "--max-words", type=click.IntRange(min=1), default=200, show_default=True, help="Cut sentences at this length."
)
@click.option("--prefix", metavar="WORDS", default="", help="Words with which every sentence begins.")
def sample(model: Path, num: int, seed: int, max_words: int, prefix: str) -> None:
    """Draw sentences from the language model LM by their probabilities, one a line."""
    import numpy as np

    from wfst_asr.lm.model_files import read_model
    from wfst_asr.lm.sample import sample_sentences

    sentences = sample_sentences(
        read_model(model), num, np.random.default_rng(seed), max_words=max_words, prefix=prefix.split()
    )
    click.echo("\n".join(" ".join(sentence) for sentence in sentences))
