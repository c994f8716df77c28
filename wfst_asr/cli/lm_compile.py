"""`wfst-asr lm compile`: a language model as G."""

from pathlib import Path

import click

from wfst_asr.errors import WfstAsrError


@click.command(name="compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("lang_dir", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path), required=False)
def compile_model(model: Path, lang_dir: Path, output: Path | None) -> None:
    """Compile the language MODEL to G with the words of LANG_DIR; OUTPUT is LANG_DIR/G.fst if not given."""
    from wfst_asr.fst.ops import write_fst
    from wfst_asr.fst.symbols import read_symbols
    from wfst_asr.graph.grammar_fst import grammar_fst
    from wfst_asr.lm.model_files import read_model

    if not lang_dir.is_dir():
        raise WfstAsrError(f"{lang_dir}: no such directory; make it with: wfst-asr lang make lexicon.txt {lang_dir}")
    words = read_symbols(lang_dir / "words.txt")
    fst = grammar_fst(read_model(model), words)
    target = output or lang_dir / "G.fst"
    write_fst(fst, target)
    click.echo(f"{target}: {fst.num_states()} states, {sum(fst.num_arcs(s) for s in fst.states())} arcs")
