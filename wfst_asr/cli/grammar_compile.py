"""`wfst-asr grammar compile SOURCE LANG_DIR`, and the options that all grammar commands share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wfst_asr.fst.arcs import ArcTable
    from wfst_asr.graph.grammar_acceptor import GrammarAcceptor
    from wfst_asr.recipe.grammar_files import GrammarOptions

option_option = click.option(
    "--option",
    "arguments",
    metavar="NAME=VALUE",
    multiple=True,
    help="An argument of the function; repeatable.",
)
case_option = click.option(
    "--case", type=click.Choice(["upper", "lower"]), help="Write the grammar's words so, as the lexicon has them."
)
skip_option = click.option(
    "--skip-missing", is_flag=True, help="Leave out sentences with words that LANG_DIR lacks; else they are an error."
)
out_option = click.option("--out", metavar="FST", type=click.Path(path_type=Path), help="[LANG_DIR/G.fst]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def with_grammar_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --option, --case and --skip-missing."""
    return option_option(case_option(skip_option(command)))


def grammar_options(arguments: tuple[str, ...], case: str | None, skip_missing: bool = False) -> "GrammarOptions":
    """Return what the shared options say."""
    from wfst_asr.recipe.grammar_files import GrammarOptions

    given: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not (name and equals):
            raise click.UsageError(f"--option '{argument}', expected NAME=VALUE")
        if name in given:
            raise click.UsageError(f"--option {name} was given twice")
        given[name] = value
    return GrammarOptions(given, case or "", skip_missing)


def write_g(made: "GrammarAcceptor", target: Path, as_json: bool, **told: object) -> None:
    """Write G and tell its size."""
    from wfst_asr.fst.convert import to_pynini
    from wfst_asr.fst.ops import write_fst

    table = made.table
    write_fst(to_pynini(table).arcsort("ilabel"), target)
    if as_json:
        sizes = {"states": table.num_states, "arcs": table.num_arcs, "marks": made.num_marks}
        click.echo(json.dumps({"grammar": str(target), **sizes, **told}))
        return
    marks = f", {made.num_marks:,} of them '#0', which tell apart what agrees in its words" if made.num_marks else ""
    click.echo(f"{target}: {table.num_states:,} states, {table.num_arcs:,} arcs{marks}")


def as_probabilities(table: "ArcTable", source: str, as_json: bool) -> "ArcTable":
    """Make the weights probabilities, and tell of what."""
    from wfst_asr.graph.grammar_weights import normalised

    found, of_sentences = normalised(table)
    if not as_json:
        what = "sentences" if of_sentences else "words that may come next, since it repeats without end"
        click.echo(f"{source}: weights made probabilities of {what}")
    return found


@click.command("compile")
@click.argument("source", metavar="SOURCE")
@click.argument("lang_dir", metavar="LANG_DIR", type=click.Path(path_type=Path))
@out_option
@with_grammar_options
@click.option("--normalise", is_flag=True, help="Make the weights probabilities.")
@json_option
def compile_one(
    source: str,
    lang_dir: Path,
    out: Path | None,
    arguments: tuple[str, ...],
    case: str | None,
    skip_missing: bool,
    normalise: bool,
    as_json: bool,
) -> None:
    """Compile a grammar to G with the words of LANG_DIR.

    SOURCE is folder/file.py:function; the function returns a pynini.Fst that accepts text, words parted by spaces.
    Its weights are costs and are kept; of two paths with the same words the cheaper counts.
    """
    from wfst_asr.graph.grammar_acceptor import GrammarAcceptor
    from wfst_asr.recipe.grammar_files import compile_grammar, read_words

    options = grammar_options(arguments, case, skip_missing)
    made = compile_grammar(source, read_words(lang_dir), lang_dir, options)
    if normalise:
        made = GrammarAcceptor(as_probabilities(made.table, source, as_json), made.num_marks)
    write_g(made, out or lang_dir / "G.fst", as_json)
