"""`wfst-asr score REF HYP`: word and character error rates."""

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wfst_asr.score.wer import ErrorCounts, Scores

_MAX_NAMES = 10


@click.command()
@click.argument("reference", metavar="REF", type=click.Path(path_type=Path))
@click.argument("hypothesis", metavar="HYP", type=click.Path(path_type=Path))
@click.option("--utt2spk", metavar="FILE", type=click.Path(path_type=Path), help="Also count per speaker.")
@click.option("--cer", is_flag=True, help="Count characters (spaces too) in place of words.")
@click.option("--ignore-case", is_flag=True, help="Compare in lower case.")
@click.option("--per-utterance", is_flag=True, help="Also print every utterance's counts.")
@click.option("--aligned", is_flag=True, help="Also print the aligned text of utterances with errors, and confusions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; rates in percent.")
def score(
    reference: Path,
    hypothesis: Path,
    utt2spk: Path | None,
    cer: bool,
    ignore_case: bool,
    per_utterance: bool,
    aligned: bool,
    as_json: bool,
) -> None:
    """Compare the hypotheses HYP with the reference texts REF, utterance by utterance id.

    Both are Kaldi `text` files (UTTERANCE-ID WORD WORD ...) or folders that contain one.  Utterances that only one of
    them has are listed and not counted.
    """
    from wfst_asr.score.wer import characters, read_text, read_utt2spk, score_texts

    texts = [read_text(path) for path in (reference, hypothesis)]
    if ignore_case:
        texts = [{name: tuple(word.lower() for word in words) for name, words in text.items()} for text in texts]
    spelled = [{name: characters(words) for name, words in text.items()} for text in texts]
    scores = score_texts(*(spelled if cer else texts))
    letters = None if cer else score_texts(*spelled).total
    _hint_at_case(scores.total, texts, ignore_case=ignore_case)
    speakers = scores.by_speaker(read_utt2spk(utt2spk)) if utt2spk else {}
    unit = "cer" if cer else "wer"
    if as_json:
        told = _as_json(scores, speakers, unit=unit, per_utterance=per_utterance, aligned=aligned)
        if letters:
            told["cer"] = _percent(letters)
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        _print(scores, speakers, letters, unit=unit, per_utterance=per_utterance, aligned=aligned)


def _hint_at_case(total: "ErrorCounts", texts: list[dict[str, tuple[str, ...]]], *, ignore_case: bool) -> None:
    """Say so where the two sides write in different cases, as LibriSpeech's texts and a lower-case model do."""
    if ignore_case or 2 * total.hits > total.reference_length:
        return
    cases = [
        {word.isupper() for words in text.values() for word in words if word.isupper() != word.islower()}
        for text in texts
    ]
    if all(len(kinds) == 1 for kinds in cases) and cases[0] != cases[1]:
        click.echo("wfst-asr: note: one side is upper case and the other lower case; try --ignore-case", err=True)


def _print(
    scores: "Scores",
    speakers: dict[str, "ErrorCounts"],
    letters: "ErrorCounts | None",
    *,
    unit: str,
    per_utterance: bool,
    aligned: bool,
) -> None:
    from wfst_asr.score.report import aligned_text

    if aligned:
        width = max(40, shutil.get_terminal_size((100, 24)).columns)
        for utterance in scores.utterances:
            if utterance.counts.errors:
                click.echo(f"{utterance.utterance_id}\n{aligned_text(utterance, width=width)}\n")
        _print_confusions(scores)
    if per_utterance:
        for utterance in scores.utterances:
            click.echo(f"{utterance.utterance_id}  {_line(utterance.counts, unit)}")
    for speaker, counts in speakers.items():
        click.echo(f"speaker {speaker}  {_line(counts, unit)}")
    click.echo(f"{_line(scores.total, unit)}, {len(scores.utterances)} utterances")
    if letters:
        click.echo(_line(letters, "cer"))
    for names, lack in ((scores.without_hypothesis, "hypothesis"), (scores.without_reference, "reference")):
        if names:
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            click.echo(f"not counted, no {lack}: {' '.join(names[:_MAX_NAMES])}{more} ({len(names)} in all)")


def _print_confusions(scores: "Scores") -> None:
    from wfst_asr.score.report import count_confusions

    confusions = count_confusions(scores)
    lists = (
        ("substituted", [(f"{left} -> {right}", count) for (left, right), count in confusions.substitutions]),
        ("inserted", list(confusions.insertions)),
        ("deleted", list(confusions.deletions)),
    )
    for name, entries in lists:
        if entries:
            click.echo(f"most often {name}: " + ", ".join(f"{token} ({count})" for token, count in entries))


def _percent(counts: "ErrorCounts") -> float | None:
    return round(100 * counts.error_rate, 2) if math.isfinite(counts.error_rate) else None


def _line(counts: "ErrorCounts", unit: str) -> str:
    percent = _percent(counts)
    rate = "undefined (empty reference)" if percent is None else f"{percent:.2f} %"
    return (
        f"{unit.upper()} {rate}: {counts.errors} of {counts.reference_length} "
        f"({counts.substitutions} sub, {counts.insertions} ins, {counts.deletions} del)"
    )


def _counts_as_json(counts: "ErrorCounts", unit: str) -> dict[str, Any]:
    return {
        unit: _percent(counts),
        "errors": counts.errors,
        "reference_length": counts.reference_length,
        "hits": counts.hits,
        "substitutions": counts.substitutions,
        "insertions": counts.insertions,
        "deletions": counts.deletions,
    }


def _as_json(
    scores: "Scores", speakers: dict[str, "ErrorCounts"], *, unit: str, per_utterance: bool, aligned: bool
) -> dict[str, Any]:
    """Return the whole report; a rate that is undefined (errors against an empty reference) is null."""
    from wfst_asr.score.report import count_confusions

    told: dict[str, Any] = {
        **_counts_as_json(scores.total, unit),
        "utterances": len(scores.utterances),
        "without_hypothesis": scores.without_hypothesis,
        "without_reference": scores.without_reference,
    }
    if speakers:
        told["by_speaker"] = {name: _counts_as_json(counts, unit) for name, counts in speakers.items()}
    if per_utterance:
        told["by_utterance"] = {u.utterance_id: _counts_as_json(u.counts, unit) for u in scores.utterances}
    if aligned:
        confusions = count_confusions(scores)
        told["aligned"] = {u.utterance_id: u.alignment for u in scores.utterances}
        told["confusions"] = {
            "substitutions": [[*pair, count] for pair, count in confusions.substitutions],
            "insertions": confusions.insertions,
            "deletions": confusions.deletions,
        }
    return told
