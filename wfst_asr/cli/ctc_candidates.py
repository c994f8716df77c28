"""`wfst-asr ctc candidates SCORES [CANDIDATE...]`."""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.ctc_source import named, prefix_options, scores_options, search_options, tokens_and_scores
from wfst_asr.errors import WfstAsrError, WfstAsrWarning

if TYPE_CHECKING:
    from wfst_asr.ctc.candidates import CandidateRanking

_EXPLAINED = 3  # losers told in words


@click.command()
@scores_options
@click.argument("texts", metavar="[CANDIDATE]...", nargs=-1)
@click.option(
    "--lm", type=click.Path(path_type=Path), help="Language model of words (ARPA, plain or gzipped, or .ngram)."
)
@click.option("--lm-weight", default=1.0, show_default=True, type=click.FloatRange(0), help="Factor on its logarithms.")
@click.option("--word-bonus", default=0.0, show_default=True, help="Added for every word.")
@click.option("--nbest", default=10, show_default=True, type=click.IntRange(1), help="Candidates, where none is given.")
@search_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object an utterance.")
def candidates(
    scores: Path,
    tokens_path: Path,
    blank: str | None,
    utterance: str | None,
    texts: tuple[str, ...],
    lm: Path | None,
    lm_weight: float,
    word_bonus: float,
    nbest: int,
    beam: float,
    max_active: int,
    token_beam: float,
    as_json: bool,
) -> None:
    """Rank each CANDIDATE (a text; without any, the best of a prefix search) by its sound in SCORES and by its words.

    The score is the log probability of the letters, summed over alignments, plus the weighted log probability of the
    words, plus the bonus of each word.  Says why the best losers lose, and what it would take to win: more sound, more
    frequent words, or another weight, each alone.
    """
    from wfst_asr.lm.model_files import read_model
    from wfst_asr.recipe.letter_candidates import judge_candidates

    options = prefix_options(beam=beam, max_active=max_active, token_beam=token_beam)
    tokens, matrices = tokens_and_scores(scores, tokens_path, blank, utterance)
    model = read_model(lm) if lm else None
    unknown: dict[str, None] = {}
    for name, matrix in matrices:
        try:
            judged = judge_candidates(
                matrix,
                tokens,
                texts or None,
                model=model,
                lm_weight=lm_weight,
                word_bonus=word_bonus,
                num_candidates=nbest,
                options=options,
            )
        except WfstAsrError as error:
            raise named(name, error) from error
        unknown |= dict.fromkeys(judged.unknown)
        if as_json:
            click.echo(json.dumps(_record(name, judged.ranking), ensure_ascii=False))
        else:
            _show(name, judged.ranking)
    if unknown and model:
        from wfst_asr.lm.scoring import unknown_id

        taken = "impossible" if unknown_id(model) < 0 else "<unk>"
        shown = ", ".join(list(unknown)[:10]) + (" ..." if len(unknown) > 10 else "")
        warnings.warn(
            f"{lm} does not list {len(unknown)} of the words and takes them for {taken}: {shown}",
            WfstAsrWarning,
            stacklevel=2,
        )


def _show(name: str, ranking: "CandidateRanking") -> None:
    from rich.console import Console
    from rich.table import Table

    from wfst_asr.ctc.candidates import explain_loss

    table = Table(title=name, title_justify="left")
    table.add_column("candidate", overflow="fold")
    columns = ["sound", f"text x {ranking.lm_weight:g}", "score", "behind", "share"]
    for column in columns if ranking.has_lm else ["score", "behind", "share"]:
        table.add_column(column, justify="right")
    for one, share in zip(ranking.candidates, ranking.shares(), strict=True):
        parts = [f"{one.acoustic_logprob:.2f}", f"{one.lm_logprob:.2f}"] if ranking.has_lm else []
        behind = f"{ranking.winner.score - one.score:.2f}"
        table.add_row(one.text or "(nothing)", *parts, f"{one.score:.2f}", behind, f"{100 * share:.3g} %")
    Console(markup=False, highlight=False).print(table)
    for place in range(1, min(len(ranking.candidates), 1 + _EXPLAINED)):
        click.echo(explain_loss(ranking, place))


def _record(name: str, ranking: "CandidateRanking") -> dict[str, Any]:
    entries = []
    for place, (one, share) in enumerate(zip(ranking.candidates, ranking.shares(), strict=True)):
        entry: dict[str, Any] = {
            "text": one.text,
            "acoustic_logprob": _number(one.acoustic_logprob),
            "lm_logprob": _number(one.lm_logprob) if ranking.has_lm else None,
            "score": _number(one.score),
            "share": round(share, 6),
        }
        if place:
            need = ranking.overtaking(place)
            entry["to_win"] = {
                "gap": _number(need.gap),
                "lm_logprob": _number(need.lm_logprob),
                "lm_weight": _number(need.lm_weight),
                "wins": None if need.lm_weight is None else ("below" if need.wins_below else "above"),
            }
        entries.append(entry)
    return {
        "utterance": name,
        "lm_weight": ranking.lm_weight,
        "word_bonus": ranking.word_bonus,
        "candidates": entries,
    }


def _number(value: float | None) -> float | None:
    """Round; JSON has no infinity."""
    return None if value is None or not abs(value) < float("inf") else round(value, 4)
