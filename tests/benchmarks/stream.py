"""Stream an hour of speech in 100 ms chunks: memory over time, real-time factor, latency, and whole-file words.

    python tests/benchmarks/stream.py --corpus DATA_DIR [--graph GRAPH --model MODEL] [--minutes 60] [--json]

The recordings of a data directory follow one another, again and again.  Latency is the CPU time of all threads from a
chunk going in to the words so far coming out; what a chunk lasts and the look-ahead of the features come on top.  Memory
is what the process holds of its own, and beside it the pages of files (of the graph) that it has touched.  Afterwards the
features of the whole sound are computed at once, and each utterance that was found is decoded as a whole.
"""

import argparse
import gc
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.online import PartialResult, Utterance
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.features.pipeline_stream import online_pipeline_features
from wfst_asr.features.sphinx_mfcc import sphinx_mfcc
from wfst_asr.features.sphinx_stream import online_sphinx_features
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.recipe.scorers import model_of_graph
from wfst_asr.recipe.streaming import (
    SphinxStreamModel,
    StreamingRecogniser,
    StreamModel,
    StreamOptions,
    TrainedStreamModel,
    stream_model,
)


def memory_mb() -> dict[str, float]:
    """Return the process's memory: its own, and pages of files."""
    rows = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {kind: int(rows[kind].split()[0]) / 1024 for kind in ("RssAnon", "RssFile")}


def chunks_of(recordings: list[np.ndarray], size: int, total: int) -> Iterator[np.ndarray]:
    """Yield the sound of the recordings, again and again, in chunks of `size` samples, `total` samples in all."""
    held = np.empty(0, np.float32)
    given = 0
    for recording in itertools.cycle(recordings):
        held = np.concatenate([held, recording])
        for at in range(0, len(held) - size + 1, size):
            if given + size > total:
                return
            given += size
            yield held[at : at + size]
        held = held[len(held) // size * size :]


def whole_features(model: StreamModel, options: StreamOptions, samples: np.ndarray, ends: tuple[int, ...]) -> Any:
    """Return the features of all of the sound, computed at once."""
    if isinstance(model, SphinxStreamModel):
        feature_options = model.model.feature_options
        return online_sphinx_features(
            sphinx_mfcc(samples, feature_options), feature_options, options.cmn, utterance_ends=ends
        )
    assert isinstance(model, TrainedStreamModel)
    return online_pipeline_features(model.model.pipeline, samples, options.cmvn)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--graph", type=Path, help="default: the English graph in the cache of wfst-asr demo")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--chunk-ms", type=float, default=100.0)
    parser.add_argument("--beam", type=float, default=12.0)
    parser.add_argument("--confidence", action="store_true")
    parser.add_argument("--no-endpoint", action="store_true")
    parser.add_argument("--no-compare", action="store_true", help="do not decode the utterances as whole files")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.graph is None:
        from wfst_asr.cli.english import english_recogniser

        english = english_recogniser(None, 0, tell=False)
        graph, model = english.graph, SphinxStreamModel(english.model)
    else:
        graph = load_graph(arguments.graph)
        model = stream_model(model_of_graph(graph.manifest, arguments.model))
    options = StreamOptions(search=DecodeOptions(beam=arguments.beam), confidence=arguments.confidence)
    if arguments.no_endpoint:
        options = StreamOptions(search=options.search, endpoint=None)
    recogniser = StreamingRecogniser(model, graph, options)
    rate = recogniser.sample_rate_hz
    data = read_data_dir(arguments.corpus)
    recordings = [data.read_audio(name, sample_rate_hz=rate, warn=False).samples for name in data.utterances]
    size = round(rate * arguments.chunk_ms / 1000)
    total = int(arguments.minutes * 60 * rate) // size * size

    warm = StreamingRecogniser(model, graph, options)  # kernels loaded, words and pronunciations read
    for chunk in chunks_of(recordings, size, min(total, 30 * rate // size * size)):
        warm.accept_samples(chunk)
    warm.finish()
    del warm
    gc.collect()

    quarters = [total // size * k // 4 for k in range(1, 5)]
    memory = [memory_mb()]
    seconds, with_partial = [], []
    found: list[tuple[int, int, tuple[str, ...], str]] = []
    rules: dict[str, int] = {}
    shown, stable = 0, 0

    def keep(event: Any) -> None:
        nonlocal shown, stable
        if isinstance(event, PartialResult):
            shown, stable = shown + len(event.words), stable + event.num_stable
        if isinstance(event, Utterance):
            rule = event.endpoint.rule if event.endpoint else "end"
            rules[rule] = rules.get(rule, 0) + 1
            found.append((event.first_frame, event.end_frame, event.result.words, rule))

    begin, begin_wall = time.process_time(), time.perf_counter()
    for number, chunk in enumerate(chunks_of(recordings, size, total), start=1):
        before = time.process_time()
        events = recogniser.accept_samples(chunk)
        seconds.append(time.process_time() - before)
        if events:
            with_partial.append(seconds[-1])
        for event in events:
            keep(event)
        if number in quarters:
            memory.append(memory_mb())
    for event in recogniser.finish():
        keep(event)
    cpu, wall = time.process_time() - begin, time.perf_counter() - begin_wall
    latency = np.array(with_partial) * 1000
    duration = total / rate
    report: dict[str, Any] = {
        "minutes": round(duration / 60, 2),
        "utterances": len(found),
        "rules": dict(sorted(rules.items())),
        "real_time_factor_cpu": round(cpu / duration, 4),
        "real_time_factor_wall": round(wall / duration, 4),
        "latency_ms": {
            "median": round(float(np.median(latency)), 2),
            "95_percent": round(float(np.percentile(latency, 95)), 2),
            "max": round(float(latency.max()), 2),
        },
        "chunks_slower_than_real_time": int((np.array(seconds) > arguments.chunk_ms / 1000).sum()),
        "stable_share_of_partial_words": round(stable / max(shown, 1), 3),
        "memory_mb": [{kind: round(value, 1) for kind, value in row.items()} for row in memory],
    }
    if not arguments.no_compare:
        samples = np.concatenate([*chunks_of(recordings, size, total)])
        features = whole_features(model, options, samples, tuple(end for _, end, _, rule in found if rule != "end"))
        same = [
            words == decode(graph, model.scores(features[first:end]), options.search).words
            for first, end, words, _ in found
        ]
        report["frames"] = [len(features), found[-1][1]]
        report["words"] = sum(len(words) for _, _, words, _ in found)
        report["same_words"] = f"{sum(same)} of {len(same)} utterances"
    if arguments.json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name}: {value}")
    if not arguments.no_compare and not all(same):
        sys.exit("the words differ from those of whole-file decoding")


if __name__ == "__main__":
    main()
