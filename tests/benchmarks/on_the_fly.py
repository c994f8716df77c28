"""Search of HCL composed with G on the fly beside the search of the static HCLG: files, memory, seconds, words.

    python tests/benchmarks/on_the_fly.py --data DATA_DIR --model MODEL_DIR --static GRAPH --on-the-fly GRAPH [--json]
    python tests/benchmarks/on_the_fly.py --data DATA_DIR --english --static GRAPH --on-the-fly GRAPH [--json]

Both graphs are of one model: a trained one (MODEL_DIR), or with --english the one that the pip package pocketsphinx
ships.  Scores are computed once.  Each graph is loaded in a process of its own, which decodes all recordings twice: first
with nothing composed yet, then with what the first pass has left.  Seconds are CPU time, of loading and of the search
alone.  Peak memory is of the whole process, `anonymous` without pages of mapped files.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np


def write_scores(data: Path, model_dir: Path | None, static: Path, folder: Path) -> None:
    """Write the scores of each recording."""
    if model_dir is None:
        from wfst_asr.io.data_dir import read_data_dir
        from wfst_asr.recipe.english_graph import english_files
        from wfst_asr.recipe.sphinx_recogniser import sphinx_scores
        from wfst_asr.sphinx.acoustic_model import read_model

        model = read_model(english_files().model_dir)
        for name, audio in read_data_dir(data).audio(sample_rate_hz=int(model.feature_options.samprate)):
            np.save(folder / f"{name}.npy", sphinx_scores(model, audio.samples))
        return
    from wfst_asr.decoder.search_graph import load_graph
    from wfst_asr.recipe.decode_data import DataDecoder

    told = DataDecoder.of_folders(load_graph(static), model_dir, data)
    corpus, trained = told.corpus, told.model
    for i, (utterance, speaker) in enumerate(zip(corpus.utterances, corpus.speakers, strict=True)):
        features = trained.pipeline.apply(corpus.raw(i), corpus.cmvn_stats[speaker])
        np.save(folder / f"{utterance}.npy", trained.first_scorer.log_likelihoods(features))


def status(name: str) -> int:
    """Return a size that the system tells of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    return 0


def decode_all(
    graph_dir: Path, folder: Path, beam: float, max_active: int, passes: int, most_mb: float
) -> dict[str, Any]:
    """Load a graph and decode all scores of a folder with it; run in a process of its own."""
    from wfst_asr.decoder.decode import decode
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.decoder.search_graph import load_graph

    options = DecodeOptions(beam=beam, max_active=max_active or None)
    began = time.process_time()
    graph = load_graph(graph_dir, max_graph_memory_mb=most_mb)
    files = sorted(folder.glob("*.npy"))
    decode(graph, np.load(files[0])[:1], options)  # loads the kernels and what is mapped
    load = time.process_time() - began
    seconds, texts, costs, tokens, frames = [], {}, {}, 0, 0
    for _ in range(passes):
        if len(seconds) == 0 and graph.on_the_fly is not None:
            graph.on_the_fly.forget()
        spent = 0.0
        for path in files:
            name, heard = path.stem, np.load(path)
            began = time.process_time()
            found = decode(graph, heard, options)
            spent += time.process_time() - began
            texts[name], costs[name] = found.words, found.total_cost
            tokens += found.counts.tokens
            frames += found.counts.frames
        seconds.append(round(spent, 2))
    composed = graph.for_search().composed
    return {
        "load_seconds": round(load, 2),
        "pass_seconds": seconds,
        "tokens_a_frame": round(tokens / frames),
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "anonymous_bytes": status("RssAnon"),
        "composed": None if composed is None else [composed.num_states, composed.num_arcs, round(composed.used_mb)],
        "texts": texts,
        "costs": costs,
    }


def in_process(graph: Path, folder: Path, beam: float, max_active: int, passes: int, most_mb: float) -> dict[str, Any]:
    request = json.dumps([str(graph), str(folder), beam, max_active, passes, most_mb])
    run = subprocess.run([sys.executable, __file__, "--one", request], capture_output=True, text=True)
    if run.returncode:
        raise click.ClickException(f"{graph}: {run.stderr.strip().splitlines()[-1]}")
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    told["file_bytes"] = sum(path.stat().st_size for path in graph.iterdir())
    return told


