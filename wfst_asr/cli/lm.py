"""`wfst-asr lm`: language models and G."""

import json
from pathlib import Path

import click

from wfst_asr.errors import WfstAsrError


@click.group()
def lm() -> None:
    """Compile language models to G."""


@lm.command(name="compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("lang_dir", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path), required=False)
def compile_grammar(model: Path, lang_dir: Path, output: Path | None) -> None:
    """Compile the ARPA MODEL to G with the words of LANG_DIR; OUTPUT is LANG_DIR/G.fst if not given."""
    from wfst_asr.fst.ops import write_fst
    from wfst_asr.fst.symbols import read_symbols
    from wfst_asr.graph.grammar_fst import grammar_fst
    from wfst_asr.lm.arpa import read_arpa

    if not lang_dir.is_dir():
        raise WfstAsrError(f"{lang_dir}: no such directory; make it with: wfst-asr lang make lexicon.txt {lang_dir}")
    words = read_symbols(lang_dir / "words.txt")
    fst = grammar_fst(read_arpa(model), words)
    target = output or lang_dir / "G.fst"
    write_fst(fst, target)
    click.echo(f"{target}: {fst.num_states()} states, {sum(fst.num_arcs(s) for s in fst.states())} arcs")


@lm.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(model: Path, as_json: bool) -> None:
    """Show the order, the n-grams of each order and the vocabulary of the ARPA MODEL."""
    from wfst_asr.lm.arpa import read_arpa

    read = read_arpa(model)
    marks = [mark for mark in ("<s>", "</s>", "<unk>", "<UNK>") if mark in read.word_ids]
    if as_json:
        facts = {"order": read.order, "ngrams": list(read.num_ngrams), "words": len(read.words), "marks": marks}
        click.echo(json.dumps(facts))
        return
    click.echo(f"{model}: order {read.order}, {len(read.words)} words ({', '.join(marks)} among them)")
    for order, count in enumerate(read.num_ngrams, start=1):
        click.echo(f"  {order}-grams  {count:>10}")
