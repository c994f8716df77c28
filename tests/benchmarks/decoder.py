"""The beam search and Kaldi's FasterDecoder on the same graph and the same scores, in one process, alternating.

    python tests/benchmarks/decoder.py --corpus DATA_DIR [--graph FOLDER --model MODEL_DIR] [--json]

DATA_DIR is a Kaldi data directory with recordings.  Without --graph both search the English graph of `wfst-asr demo`
(35 million arcs).  The peer is the FasterDecoder of the pip package kaldi-decoder, which is Kaldi's own code; it reads the
same const FST with its labels replaced by score columns.  Both have the same dials.  Timed is the search of every
recording, scores and graph being in memory, by the CPU time of the process; what the columns say is a median over the
repeats.  `lattice` is our own search that keeps a lattice and prunes it exactly, `with words` the same with the lattice
determinized, each over our own best-path search.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from numba import njit

COST_TOLERANCE = 1e-3


@njit
def follow(chain: Any, steps: int) -> int:
    """Chase pointers: each access waits for the one before."""
    at = 0
    for _ in range(steps):
        at = chain[at]
    return at


def pointer_chase_ns(megabytes: int = 256, steps: int = 2_000_000) -> float:
    """Nanoseconds of a dependent access to memory at random."""
    size = megabytes << 17
    order = np.random.default_rng(1).permutation(size)
    chain = np.empty(size, np.int64)
    chain[order] = np.roll(order, -1)
    follow(chain, 10)
    began = time.process_time()
    follow(chain, steps)
    return 1e9 * (time.process_time() - began) / steps


def to_vector_fst(path: Path) -> None:
    """Rewrite a const FST, in a process of its own, since pynini and kaldifst cannot be loaded in one."""
    code = "import sys, pywrapfst as f; f.convert(f.Fst.read(sys.argv[1]), 'vector').write(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


class Peer:
    """Kaldi's FasterDecoder over a graph."""

    def __init__(self, graph: Any) -> None:
        import kaldifst
        from kaldi_decoder import DecodableCtc, FasterDecoder, FasterDecoderOptions

        from wfst_asr.fst.arcs import ArcTable, write_const_fst

        self._decodable, self._decoder, self._options = DecodableCtc, FasterDecoder, FasterDecoderOptions
        arcs = np.array(graph.arcs)
        arcs["ilabel"] = np.where(arcs["ilabel"] > 0, graph.columns[arcs["ilabel"]] + 1, 0)
        first_arc = np.concatenate((graph.states["first_arc"].astype(np.int64), [len(arcs)]))
        table = ArcTable(int(graph.layout.state[0]), first_arc, arcs, np.array(graph.states["final_cost"]))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "HCLG.fst"
            write_const_fst(table, path)
            del arcs, table
            self.fst = kaldifst.StdConstFst.read(str(path))
            if self.fst is None:  # some builds of the package read vector FSTs only
                to_vector_fst(path)
                self.fst = kaldifst.StdConstFst(kaldifst.StdVectorFst.read(str(path)))

    def decode(self, scaled: np.ndarray, options: Any) -> tuple[float, tuple[int, ...], float]:
        """Return CPU seconds, words and total cost; `scaled` are scores times the acoustic scale."""
        import kaldifst

        dials = self._options(
            beam=options.beam,
            max_active=options.max_active or (1 << 31) - 1,
            min_active=options.min_active,
            beam_delta=options.beam_delta,
        )
        decodable = self._decodable(scaled)
        began = time.process_time()
        decoder = self._decoder(self.fst, dials)
        decoder.decode(decodable)
        found, path = decoder.get_best_path()
        seconds = time.process_time() - began
        if not found:
            return seconds, (), float("inf")
        _, labels, words, _ = kaldifst.get_linear_symbol_sequence(path)
        # the costs of its path added up in double precision, which the package's own sums of float32 numbers are not
        columns = np.array([label - 1 for label in labels if label > 0])
        cost = -float(scaled[np.arange(len(columns)), columns].sum(dtype=np.float64))
        cost += sum(float(found) for found in re.findall(r"([-+.e0-9]+),", str(path)))
        return seconds, tuple(words), cost


def our_best_path(graph: Any, scores: np.ndarray, options: Any) -> tuple[float, Any]:
    from wfst_asr.decoder.decode import decode

    began = time.process_time()
    result = decode(graph, scores, options)
    return time.process_time() - began, result


def our_lattice(graph: Any, scores: np.ndarray, options: Any) -> tuple[float, float]:
    """Return CPU seconds of the search with its lattice, and with the lattice determinized."""
    from wfst_asr.decoder.lattice_beam import decode_lattice

    began = time.process_time()
    found = decode_lattice(graph, scores, options)
    seconds = time.process_time() - began
    assert found.words.num_states > 0
    return seconds, time.process_time() - began


