"""Time reading and writing language models: python tests/benchmarks/lm_files.py [--ngrams 16000000] [--json].

A random 5-gram model is written and read in each form; the smaller model of 2.4 million n-grams is read as well by the
PyPI packages `arpa` (pure Python) and `kaldilm` (C++, which compiles G as it reads), in the same run.  CPU seconds, each
with the kernels loaded unless the name says otherwise.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.grammar_fst import grammar_arcs
from wfst_asr.lm.arpa import read_arpa, write_arpa
from wfst_asr.lm.backoff import NGramLevel, NGramModel
from wfst_asr.lm.model_files import read_model, write_model
from wfst_asr.lm.suffix_links import suffix_links


def random_model(num_ngrams: int, rng: np.random.Generator, *, num_words: int = 50_000, order: int = 5) -> NGramModel:
    """Return a model of about so many n-grams whose histories have few words after them, as those of a text."""
    spelled = rng.integers(97, 123, size=(num_words - 3, 6), dtype=np.uint8)
    words = ["<s>", "</s>", "<unk>", *dict.fromkeys(bytes(row).decode() for row in spelled)]
    share = np.array([0.07, 0.2, 0.31, 0.42])[: order - 1]
    sizes = [len(words), *np.maximum(10, share / share.sum() * (num_ngrams - len(words))).astype(int)]
    levels: list[NGramLevel] = []
    for k, size in enumerate(sizes):
        if k:
            key = np.unique(rng.integers(sizes[k - 1] * len(words), size=size))
            parent, word = key // len(words), key % len(words)
            spoken = (word != 0) & (levels[-1].word[parent] != 1)  # nothing before <s>, nothing after </s>
            parent, word = parent[spoken], word[spoken]
            counts = np.bincount(parent, minlength=sizes[k - 1])
            below = levels.pop()
            levels.append(NGramLevel(below.word, below.log_prob, below.backoff, np.append(0, np.cumsum(counts))))
        else:
            word = np.arange(size)
        sizes[k] = len(word)
        levels.append(
            NGramLevel(
                word.astype(np.int32),
                -rng.exponential(4, size=len(word)) - 1e-4,
                -rng.exponential(0.7, size=len(word)) * (k + 1 < order),
                np.zeros(len(word) + 1, dtype=np.int64),
            )
        )
    return NGramModel(tuple(words), tuple(levels))


def cpu_seconds(work: Callable[[], object], repeat: int = 1) -> float:
    """Return the least CPU seconds of some runs."""
    seconds = []
    for _ in range(repeat):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def process_figures(program: str, *arguments: str) -> dict[str, float]:
    """Return CPU seconds and peak memory of a whole Python process."""
    ending = (
        "; import time; print(time.process_time(), *open('/proc/self/status').read().split('VmHWM:')[1].split()[:1])"
    )
    result = subprocess.run([sys.executable, "-c", program + ending, *arguments], capture_output=True, check=True)
    seconds, kilobytes = result.stdout.split()[-2:]
    return {"cpu_seconds": float(seconds), "peak_mb": int(kilobytes) / 1024}


def measure(folder: Path, num_ngrams: int) -> dict[str, object]:
    """Return the figures of one run."""
    rng = np.random.default_rng(1)
    small = random_model(2_400_000, rng, order=3)
    path = folder / "small.arpa"
    write_arpa(small, path)
    read = "import sys; from wfst_asr.lm.arpa import read_arpa; read_arpa(sys.argv[1])"
    process_figures(read, str(path))  # the kernels are compiled
    figures: dict[str, object] = {
        "ngrams": sum(small.num_ngrams),
        "arpa_mb": path.stat().st_size / 1e6,
        "read_process": process_figures(read, str(path)),
        "read": cpu_seconds(lambda: read_arpa(path), 2),
        "write": cpu_seconds(lambda: write_arpa(small, path), 2),
        "read_by_package_arpa": process_figures("import sys, arpa; arpa.loadf(sys.argv[1])", str(path)),
        "read_by_kaldilm": process_figures(
            "import sys, kaldilm; kaldilm.arpa2fst(sys.argv[1], disambig_symbol='#0')", str(path)
        ),
    }
    words = SymbolTable.from_names([*(w for w in small.words if w not in ("<s>", "</s>")), "#0"])
    arcs = grammar_arcs(small, words).table
    figures["grammar_arcs"] = len(arcs.arcs)
    figures["grammar_seconds"] = cpu_seconds(lambda: grammar_arcs(small, words), 3)
    figures["suffix_link_seconds"] = cpu_seconds(lambda: suffix_links(small), 2)
    large = random_model(num_ngrams, rng)
    path = folder / "large.arpa"
    figures["large_ngrams"] = sum(large.num_ngrams)
    figures["large_write"] = cpu_seconds(lambda: write_model(large, path))
    figures["large_arpa_mb"] = path.stat().st_size / 1e6
    figures["large_read_process"] = process_figures(read, str(path))
    figures["large_binary_write"] = cpu_seconds(lambda: write_model(large, folder / "large.ngram"))
    figures["large_binary_read"] = cpu_seconds(lambda: read_model(folder / "large.ngram"), 3)
    figures["large_binary_mb"] = (folder / "large.ngram").stat().st_size / 1e6
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ngrams", type=int, default=16_000_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.ngrams)
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        shown = value if isinstance(value, dict) else {"": value}
        print(f"{name:24}", "  ".join(f"{part} {number:,.2f}".strip() for part, number in shown.items()))


if __name__ == "__main__":
    main()
