"""Decode a set over threads and over processes: which scales.

    python tests/benchmarks/batch.py --corpus DATA_DIR --graph GRAPH --model MODEL [--jobs 1,2] [--repeat 5] [--json]

The model is a trained one.  `search` decodes scores that lie on disk, `recordings` reads the sound and computes features
and scores too.  Wall-clock seconds, runs alternating, the fastest of each, since other work on the machine only slows
down; the start of processes (Python, imports, kernels, graph) is told apart.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wfst_asr.decoder.batch import Decoded, over_processes, over_threads
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.recipe.scorers import scorer_for

Item = tuple[str, str]  # utterance, file of its scores; without a file its sound is scored


@dataclass(frozen=True)
class Recognise:
    """Loads what decoding needs."""

    corpus: Path
    graph: Path
    model: Path
    beam: float

    def __call__(self) -> Callable[[Item], Decoded]:
        data, graph, scorer = read_data_dir(self.corpus), load_graph(self.graph), scorer_for(self.model)
        options = DecodeOptions(beam=self.beam)

        def recognise(item: Item) -> Decoded:
            name, path = item
            if path:
                scores = np.load(path)
            else:
                scores = scorer.scores(data.read_audio(name, sample_rate_hz=scorer.sample_rate_hz, warn=False).samples)
            return Decoded(name, decode(graph, scores, options))

        return recognise


def threads(make: Recognise, items: list[Item], jobs: int) -> tuple[float, float, list[Any]]:
    """Return seconds to begin, seconds to decode, and the words."""
    begin = time.perf_counter()
    function = make()
    function(items[0])
    begun = time.perf_counter()
    words = [one.result.words for one in over_threads(function, items, num_jobs=jobs) if one.result]
    return begun - begin, time.perf_counter() - begun, words


def processes(make: Recognise, items: list[Item], jobs: int) -> tuple[float, float, list[Any]]:
    """Return seconds to begin, seconds to decode, and the words; the first results tell that all have begun."""
    if jobs == 1:
        return threads(make, items, jobs)
    begin = time.perf_counter()
    results = over_processes(make, [*items[: 2 * jobs], *items], num_jobs=jobs)
    for _ in range(2 * jobs):
        next(results)
    begun = time.perf_counter()
    words = [one.result.words for one in results if one.result]
    return begun - begin, time.perf_counter() - begun, words


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--beam", type=float, default=13.0)
    parser.add_argument("--jobs", default="1,2")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--utterances", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    make = Recognise(arguments.corpus, arguments.graph, arguments.model, arguments.beam)
    data, scorer = read_data_dir(arguments.corpus), scorer_for(arguments.model)
    names = list(data.utterances)[: arguments.utterances]
    report: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(load, 2), "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        stored, seconds = [], 0.0
        for name in names:
            sound = data.read_audio(name, sample_rate_hz=scorer.sample_rate_hz, warn=False)
            seconds += sound.duration_s
            path = str(Path(folder) / f"{len(stored)}.npy")
            np.save(path, scorer.scores(sound.samples))
            stored.append((name, path))
        kinds = {"search": stored, "recordings": [(name, "") for name in names]}
        ways = {"threads": threads, "processes": processes}
        for kind, items in kinds.items():
            words = None
            runs: dict[tuple[str, int], list[tuple[float, float]]] = {}
            for _ in range(arguments.repeat):
                for jobs, (way, run) in [(int(j), pair) for j in arguments.jobs.split(",") for pair in ways.items()]:
                    start, took, found = run(make, items, jobs)
                    runs.setdefault((way, jobs), []).append((start, took))
                    words = words or found
                    assert found == words, f"{way} with {jobs} jobs found other words"
            single = min(took for _, took in runs["threads", int(arguments.jobs.split(",")[0])])
            for (way, jobs), figures in runs.items():
                took = min(took for _, took in figures)
                report["rows"].append(
                    {
                        "work": kind,
                        "way": way,
                        "jobs": jobs,
                        "start_s": round(min(start for start, _ in figures), 2),
                        "seconds": round(took, 2),
                        "times_real_time": round(seconds / took, 1),
                        "speed_up": round(single / took, 2),
                    }
                )
    report["sound_s"] = round(seconds, 1)
    if arguments.json:
        print(json.dumps(report))
        return
    print(f"{report['sound_s']} s of sound, {report['cores']} cores, load before {report['load_before']}")
    for row in report["rows"]:
        print(
            f"{row['work']:<11}{row['way']:<10}{row['jobs']} jobs: {row['seconds']:7.2f} s ({row['times_real_time']} times"
            f" real time, {row['speed_up']} times one job), start {row['start_s']} s"
        )


if __name__ == "__main__":
    main()