def compared(data: Path, static: dict[str, Any], lazy: dict[str, Any]) -> dict[str, Any]:
    """Return the error rates of both, and in how many recordings they differ."""
    from wfst_asr.io.data_dir import read_data_dir
    from wfst_asr.score.wer import score_texts

    texts = read_data_dir(data).text
    told: dict[str, Any] = {}
    for name, one in (("static", static), ("on_the_fly", lazy)):
        found = one.pop("texts")
        told[name] = {utterance: tuple(words) for utterance, words in found.items()}
        one["wer"] = round(
            100 * score_texts({u: texts[u].lower().split() for u in found}, _lower(told[name])).error_rate, 2
        )
    costs = [static.pop("costs"), lazy.pop("costs")]
    names = sorted(told["static"])
    return {
        "recordings": len(names),
        "different": sum(told["static"][name] != told["on_the_fly"][name] for name in names),
        "static_cheaper": sum(costs[0][name] < costs[1][name] - 0.1 for name in names),
        "on_the_fly_cheaper": sum(costs[1][name] < costs[0][name] - 0.1 for name in names),
    }


def _lower(texts: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {utterance: [word.lower() for word in words] for utterance, words in texts.items()}


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A data directory with transcripts.")
@click.option("--model", type=click.Path(path_type=Path, exists=True))
@click.option("--english", is_flag=True, help="The model of pocketsphinx.")
@click.option("--static", type=click.Path(path_type=Path, exists=True))
@click.option("--on-the-fly", "lazy", type=click.Path(path_type=Path, exists=True))
@click.option("--beam", "beams", multiple=True, type=float, default=(13.0, 16.0), show_default=True)
@click.option("--max-active", default=7000, show_default=True, help="0 for no limit.")
@click.option("--passes", default=2, show_default=True)
@click.option("--max-graph-memory-mb", default=2048.0, show_default=True, help="Of what is composed.")
@click.option("--scores", type=click.Path(path_type=Path), help="Folder to keep the scores in.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--one", hidden=True)
def main(
    data: Path | None,
    model: Path | None,
    english: bool,
    static: Path | None,
    lazy: Path | None,
    beams: tuple[float, ...],
    max_active: int,
    passes: int,
    max_graph_memory_mb: float,
    scores: Path | None,
    as_json: bool,
    one: str | None,
) -> None:
    if one is not None:
        graph, folder, *dials = json.loads(one)
        click.echo(json.dumps(decode_all(Path(graph), Path(folder), *dials)))
        return
    if data is None or static is None or lazy is None or (model is None) != english:
        raise click.UsageError("--data, --static, --on-the-fly, and --model or --english are needed")
    with tempfile.TemporaryDirectory() as temporary:
        folder = scores or Path(temporary)
        folder.mkdir(exist_ok=True)
        if not any(folder.glob("*.npy")):
            write_scores(data, model, static, folder)
        rows = []
        for beam in beams:
            row: dict[str, Any] = {"beam": beam, "max_active": max_active or None}
            for name, path in (("static", static), ("on_the_fly", lazy)):
                row[name] = in_process(path, folder, beam, max_active, passes, max_graph_memory_mb)
            rows.append({**row, **compared(data, row["static"], row["on_the_fly"])})
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(f"beam {row['beam']:g}, max_active {row['max_active']}: {row['recordings']} recordings")
        click.echo(f"  {'':<12}{'files MB':>9}{'peak MB':>9}{'anon MB':>9}{'load s':>8}{'first s':>9}{'then s':>8}"
                   f"{'tokens':>8}{'WER %':>8}")  # fmt: skip
        for name in ("static", "on_the_fly"):
            it = row[name]
            click.echo(
                f"  {name:<12}{it['file_bytes'] / 1e6:>9.0f}{it['peak_bytes'] / 1e6:>9.0f}"
                f"{it['anonymous_bytes'] / 1e6:>9.0f}{it['load_seconds']:>8.2f}{it['pass_seconds'][0]:>9.2f}"
                f"{it['pass_seconds'][-1]:>8.2f}{it['tokens_a_frame']:>8}{it['wer']:>8.2f}"
            )
        click.echo(
            f"  words differ in {row['different']}; the static path is cheaper in {row['static_cheaper']}, the other in "
            f"{row['on_the_fly_cheaper']}; composed (states, arcs, MB): {row['on_the_fly']['composed']}"
        )


if __name__ == "__main__":
    main()
