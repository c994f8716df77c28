"""`wfst-asr grammar union` and `interpolate`: mixtures of grammars and language models."""

from pathlib import Path

import click

from wfst_asr.cli.grammar_compile import (
    as_probabilities,
    grammar_options,
    json_option,
    out_option,
    with_grammar_options,
    write_g,
)


@click.command()
@click.argument("sources", metavar="SOURCE SOURCE...", nargs=-1, required=True)
@click.argument("lang_dir", metavar="LANG_DIR", type=click.Path(path_type=Path))
@out_option
@click.option("--weights", metavar="W,W...", help="Share of each source, such as 0.3,0.7.  [default: no cost for any]")
@click.option(
    "--again",
    metavar="P",
    type=float,
    default=0.0,
    help="After a sentence another one follows with this probability; grammars only.",
)
@with_grammar_options
@click.option("--normalise", is_flag=True, help="Make the weights of each grammar probabilities.")
@json_option
def union(
    sources: tuple[str, ...],
    lang_dir: Path,
    out: Path | None,
    weights: str | None,
    again: float,
    arguments: tuple[str, ...],
    case: str | None,
    skip_missing: bool,
    normalise: bool,
    as_json: bool,
) -> None:
    """Unite grammars and language models to one G: a sentence is from one of the sources.

    A SOURCE is folder/file.py:function, an OpenFst file of words of LANG_DIR, or a language model.  p(sentence) is the
    sum of weight * p(sentence | source).  --option goes to the functions that have a parameter of the name.
    """
    from wfst_asr.errors import WfstAsrError
    from wfst_asr.graph.grammar_mixture import mix_grammars
    from wfst_asr.graph.grammar_source import is_function_source, options_of
    from wfst_asr.recipe.grammar_files import GrammarOptions, compile_grammar, read_words

    shares = _numbers(weights) if weights is not None else [1.0] * len(sources)
    if len(shares) != len(sources):
        raise click.UsageError(f"--weights has {len(shares)} numbers for {len(sources)} sources")
    options = grammar_options(arguments, case, skip_missing)
    takes = {source: options_of(source) if is_function_source(source) else () for source in sources}
    for name in options.arguments:
        if not any(name in names for names in takes.values()):
            raise WfstAsrError(f"none of the functions has an option '{name}'")
    words = read_words(lang_dir)
    members = []
    for source in sources:
        own = {name: value for name, value in options.arguments.items() if name in takes[source]}
        made = compile_grammar(source, words, lang_dir, GrammarOptions(own, options.case, skip_missing)).table
        is_grammar = is_function_source(source)
        members.append(as_probabilities(made, source, as_json) if normalise and is_grammar else made)
    write_g(mix_grammars(members, shares, words, again=again), out or lang_dir / "G.fst", as_json, weights=shares)


@click.command()
@click.argument("source", metavar="GRAMMAR")
@click.argument("lm", metavar="LM")
@click.argument("lang_dir", metavar="LANG_DIR", type=click.Path(path_type=Path))
@click.option(
    "--weight",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    required=True,
    help="Share of the grammar.",
)
@out_option
@with_grammar_options
@click.option("--normalise/--no-normalise", default=True, show_default=True, help="Make the weights probabilities.")
@json_option
def interpolate(
    source: str,
    lm: str,
    lang_dir: Path,
    weight: float,
    out: Path | None,
    arguments: tuple[str, ...],
    case: str | None,
    skip_missing: bool,
    normalise: bool,
    as_json: bool,
) -> None:
    """Mix GRAMMAR with a language model: p(sentence) = W p(sentence | GRAMMAR) + (1 - W) p(sentence | LM).

    LM is an n-gram model, or any other source of `grammar union`.  The choice stands at the begin of the sentence, so a
    search for the best path takes the one that likes the sentence best.  For a grammar within sentences of a model see
    `wfst-asr lm compile --class`.
    """
    from wfst_asr.graph.grammar_mixture import mix_grammars
    from wfst_asr.graph.grammar_source import is_function_source
    from wfst_asr.recipe.grammar_files import GrammarOptions, compile_grammar, read_words

    options = grammar_options(arguments, case, skip_missing)
    words = read_words(lang_dir)
    table = compile_grammar(source, words, lang_dir, options).table
    if normalise and is_function_source(source):
        table = as_probabilities(table, source, as_json)
    model = compile_grammar(lm, words, lang_dir, GrammarOptions(case=options.case, skip_missing=skip_missing)).table
    if normalise and is_function_source(lm):
        model = as_probabilities(model, lm, as_json)
    write_g(
        mix_grammars([table, model], [weight, 1 - weight], words), out or lang_dir / "G.fst", as_json, weight=weight
    )


def _numbers(weights: str) -> list[float]:
    try:
        return [float(weight) for weight in weights.split(",")]
    except ValueError:
        raise click.BadParameter(f"'{weights}', expected numbers such as 0.3,0.7", param_hint="--weights") from None
