"""`wfst-asr graph add-words`: new words in a compiled graph."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wfst_asr.lexicon.lexicon import Pronunciation
    from wfst_asr.recipe.added_proof import DecodedWord
    from wfst_asr.recipe.added_words import AddedWords

_DEFAULT_PROB = 1e-4


@click.command("add-words")
@click.argument("graph", metavar="GRAPH", type=click.Path(path_type=Path))
@click.argument("out_graph", metavar="OUT_GRAPH", type=click.Path(path_type=Path))
@click.option(
    "--lexicon", type=click.Path(path_type=Path), help="Their pronunciations: lines of a word and its phones."
)
@click.option(
    "--word", "words", multiple=True, metavar="WORD", help="Only this word of the lexicon, or a word to guess."
)
@click.option("--guess", is_flag=True, help="Guess the pronunciations of --word from the spelling.")
@click.option(
    "--prob",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    help="Probability of each word where the language model backs off to single words.  [default: 0.0001]",
)
@click.option("--class-cost", "cost", type=float, metavar="COST", help="The same as a cost: -ln of the probability.")
@click.option("--like", metavar="WORD", help="The same as for WORD of the graph.")
@click.option("--model", "model_dir", metavar="DIR", type=click.Path(path_type=Path), help="The model of an HCLG.")
@click.option("--prove/--no-prove", default=True, show_default=True, help="Decode sentences with the new words.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def add_words(
    graph: Path,
    out_graph: Path,
    lexicon: Path | None,
    words: tuple[str, ...],
    guess: bool,
    prob: float | None,
    cost: float | None,
    like: str | None,
    model_dir: Path | None,
    prove: bool,
    as_json: bool,
) -> None:
    """Write OUT_GRAPH: the graph folder GRAPH with new words, without compiling it again.

    What GRAPH accepts keeps its costs.  New words may stand everywhere, at the cost of backing off and their own;
    behind them the language model knows no history.  Graphs of triphones or monophones need --model, those of CTC and
    of English do not.  The exit status is 1 where a new word was not decoded.
    """
    from wfst_asr.cli.step_progress import print_steps, progress_of_steps
    from wfst_asr.recipe.added_proof import prove_added_words
    from wfst_asr.recipe.added_words import NewWordCost, add_words_to_graph

    if sum(value is not None for value in (prob, cost, like)) > 1:
        raise click.UsageError("give one of --prob, --class-cost and --like")
    entries = _entries(graph, lexicon, words, guess=guess, model_dir=model_dir)
    how_likely = NewWordCost(_DEFAULT_PROB if cost is None and like is None and prob is None else prob, cost, like)
    with progress_of_steps() as report:
        made = add_words_to_graph(graph, out_graph, entries, how_likely, model_dir=model_dir, report=report)
    proof = prove_added_words(out_graph, entries, vocabulary=made.vocabulary) if prove else []
    if as_json:
        click.echo(json.dumps(_record(made, proof)))
    else:
        print_steps(made.manifest.steps[-3:])
        _tell(made, proof)
    if any(not word.is_found and not alike for word, alike in zip(proof, made.sounds_like, strict=False)):
        raise SystemExit(1)


def _entries(
    graph: Path, lexicon: Path | None, words: tuple[str, ...], *, guess: bool, model_dir: Path | None
) -> "list[Pronunciation]":
    from wfst_asr.errors import WfstAsrError
    from wfst_asr.lexicon.files import read_lexicon
    from wfst_asr.recipe.graph_vocabulary import read_graph_vocabulary
    from wfst_asr.recipe.guessed_words import guess_pronunciations

    if not lexicon and not (guess and words):
        raise click.UsageError("give --lexicon FILE, or --guess with --word WORD")
    entries = list(read_lexicon(lexicon).entries) if lexicon else []
    if words:
        entries = [entry for entry in entries if entry.word in words]
    missing = [word for word in words if word not in {entry.word for entry in entries}]
    if missing and not guess:
        raise WfstAsrError(f"{lexicon}: has no word '{missing[0]}'; add it, or let its pronunciation be --guess ed")
    if missing:
        guessed = guess_pronunciations(missing, read_graph_vocabulary(graph, model_dir))
        for entry in guessed:
            click.echo(f"guessed: {entry.word} {' '.join(entry.phones)}", err=True)
        entries += guessed
    return entries


def _record(made: "AddedWords", proof: "list[DecodedWord]") -> dict[str, object]:
    found = {(word.entry.word, word.entry.phones): word for word in proof}
    words = []
    for entry, alike in zip(made.entries, made.sounds_like, strict=True):
        word = found.get((entry.word, entry.phones))
        told = {"word": entry.word, "phones": list(entry.phones), "sounds_like": list(alike)}
        proved = {"found": word.is_found, "heard": [list(heard) for heard in word.heard]} if word else {}
        words.append({**told, **proved})
    sizes = {name: getattr(made, name) for name in ("num_states", "num_arcs", "num_new_states", "num_new_arcs")}
    places = {"num_places": made.num_places, "num_endings_without": made.num_endings_without}
    steps = [asdict(step) for step in made.manifest.steps[-3:]]
    rest = {"cost": made.cost, "sums_to_one": made.sums_to_one, "words": words, "steps": steps}
    return {"graph": str(made.folder), **sizes, **places, **rest}


def _tell(made: "AddedWords", proof: "list[DecodedWord]") -> None:
    click.echo(
        f"{made.folder}: {len(made.entries)} new pronunciations at a cost of {made.cost:.2f}, "
        f"{made.num_new_states:,} states and {made.num_new_arcs:,} arcs more, from {made.num_places:,} places"
    )
    if made.num_endings_without:
        click.echo(f"behind {made.num_endings_without} endings of words they cannot stand without silence")
    if made.sums_to_one:
        click.echo("the cost is exact up to one number: words and end are taken to have probability 1 together")
    for word, alike in zip(proof, made.sounds_like, strict=False):  # no proof if it is not wanted
        name = f"{word.entry.word} ({' '.join(word.entry.phones)})"
        if word.is_found:
            click.echo(f"decoded: {name}")
            continue
        heard = "; ".join(" ".join(words) for words in word.heard)
        why = f", since it sounds like {', '.join(alike)}" if alike else ""
        click.echo(f"not decoded: {name}{why}; heard: {heard}")
