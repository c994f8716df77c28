"""Perplexity of every smoothing at orders 1 to 5, before and after pruning, on the last part of a text.

    python tests/benchmarks/lm_perplexities.py --text lm_books_6M.txt.gz [--json]

The last 5 % of the lines are held out; the vocabulary is the 20,000 commonest words of the rest, other words are counted as
<unk>; words outside the vocabulary are left out of the perplexity, as SRILM does.
"""

import argparse
import gzip
import json
import sys
import tempfile
import time
from pathlib import Path

from wfst_asr.lm.counts import commonest_words, count_ngrams, with_marks
from wfst_asr.lm.estimate import INTERPOLATED, KNESER_NEY, SMOOTHINGS, EstimateOptions, estimate_model
from wfst_asr.lm.perplexity import text_perplexity
from wfst_asr.lm.prune import prune
from wfst_asr.lm.text import map_words, read_text


def held_out_parts(text: Path, folder: Path, share: float) -> tuple[Path, Path]:
    """Write the first lines and the last `share` of the lines of a text to two files."""
    data = text.read_bytes()
    lines = (gzip.decompress(data) if text.suffix == ".gz" else data).splitlines(keepends=True)
    cut = round(len(lines) * (1 - share))
    parts = folder / "train.txt", folder / "test.txt"
    for part, chosen in zip(parts, (lines[:cut], lines[cut:]), strict=True):
        part.write_bytes(b"".join(chosen))
    return parts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--vocab-size", type=int, default=20000)
    parser.add_argument("--held-out", type=float, default=0.05)
    parser.add_argument("--orders", default="1,2,3,4,5")
    parser.add_argument("--prune-to", type=int, default=1_000_000, help="n-grams of all orders after pruning")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    orders = [int(order) for order in arguments.orders.split(",")]
    methods = [(name, False) for name in SMOOTHINGS] + [(name, True) for name in INTERPOLATED]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        train, test = held_out_parts(arguments.text, Path(folder), arguments.held_out)
        text, held_out = read_text(train), read_text(test)
    words = with_marks(commonest_words(text, arguments.vocab_size), "<unk>")
    text = map_words(text, words)
    for order in orders:
        counts = count_ngrams(text, order)
        for smoothing, interpolate in methods:
            begin = time.process_time()
            estimated = estimate_model(counts, EstimateOptions(smoothing, interpolate=interpolate))
            seconds = time.process_time() - begin
            model = estimated.model
            whole = text_perplexity(model, held_out)
            row = {
                "smoothing": smoothing,
                "interpolate": interpolate,
                "order": order,
                "ngrams": sum(model.num_ngrams),
                "perplexity": whole.perplexity,
                "zero_probability_words": whole.zero_probability,
                "cpu_seconds": round(seconds, 2),
                "notes": list(estimated.notes),
            }
            if smoothing == "katz":
                katz = model
            if order > 1 and smoothing not in ("maximum-likelihood", "add-k"):
                # Kneser-Ney's lower orders are no frequencies: the Katz model tells how often a history comes
                history_model = katz if smoothing in KNESER_NEY else None
                pruned = prune(model, max_ngrams=arguments.prune_to, history_model=history_model)
                row["pruned_ngrams"] = sum(pruned.num_ngrams)
                row["pruned_perplexity"] = text_perplexity(pruned, held_out).perplexity
            rows.append(row)
            print(f"order {order} {smoothing}{' interpolated' if interpolate else ''}: {row}", file=sys.stderr)
            del model, estimated
    if arguments.json:
        print(json.dumps({"rows": rows, "oov": whole.oov, "words": whole.words, "sentences": whole.sentences}))
        return
    print("| smoothing | " + " | ".join(f"{order}" for order in orders) + " |")
    print("|---|" + "---|" * len(orders))
    for smoothing, interpolate in methods:
        mine = [row for row in rows if (row["smoothing"], row["interpolate"]) == (smoothing, interpolate)]
        cells = []
        for row in mine:
            pruned = f" ({row['pruned_perplexity']:.1f})" if "pruned_perplexity" in row else ""
            zeros = f" [{row['zero_probability_words']} impossible]" if row["zero_probability_words"] else ""
            cells.append(f"{row['perplexity']:.1f}{pruned}{zeros}")
        print(f"| {smoothing}{', interpolated' if interpolate else ''} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