@click.command()
@click.option("--corpus", required=True, type=click.Path(path_type=Path), help="Kaldi data directory.")
@click.option("--graph", "graph_dir", type=click.Path(path_type=Path), help="Graph folder.  [default: English]")
@click.option("--model", type=click.Path(path_type=Path), help="Acoustic model of the graph.")
@click.option("--beams", default="8,9,10,11,12,13,14,15,16", show_default=True)
@click.option("--lattice-beam", default=6.0, show_default=True)
@click.option("--max-active", default=7000, show_default=True, help="For both; 0 for no limit.")
@click.option("--min-active", default=200, show_default=True, help="For both.")
@click.option("--recordings", default=8, show_default=True, help="Evenly out of the corpus; 0 for all.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(
    corpus: Path,
    graph_dir: Path | None,
    model: Path | None,
    beams: str,
    lattice_beam: float,
    max_active: int,
    min_active: int,
    recordings: int,
    repeats: int,
    as_json: bool,
) -> None:
    """Compare the search with Kaldi's FasterDecoder."""
    import kaldifst  # noqa: F401  (first of all, else it hangs with kaldi_decoder)

    from wfst_asr.cli.english import cache_dir, english_recogniser
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.decoder.search_graph import load_graph
    from wfst_asr.io.data_dir import read_data_dir
    from wfst_asr.recipe.scorers import model_of_graph, scorer_for

    graph = load_graph(graph_dir) if graph_dir else english_recogniser(cache_dir(), 0, tell=False).graph
    scorer = scorer_for(model_of_graph(graph.manifest, model))
    data = read_data_dir(corpus)
    names = list(data.utterances)
    if recordings:
        names = [names[i] for i in np.linspace(0, len(names) - 1, min(recordings, len(names))).astype(int)]
    scores = [scorer.scores(data.read_audio(name, sample_rate_hz=scorer.sample_rate_hz).samples) for name in names]
    scaled = [np.ascontiguousarray(np.float32(graph.acoustic_scale) * one) for one in scores]
    frames = sum(map(len, scores))
    peer = Peer(graph)
    latency = pointer_chase_ns()
    click.echo(
        f"{len(names)} recordings, {frames} frames; {len(graph.states)} states, {len(graph.arcs)} arcs; "
        f"pointer chase {latency:.0f} ns; medians of {repeats}"
    )
    heads = ("beam", "arcs/frame", "ours s", "peer s", "ratio", "ns/arc", "peer ns", "lattice", "with words", "same")
    click.echo("".join(f"{head:>11}" for head in heads))
    rows = []
    for beam in map(float, beams.split(",")):
        options = DecodeOptions(
            beam=beam, max_active=max_active or None, min_active=min_active, lattice_beam=lattice_beam
        )
        if not rows:  # loads the kernels
            our_best_path(graph, scores[0], options)
            our_lattice(graph, scores[0], options)
        times = np.zeros((repeats, 4))
        same, arcs, worst = 0, 0, 0.0
        for repeat in range(repeats):
            for ours, theirs in zip(scores, scaled, strict=True):
                seconds, result = our_best_path(graph, ours, options)
                peer_seconds, words, cost = peer.decode(theirs, options)
                times[repeat] += (seconds, peer_seconds, *our_lattice(graph, ours, options))
                if repeat == 0:
                    same += result.word_ids == words
                    worst = max(worst, abs(cost - result.total_cost)) if result.word_ids == words else worst
                    arcs += result.counts.emitting_arcs + result.counts.epsilon_arcs
        ours, theirs, lattice, words_too = (statistics.median(times[:, k]) for k in range(4))
        row = {
            "beam": beam,
            "arcs_per_frame": round(arcs / frames),
            "ratio": round(theirs / ours, 2),
            "same_words": same == len(names),
            "same_words_recordings": same,
            "largest_cost_difference": worst,
            "cpu_seconds": round(ours, 3),
            "peer_cpu_seconds": round(theirs, 3),
            "ns_per_arc": round(1e9 * ours / arcs, 2),
            "peer_ns_per_arc": round(1e9 * theirs / arcs, 2),
            "lattice_ratio": round(lattice / ours, 3),
            "lattice_and_words_ratio": round(words_too / ours, 3),
        }
        rows.append(row)
        click.echo(
            f"{beam:11.1f}{row['arcs_per_frame']:11d}{ours:11.2f}{theirs:11.2f}{row['ratio']:11.2f}"
            f"{row['ns_per_arc']:11.2f}{row['peer_ns_per_arc']:11.2f}{row['lattice_ratio']:11.2f}"
            f"{row['lattice_and_words_ratio']:11.2f}{same:8d}/{len(names)}"
        )
        if worst > COST_TOLERANCE:
            click.echo(f"note: total costs of the same words differ by up to {worst:.2g}, more than {COST_TOLERANCE:g}")
    if as_json:
        head = {"frames": frames, "arcs": len(graph.arcs), "pointer_chase_ns": round(latency, 1), "repeats": repeats}
        click.echo(json.dumps({**head, "rows": rows}))


if __name__ == "__main__":
    main()
