"""`wfst-asr lattice rescore`: another language model in the costs of lattices."""

from pathlib import Path

import click

from wfst_asr.cli.lattice_files import lattices_argument, output_options, write_all


@click.command()
@lattices_argument
@output_options
@click.option("--words", type=click.Path(path_type=Path), required=True, help="The words.txt of the graph.")
@click.option("--old", type=click.Path(path_type=Path), help="Language model to take out: that of the graph.")
@click.option("--new", type=click.Path(path_type=Path), help="Language model to put in.")
@click.option("--old-exact", is_flag=True, help="The old model was put in by rescoring, not by a graph.")
@click.option("--old-weight", default=1.0, show_default=True, help="Factor on the costs that are taken out.")
@click.option("--new-weight", default=1.0, show_default=True, help="Factor on the costs that are put in.")
def rescore(
    lattices: Path,
    output: Path,
    text: bool,
    scp: Path | None,
    words: Path,
    old: Path | None,
    new: Path | None,
    old_exact: bool,
    old_weight: float,
    new_weight: float,
) -> None:
    """Replace the language model in the graph costs of LATTICES.

    Models are ARPA files, gzipped or not, the .ngram form, or G.fst; back-off is exact.  The old model is that of the
    graph that made the lattices, and is taken out as the graph charges it: where backing off is cheaper than an n-gram
    of the model, a graph backs off.
    """
    from wfst_asr.kaldi.lattice import read_lattices
    from wfst_asr.recipe.rescoring import language_model_fst, rescore_lattices

    if old is None and new is None:
        raise click.UsageError("give --old, --new or both")
    models = [None if path is None else language_model_fst(path, words) for path in (old, new)]
    made = rescore_lattices(
        read_lattices(lattices),
        models[1],
        old=models[0],
        old_exact=old_exact,
        old_weight=old_weight,
        new_weight=new_weight,
    )
    write_all(output, made, text=text, scp=scp)
