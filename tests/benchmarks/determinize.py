"""What lattices of words cost: time of determinization and minimization, sizes, and the share of the search's time.

    python tests/benchmarks/determinize.py --corpus DATA_DIR --graph GRAPH --model MODEL [--beams 6,8,10] [--json]

DATA_DIR is a Kaldi data directory with recordings.  Every utterance is searched once at each lattice beam, and its
lattice determinized `--repeats` times, of which the fastest counts; CPU seconds of the process.
"""

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return CPU milliseconds, and what a function returns."""
    began = time.process_time()
    result = function(*arguments)
    return 1e3 * (time.process_time() - began), result


@click.command()
@click.option("--corpus", required=True, type=click.Path(path_type=Path), help="Kaldi data directory.")
@click.option("--graph", "graph_dir", required=True, type=click.Path(path_type=Path), help="Graph folder.")
@click.option("--model", type=click.Path(path_type=Path), help="Acoustic model of the graph.")
@click.option("--beams", default="6,8,10", show_default=True, help="Lattice beams.")
@click.option("--beam", default=13.0, show_default=True, help="Of the search.")
@click.option("--max-active", default=7000, show_default=True, help="Of the search.")
@click.option("--recordings", default=16, show_default=True, help="Evenly out of the corpus; 0 for all.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(
    corpus: Path,
    graph_dir: Path,
    model: Path | None,
    beams: str,
    beam: float,
    max_active: int,
    recordings: int,
    repeats: int,
    as_json: bool,
) -> None:
    """Print a row for each lattice beam: means over the utterances, and the slowest."""
    from wfst_asr.decoder.lattice_beam import decode_lattice
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.decoder.search_graph import load_graph
    from wfst_asr.errors import WfstAsrWarning
    from wfst_asr.io.data_dir import read_data_dir
    from wfst_asr.lattice.determinize import determinize
    from wfst_asr.lattice.minimize import minimize
    from wfst_asr.recipe.scorers import model_of_graph, scorer_for

    warnings.simplefilter("ignore", WfstAsrWarning)  # where a limit was met, the column `cut` counts
    graph = load_graph(graph_dir)
    scorer = scorer_for(model_of_graph(graph.manifest, model))
    data = read_data_dir(corpus)
    names = list(data.utterances)
    if recordings:
        names = [names[i] for i in np.linspace(0, len(names) - 1, min(recordings, len(names))).astype(int)]
    scores = [scorer.scores(data.read_audio(name, sample_rate_hz=scorer.sample_rate_hz).samples) for name in names]
    click.echo(f"{len(names)} utterances, {np.mean([len(one) for one in scores]):.0f} frames on the average")
    heads = ("lattice beam", "raw arcs", "states", "arcs", "ms", "slowest ms", "of search", "cut", "min. states", "ms")
    click.echo("".join(f"{head:>13}" for head in heads))
    rows = []
    for lattice_beam in map(float, beams.split(",")):
        options = DecodeOptions(beam=beam, max_active=max_active, lattice_beam=lattice_beam)
        if not rows:  # loads the kernels
            minimize(determinize(decode_lattice(graph, scores[0], options).lattice))
        table = []
        for one in scores:
            search_ms, found = timed(decode_lattice, graph, one, options)
            runs = [timed(determinize, found.lattice) for _ in range(repeats)]
            ms, words = min(run[0] for run in runs), runs[0][1]
            smaller_ms, smaller = timed(minimize, words)
            sizes = (found.lattice.num_arcs, words.num_states, words.num_arcs, smaller.num_states)
            table.append((search_ms, ms, smaller_ms, words.lattice_beam < lattice_beam, *sizes))
        search_ms, ms, smaller_ms, _, raw, states, arcs, smaller_states = np.mean(table, axis=0).tolist()
        row = {
            "lattice_beam": lattice_beam,
            "raw_arcs": round(raw),
            "states": round(states),
            "arcs": round(arcs),
            "ms": round(ms, 1),
            "slowest_ms": round(max(row[1] for row in table), 1),
            "share_of_search": round(ms / search_ms, 3),
            "cut": sum(int(row[3]) for row in table),
            "minimized_states": round(smaller_states),
            "minimize_ms": round(smaller_ms, 1),
        }
        rows.append(row)
        click.echo("".join(f"{value:>13}" for value in row.values()))
    if as_json:
        click.echo(json.dumps({"utterances": len(names), "repeats": repeats, "rows": rows}))


if __name__ == "__main__":
    main()
