"""Time the training, reading, compiling and scoring of language models beside their peers, in one run.

    python tests/benchmarks/lm.py --text lm_books_6M.txt.gz [--lmplz PATH] [--json]

Modified Kneser-Ney, interpolated, unpruned, ARPA file written; peers: the PyPI package kaldingram (order 3, its own
Kneser-Ney) and, where its path is given, KenLM's lmplz.  CPU seconds are user + system of whole processes, kernels compiled
before; peak memory is the process's.  Runs alternate; medians.
"""

import argparse
import gzip
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

NGRAMS_READ = 2_400_000


def run(command: Sequence[str | Path], *, stdin: Path | None = None) -> dict[str, float]:
    """Return CPU seconds and peak memory of a process."""
    with open(stdin or os.devnull, "rb") as source, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [str(part) for part in command], stdin=source, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{command[0]} ended with status {process.returncode}: {errors.read().decode()[-500:]}")
    return {"cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of every figure."""
    return {name: round(statistics.median(figures[name] for figures in runs), 2) for name in runs[0]}


def time_training(
    text: Path, folder: Path, orders: Sequence[int], repeat: int, lmplz: Path | None
) -> list[dict[str, Any]]:
    """Return a row an order: ours and the peers', alternating."""
    rows = []
    ours = (Path(sys.executable).parent / "wfst-asr", "lm", "train", text)
    for order in orders:
        commands: dict[str, tuple[Sequence[str | Path], Path | None]] = {
            "wfst_asr": ((*ours, folder / f"{order}.arpa", "--order", f"{order}", "--interpolate"), None)
        }
        if lmplz is not None:
            commands["lmplz"] = (
                (lmplz, "-o", f"{order}", "--arpa", folder / "lmplz.arpa", "-T", folder, "-S", "600M"),
                text,
            )
        if order == 3 and importlib.util.find_spec("kaldingram") is not None:
            peer = (sys.executable, "-m", "kaldingram.cli", "train", "--ngram-order", "3", "--text", text)
            commands["kaldingram"] = ((*peer, "--lm", folder / "peer.arpa"), None)
        figures: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
        for attempt in range(repeat):
            for name, (command, stdin) in commands.items():
                if name != "kaldingram" or not attempt:  # the slow peer once
                    figures[name].append(run(command, stdin=stdin))
        row: dict[str, Any] = {"order": order} | {name: medians(found) for name, found in figures.items()}
        row["ratios"] = {
            name: round(row["wfst_asr"]["cpu_seconds"] / row[name]["cpu_seconds"], 3)
            for name in commands
            if name != "wfst_asr"
        }
        rows.append(row)
    return rows


def time_use(text: Path, model_path: Path, folder: Path, repeat: int) -> dict[str, Any]:
    """Return how fast a model pruned to 2.4 M n-grams is read, mapped, compiled to G and scores its text."""
    from wfst_asr.fst.symbols import SymbolTable
    from wfst_asr.graph.grammar_fst import grammar_arcs
    from wfst_asr.lm.model_files import read_model, write_model
    from wfst_asr.lm.prune import prune
    from wfst_asr.lm.scoring import ids_of_words, score_ids
    from wfst_asr.lm.text import read_text

    whole = read_model(model_path)
    model = prune(whole, max_ngrams=min(NGRAMS_READ, sum(whole.num_ngrams)))
    pruned = folder / "pruned.arpa"
    write_model(model, pruned)
    readers = {
        "wfst_asr": "from wfst_asr.lm.arpa import read_arpa; read_arpa({!r})",
        "arpa": "import arpa; arpa.loadf({!r})",
        "kaldilm": "import kaldilm; kaldilm.arpa2fst({!r}, disambig_symbol='#0')",
    }
    figures: dict[str, Any] = {"ngrams": sum(model.num_ngrams), "read_arpa": {}}
    for name, program in readers.items():
        if importlib.util.find_spec(name) is not None:
            reading = (sys.executable, "-c", program.format(str(pruned)))
            runs = [run(reading) for _ in range(repeat if name == "wfst_asr" else 1)]
            figures["read_arpa"][name] = medians(runs)
    binary = folder / "model.ngram"
    write_model(model, binary)
    figures["map_binary_ms"] = round(1e3 * best(lambda: read_model(binary), repeat), 1)
    words = SymbolTable.from_names([*(word for word in model.words if word not in ("<s>", "</s>")), "#0"])
    arcs = len(grammar_arcs(model, words).table.arcs)
    figures["grammar_arcs"] = arcs
    figures["grammar_arcs_a_second"] = round(arcs / best(lambda: grammar_arcs(model, words), repeat))
    read = read_text(text)
    ids = ids_of_words(model, read.words)[read.ids]
    score_ids(model, ids[:1000])
    figures["words_scored_a_second"] = round(read.num_tokens / best(lambda: score_ids(model, ids), repeat))
    return figures


def best(work: Any, repeat: int) -> float:
    """Return the median CPU seconds of some calls."""
    seconds = []
    for _ in range(repeat):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return float(np.median(seconds))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--lmplz", type=Path, help="KenLM's lmplz")
    parser.add_argument("--orders", default="3,5")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = folder / "text.txt"  # the peers read no gzip
        packed = arguments.text.suffix == ".gz"
        plain.write_bytes(gzip.decompress(arguments.text.read_bytes()) if packed else arguments.text.read_bytes())
        run((Path(sys.executable).parent / "wfst-asr", "lm", "train", plain, folder / "3.arpa", "--interpolate"))
        orders = [int(order) for order in arguments.orders.split(",")]
        training = time_training(plain, folder, orders, arguments.repeat, arguments.lmplz)
        use = time_use(plain, folder / f"{orders[0]}.arpa", folder, arguments.repeat)
    if arguments.json:
        print(json.dumps({"training": training, "use": use}))
        return
    for row in training:
        for tool in (tool for tool in row if tool not in ("order", "ratios")):
            ratio = f", ours is {row['ratios'][tool]:.2f} of it" if tool in row["ratios"] else ""
            print(
                f"order {row['order']}, {tool}: {row[tool]['cpu_seconds']} CPU s, {row[tool]['peak_mb']:.0f} MB{ratio}"
            )
    for figure, value in use.items():
        print(f"{figure}: {value}")


if __name__ == "__main__":
    main()
