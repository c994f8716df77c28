"""CPU time from the start of Python to the first frame decoded, with kernels compiled before, and what compiling takes.

    python tests/benchmarks/startup.py [--graph FOLDER --scores SCORES.npy] [--cold] [--json]

Starts Python several times; each decodes one frame, then makes a lattice, its words, and a partial result of a stream.
What is told are medians, and the kernels that were compiled anew though the cache was warm: there should be none.
Without --graph a small graph is made.  With --cold the seconds of compiling are told by kernel, from an empty cache.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

PHASES = ("python", "imports", "graph", "first frame", "lattice", "words", "stream")


def make_graph(folder: Path) -> None:
    """Write a graph of random arcs, and its scores."""
    from wfst_asr.fst.arcs import arc_table, write_const_fst

    rng = np.random.default_rng(1)
    states, labels = 2000, 50
    arcs = [
        (s, int(t), int(label), int(label) % 7, float(cost))
        for s in range(states)
        for t, label, cost in zip(
            rng.integers(0, states, 4), rng.integers(0, labels + 1, 4), rng.exponential(1.0, 4), strict=True
        )
    ]
    write_const_fst(arc_table(states, arcs, finals=dict.fromkeys(range(0, states, 3), 0.0)), folder / "HCLG.fst")
    np.save(folder / "scores.npy", rng.normal(0, 2, (20, labels)).astype(np.float32))


class CompileTimes:
    """Seconds of compiling by kernel, without those of the kernels that it calls."""

    def __init__(self) -> None:
        """Begin to listen."""
        from numba.core import event

        self.seconds: dict[str, float] = {}
        self._open: list[list[Any]] = []
        times = self

        class Listener(event.Listener):
            def on_start(self, event: Any) -> None:
                times._open.append([str(event.data["dispatcher"].py_func.__name__), time.process_time(), 0.0])

            def on_end(self, event: Any) -> None:
                name, began, inner = times._open.pop()
                whole = time.process_time() - began
                times.seconds[name] = times.seconds.get(name, 0.0) + whole - inner
                if times._open:
                    times._open[-1][2] += whole

        event.register("numba:compile", Listener())  # type: ignore[no-untyped-call]


def cache_misses() -> dict[str, int]:
    """Return the kernels of the package that were compiled in this process, with the number of signatures."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("wfst_asr"):
            for kernel in vars(module).values():
                stats = getattr(kernel, "stats", None)
                if hasattr(kernel, "py_func") and kernel.py_func.__module__ == name and stats and stats.cache_misses:
                    found[f"{name}.{kernel.py_func.__name__}"] = sum(stats.cache_misses.values())
    return found


def one_start(folder: Path, scores_path: Path, *, listen: bool) -> dict[str, Any]:
    """Do what a decoder does at first; return CPU seconds of each phase, and what was compiled."""
    clock = [0.0, time.process_time()]
    from wfst_asr.decoder.decode import decode
    from wfst_asr.decoder.lattice_beam import decode_lattice
    from wfst_asr.decoder.search_graph import load_graph

    compiling = CompileTimes() if listen else None
    clock.append(time.process_time())
    scores = np.load(scores_path)
    columns = None if (folder / "manifest.json").exists() else np.arange(-1, scores.shape[1])
    graph = load_graph(folder / "HCLG.fst" if columns is not None else folder, columns=columns)
    clock.append(time.process_time())
    decode(graph, scores[:1])
    clock.append(time.process_time())
    found = decode_lattice(graph, scores)
    clock.append(time.process_time())
    assert found.words.num_states
    clock.append(time.process_time())
    from wfst_asr.decoder.online import OnlineDecoder

    decoder = OnlineDecoder(graph, confidence=True)
    decoder.accept(scores)
    decoder.partial()
    decoder.finish()
    clock.append(time.process_time())
    return {
        "seconds": dict(zip(PHASES, np.diff(clock).tolist(), strict=True)),
        "compiled": cache_misses(),
        "compiling": compiling.seconds if compiling else {},
    }


def start(folder: Path, scores: Path, *, cache: Path | None = None) -> dict[str, Any]:
    """Start Python anew for `one_start`."""
    environment = dict(os.environ) if cache is None else {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, __file__, "--child", "--graph", str(folder), "--scores", str(scores)]
    command += ["--cold"] if cache else []
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    made: dict[str, Any] = json.loads(done.stdout)
    return made


@click.command()
@click.option("--graph", type=click.Path(exists=True, path_type=Path), help="Graph folder.")
@click.option("--scores", type=click.Path(exists=True, path_type=Path), help="(T, P) scores in a .npy file.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--cold", is_flag=True, help="Tell what compiling takes from an empty cache.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--child", is_flag=True, hidden=True)
def main(graph: Path | None, scores: Path | None, repeats: int, cold: bool, as_json: bool, child: bool) -> None:
    """Measure how long the decoder takes to start."""
    if child and graph and scores:
        print(json.dumps(one_start(graph, scores, listen=cold)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = graph or Path(name)
        if graph is None:
            make_graph(folder)
        scores = scores or folder / "scores.npy"
        start(folder, scores)  # the first may fill the cache
        runs = [start(folder, scores) for _ in range(repeats)]
        seconds = {phase: statistics.median(run["seconds"][phase] for run in runs) for phase in PHASES}
        first = sum(seconds[phase] for phase in PHASES[:4])
        compiled = sorted({kernel for run in runs for kernel in run["compiled"]})
        report: dict[str, Any] = {"seconds": seconds, "to_first_frame": first, "compiled_anew": compiled}
        if cold:
            made = start(folder, scores, cache=Path(name) / "cache")
            report["compiling"] = made["compiling"]
            report["compiling_total"] = sum(made["compiling"].values())
            report["signatures"] = {kernel: count for kernel, count in made["compiled"].items() if count > 1}
    if as_json:
        print(json.dumps(report))
        return
    for phase, value in seconds.items():
        print(f"{phase:12} {value:6.3f} s")
    print(f"to the first frame {first:.3f} s of CPU time; compiled anew: {', '.join(compiled) or 'nothing'}")
    if cold:
        for kernel, value in sorted(report["compiling"].items(), key=lambda item: -item[1]):
            print(f"{kernel:24} {value:6.2f} s")
        print(f"compiling in all {report['compiling_total']:.1f} s; kernels of several types: {report['signatures']}")


if __name__ == "__main__":
    main()
