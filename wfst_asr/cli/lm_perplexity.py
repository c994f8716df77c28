"""`wfst-asr lm perplexity LM TEXT`."""

import json
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.text_progress import progress_of_texts
from wfst_asr.errors import WfstAsrError, WfstAsrWarning

if TYPE_CHECKING:
    from wfst_asr.lm.perplexity import Perplexity, SentenceScores

_MAX_WORDS = 20
_MAX_SENTENCES = 10_000


@click.command()
@click.argument("model", metavar="LM", type=click.Path(path_type=Path))
@click.argument("text", metavar="TEXT", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--order", metavar="N", type=click.IntRange(min=1), help="Use n-grams up to this length only.")
@click.option("--unk", "score_unknown", is_flag=True, help="Score words out of the vocabulary as <unk>.")
@click.option(
    "--sentences/--no-sentences",
    "per_sentence",
    default=None,
    help=f"With --json, list every sentence. Default: where the text has at most {_MAX_SENTENCES} of them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def perplexity(
    model: Path, text: Path, order: int | None, score_unknown: bool, per_sentence: bool | None, as_json: bool
) -> None:
    """Tell how well the language model LM predicts TEXT, one sentence a line, plain or gzipped (- reads it from stdin).

    Words out of the vocabulary are listed and left out; log probabilities are natural logarithms.  The perplexity
    without ends of sentences is SRILM's ppl1: all probabilities, divided among the words only.
    """
    from wfst_asr.lm.model_files import read_model
    from wfst_asr.lm.perplexity import text_perplexity
    from wfst_asr.lm.text import read_text

    read = read_model(model)
    with progress_of_texts([text]) as (progress, report):
        spoken = read_text(text, progress=progress)
        if per_sentence is None:
            per_sentence = spoken.num_sentences <= _MAX_SENTENCES
        report("scoring")
        try:
            result = text_perplexity(
                read, spoken, order=order, score_unknown=score_unknown, per_sentence=per_sentence and as_json
            )
        except WfstAsrError as error:
            raise WfstAsrError(f"{model} and {text}: {error}") from error
    if result.zero_probability:
        warnings.warn(
            f"{result.zero_probability} words or ends of sentences have probability 0 and are left out: "
            f"{_listed(result.zero_words)}",
            WfstAsrWarning,
            stacklevel=1,
        )
    if as_json:
        click.echo(json.dumps(_as_json(result), ensure_ascii=False))
    else:
        _print(result, text)


def _print(result: "Perplexity", text: Path) -> None:
    share = f" ({100 * result.oov / result.words:.2f} %)" if result.words else ""
    click.echo(f"{text}: {result.sentences} sentences, {result.words} words, {result.oov} out of vocabulary{share}")
    click.echo(f"  perplexity                {_number(result.perplexity)}")
    click.echo(f"  without ends of sentences {_number(result.perplexity_without_eos)}")
    click.echo(f"  log probability           {result.log_prob:>12.2f}")
    if result.zero_probability:
        click.echo(f"  probability zero          {result.zero_probability:>12}")
    for order, (count, rate) in enumerate(zip(result.hits, result.hit_rates, strict=True), start=1):
        click.echo(f"  by {order}-grams                {count:>12}  {100 * rate:6.2f} %")
    if result.oov_words:
        what = "out of vocabulary" if result.oov else "scored as <unk>"
        click.echo(f"  {what}: {_listed(result.oov_words)}")


def _number(value: float | None) -> str:
    return f"{'undefined' if value is None else f'{value:.4f}':>12}"


def _listed(words: dict[str, int]) -> str:
    more = f" and {len(words) - _MAX_WORDS} more" if len(words) > _MAX_WORDS else ""
    return ", ".join(f"{word} ({count})" for word, count in list(words.items())[:_MAX_WORDS]) + more


def _as_json(result: "Perplexity") -> dict[str, Any]:
    return {
        "perplexity": result.perplexity,
        "perplexity_without_eos": result.perplexity_without_eos,
        "words": result.words,
        "oov": result.oov,
        "sentences": result.sentences,
        "zero_probability": result.zero_probability,
        "log_prob": result.log_prob,
        "log10_prob": result.log_prob / math.log(10),
        "hits": {str(order): count for order, count in enumerate(result.hits, start=1)},
        "hit_rates": {str(order): rate for order, rate in enumerate(result.hit_rates, start=1)},
        "oov_words": result.oov_words,
        "zero_probability_words": result.zero_words,
        "per_sentence": None if result.per_sentence is None else _sentences(result.per_sentence),
    }


def _sentences(scores: "SentenceScores") -> list[dict[str, Any]]:
    columns = (scores.words.tolist(), scores.oov.tolist(), scores.zero_probability.tolist(), scores.log_prob.tolist())
    return [
        {
            "words": words,
            "oov": oov,
            "zero_probability": zero,
            "log_prob": log_prob,
            "perplexity": scores.perplexity(sentence),
        }
        for sentence, (words, oov, zero, log_prob) in enumerate(zip(*columns, strict=True))
    ]
