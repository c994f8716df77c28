"""Whether beam search works as well on our graph as on Kaldi's of the same parts: search errors at equal beam.

    python tests/benchmarks/graph_search_errors.py GRAPH OTHER.fst --corpus DATA_DIR --model MODEL_DIR [--json]
    python tests/benchmarks/graph_search_errors.py GRAPH OTHER.fst --scores loglikes.ark [--text FILE]

GRAPH is a graph folder, OTHER.fst an HCLG of the same parts and the same transition-ids (from Kaldi's mkgraph.sh, or what
`graph_compile.py --keep DIR` leaves in DIR/hclg_5k).  Both are searched by our decoder with the same scores and dials.  An
utterance has a search error where the best path found costs more than the best that either graph gave at any of the beams
or at --wide; the excess is the mean of what it costs more.  The work is counted in arcs, since seconds would also tell of
other things.
"""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

_ROUNDING = 0.05  # of total costs, which are sums of thousands of float32 numbers


def scores_of(
    corpus: Path | None, model: Path | None, archive: Path | None, text: Path | None
) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Return score matrices and transcripts by utterance."""
    from wfst_asr.io.archives import read_matrices
    from wfst_asr.io.data_dir import read_data_dir
    from wfst_asr.recipe.scorers import scorer_for

    if archive is not None:
        rows = [line.split() for line in text.read_text(encoding="utf-8").splitlines()] if text else []
        return {name: np.asarray(matrix) for name, matrix in read_matrices(archive)}, {r[0]: r[1:] for r in rows}
    if corpus is None or model is None:
        raise click.UsageError("give --scores, or --corpus and --model")
    data, scorer = read_data_dir(corpus), scorer_for(model)
    scores = {
        name: scorer.scores(data.read_audio(name, sample_rate_hz=scorer.sample_rate_hz).samples)
        for name in data.utterances
    }
    return scores, {name: text.split() for name, text in (data.text or {}).items() if name in scores}


def other_graph(path: Path, ours: Any) -> Any:
    """Load the other graph with the labels and words of ours."""
    from dataclasses import replace

    from wfst_asr.decoder.search_graph import make_search_graph
    from wfst_asr.fst.ops import as_table, read_fst

    graph = make_search_graph(
        as_table(read_fst(path)), ours.columns, num_columns=ours.num_columns, words=ours.words, manifest=ours.manifest
    )
    return replace(graph, name=str(path))


def searched(graph: Any, scores: dict[str, np.ndarray], options: Any) -> tuple[np.ndarray, int, dict[str, list[str]]]:
    """Return the total cost of each utterance, the arcs followed, and the words."""
    from wfst_asr.decoder.decode import decode

    costs, arcs, words = [], 0, {}
    for name, matrix in scores.items():
        result = decode(graph, matrix, options)
        costs.append(result.total_cost)
        arcs += result.counts.emitting_arcs + result.counts.epsilon_arcs
        words[name] = result.text.split()
    return np.array(costs), arcs, words


@click.command()
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--corpus", type=click.Path(path_type=Path), help="Kaldi data directory.")
@click.option("--model", type=click.Path(path_type=Path), help="Acoustic model of the graphs.")
@click.option("--scores", "archive", type=click.Path(path_type=Path), help="Archive of scores in place of both.")
@click.option("--text", type=click.Path(path_type=Path), help="Transcripts of the archive.")
@click.option("--beams", default="6,7,8,9,10,11,12,13,14", show_default=True)
@click.option("--wide", default=18.0, show_default=True, help="A beam at which nothing should be lost.")
@click.option("--acoustic-scale", type=float, help="[default: that of GRAPH]")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(
    graph: Path,
    other: Path,
    corpus: Path | None,
    model: Path | None,
    archive: Path | None,
    text: Path | None,
    beams: str,
    wide: float,
    acoustic_scale: float | None,
    as_json: bool,
) -> None:
    """Compare the search errors of two graphs."""
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.decoder.search_graph import load_graph
    from wfst_asr.score.wer import score_texts

    scores, transcripts = scores_of(corpus, model, archive, text)
    ours = load_graph(graph)
    graphs = {"ours": ours, "other": other_graph(other, ours)}
    frames = sum(map(len, scores.values()))
    found: dict[tuple[str, float], Any] = {}
    for beam in [*map(float, beams.split(",")), wide]:
        options = DecodeOptions(beam=beam, max_active=None, min_active=0, acoustic_scale=acoustic_scale)
        for name, searched_graph in graphs.items():
            found[name, beam] = searched(searched_graph, scores, options)
    best = np.min([costs for costs, _, _ in found.values()], axis=0)
    sizes = "; ".join(f"{name} {len(one.states):,} states, {len(one.arcs):,} arcs" for name, one in graphs.items())
    click.echo(f"{len(scores)} utterances, {frames} frames; {sizes}")
    heads = ("beam", "graph", "arcs/frame", "errors", "excess", "WER %")
    click.echo("".join(f"{head:>11}" for head in heads))
    rows = []
    for (name, beam), (costs, arcs, words) in found.items():
        references = {key: transcripts[key] for key in words if key in transcripts}
        wer = 100 * score_texts(references, words).error_rate if references else None
        row = {
            "beam": beam,
            "graph": name,
            "arcs_per_frame": round(arcs / frames),
            "search_errors": int((costs > best + _ROUNDING).sum()),
            "mean_excess": round(float(np.mean(costs - best)), 3),
            "wer_percent": None if wer is None else round(wer, 2),
        }
        rows.append(row)
        click.echo("".join(f"{value if value is not None else '-':>11}" for value in row.values()))
    if as_json:
        click.echo(json.dumps({"utterances": len(scores), "frames": frames, "rows": rows}))


if __name__ == "__main__":
    main()
