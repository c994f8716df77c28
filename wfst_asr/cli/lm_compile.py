"""`wfst-asr lm compile`: a language model as G."""

from pathlib import Path

import click

from wfst_asr.errors import WfstAsrError


@click.command(name="compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("lang_dir", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path), required=False)
@click.option(
    "--class",
    "classes",
    metavar="NAME=FILE",
    multiple=True,
    help="Fill the class token $NAME: a file of entries, an acceptor of words, or file.py:function; repeatable.",
)
def compile_model(model: Path, lang_dir: Path, output: Path | None, classes: tuple[str, ...]) -> None:
    """Compile the language MODEL to G with the words of LANG_DIR; OUTPUT is LANG_DIR/G.fst if not given.

    Words of MODEL such as $NAME stand for classes; --class says what may take their place.
    """
    from wfst_asr.fst.ops import write_fst
    from wfst_asr.fst.symbols import read_symbols
    from wfst_asr.graph.class_grammar import class_grammar_fst, class_token, read_class_machine
    from wfst_asr.lm.model_files import read_model

    if not lang_dir.is_dir():
        raise WfstAsrError(f"{lang_dir}: no such directory; make it with: wfst-asr lang make lexicon.txt {lang_dir}")
    words = read_symbols(lang_dir / "words.txt")
    read = read_model(model)
    machines = {}
    for filling in classes:
        name, equals, source = filling.partition("=")
        if not (name and equals and source):
            raise click.UsageError(f"--class '{filling}', expected NAME=FILE")
        token = class_token(name, read)
        if token in machines:
            raise click.UsageError(f"--class '{filling}': the class '{token}' was filled before")
        machines[token] = read_class_machine(source, token, words)
    fst = class_grammar_fst(read, words, machines)
    target = output or lang_dir / "G.fst"
    write_fst(fst, target)
    click.echo(f"{target}: {fst.num_states()} states, {sum(fst.num_arcs(s) for s in fst.states())} arcs")
