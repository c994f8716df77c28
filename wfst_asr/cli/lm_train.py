"""`wfst-asr lm train`: from texts to a back-off model."""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wfst_asr.cli.text_progress import progress_of_texts
from wfst_asr.errors import WfstAsrError, WfstAsrWarning

if TYPE_CHECKING:
    from wfst_asr.lm.text import Text

_SMOOTHINGS = (
    "maximum-likelihood",
    "add-k",
    "good-turing",
    "katz",
    "witten-bell",
    "absolute",
    "kneser-ney",
    "modified-kneser-ney",
)


class _ManyNumbers(click.Command):
    """A command whose option --cutoffs takes the numbers after it: `--cutoffs 1 1 2`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        joined: list[str] = []
        for arg in args:
            if joined and arg.isdigit() and len(joined) >= 2 and joined[-2] == "--cutoffs" and joined[-1][:1].isdigit():
                joined[-1] += f" {arg}"
            else:
                joined.append(arg)
        return super().parse_args(ctx, joined)


@click.command(cls=_ManyNumbers)
@click.argument("texts", nargs=-1, required=True)
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--order", default=3, show_default=True, type=click.IntRange(1, 6), help="Words of the longest n-grams.")
@click.option(
    "--smoothing",
    type=click.Choice(_SMOOTHINGS),
    help="[default: modified-kneser-ney, interpolated; good-turing with --srilm]",
)
@click.option("--interpolate", is_flag=True, help="Mix with lower orders also where an n-gram was seen.")
@click.option("--vocab", type=click.Path(path_type=Path), help="File of the words to keep, one a line.")
@click.option("--vocab-size", type=click.IntRange(1), help="Keep this many of the commonest words.")
@click.option("--unk/--no-unk", default=None, help="List <unk>, which stands for words outside.")
@click.option("--cutoffs", help="Smallest count kept of each order, such as 1 1 2.")
@click.option("--katz-k", default=5, show_default=True, help="Counts above it are not discounted (katz).")
@click.option("--k", default=1.0, show_default=True, help="What add-k adds to every count.")
@click.option(
    "--srilm", is_flag=True, help="SRILM's defaults: cutoffs 1 1 2 2, Good-Turing up to count 7, its weights."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def train(
    texts: tuple[str, ...],
    output: Path,
    order: int,
    smoothing: str | None,
    interpolate: bool,
    vocab: Path | None,
    vocab_size: int | None,
    unk: bool | None,
    cutoffs: str | None,
    katz_k: int,
    k: float,
    srilm: bool,
    as_json: bool,
) -> None:
    """Count the n-grams of TEXTS (one sentence a line, plain or gzipped) and smooth them into the model OUTPUT.

    OUTPUT is an ARPA file, gzipped if its name ends in .gz, or the memory-mapped form if it ends in .ngram.
    """
    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.lm.counts import count_ngrams
    from wfst_asr.lm.estimate import EstimateOptions, estimate_model
    from wfst_asr.lm.model_files import write_model
    from wfst_asr.lm.text import read_text

    if vocab is not None and vocab_size is not None:
        raise click.UsageError("give --vocab or --vocab-size, not both")
    options = EstimateOptions(
        smoothing=smoothing or ("good-turing" if srilm else "modified-kneser-ney"),
        interpolate=interpolate or (smoothing is None and not srilm),
        cutoffs=_numbers(cutoffs) if cutoffs is not None else None,
        katz_threshold=katz_k,
        k=k,
        srilm=srilm,
    )
    check_writable_folder(output.parent)
    with progress_of_texts(texts) as (progress, report):
        text = read_text(texts, progress=progress)
        num_tokens, num_sentences = text.num_tokens, text.num_sentences
        vocabulary, unknown = _vocabulary(text, vocab, vocab_size, unk)
        num_oov = _num_outside(text, vocabulary)
        counts = count_ngrams(text, order, vocabulary=vocabulary, unknown=unknown, report=report)
        del text
        estimated = estimate_model(counts, options, report=report)
        del counts
        report(f"writing {output.name}")
        write_model(estimated.model, output)
    for note in estimated.notes:
        warnings.warn(note, WfstAsrWarning, stacklevel=1)
    model = estimated.model
    if as_json:
        facts = {
            "sentences": num_sentences,
            "words": num_tokens,
            "oov": num_oov,
            "vocabulary": len(model.words),
            "ngrams": list(model.num_ngrams),
            "notes": list(estimated.notes),
        }
        click.echo(json.dumps(facts))
        return
    sizes = ", ".join(f"{n:,} {i}-grams" for i, n in enumerate(model.num_ngrams, start=1))
    outside = f", {num_oov:,} of the running words are not" if num_oov else ""
    click.echo(
        f"{output}: {sizes}, from {num_tokens:,} words in {num_sentences:,} sentences; {len(model.words):,} words "
        f"known{outside}"
    )


def _numbers(text: str) -> tuple[int, ...]:
    fields = text.replace(",", " ").split()
    if not fields or not all(field.isdigit() for field in fields):
        raise WfstAsrError(f"--cutoffs '{text}', expected counts such as 1 1 2")
    return tuple(int(field) for field in fields)


def _vocabulary(
    text: "Text", vocab: Path | None, vocab_size: int | None, unk: bool | None
) -> tuple[tuple[str, ...] | None, str | None]:
    """Return the words to keep, None for all, and the word that stands for the others, None for none."""
    from wfst_asr.lm.counts import commonest_words
    from wfst_asr.lm.text import read_vocabulary

    if vocab is None and vocab_size is None:
        return (text.words, "<unk>") if unk else (None, None)
    words = read_vocabulary(vocab) if vocab is not None else commonest_words(text, vocab_size or 0)
    if unk is None:
        unk = bool(set(text.words[2:]) - set(words))
    return words, "<unk>" if unk else None


def _num_outside(text: "Text", vocabulary: tuple[str, ...] | None) -> int:
    import numpy as np

    if vocabulary is None:
        return 0
    known = {"<s>", "</s>", *vocabulary}
    outside = np.array([word not in known for word in text.words])
    return int(np.count_nonzero(outside[text.ids]))
