"""What lattices hold at each lattice beam: their sizes, and the error rates of what can be made of them.

    python tests/benchmarks/lattices.py --corpus DATA_DIR --graph GRAPH --model MODEL
        [--old-lm LM --new-lm LM] [--beams 2,4,6,8,10] [--beam 13] [--n-best 100] [--json]

The model is a trained one (of a speaker-adapted model the first pass), features are normalised by speaker.  The search runs
once, at the widest lattice beam; narrower lattices are pruned from its exactly.  Every recording counts.  Nothing is tuned:
acoustic scale and LM weight are the graph's, the insertion penalty is 0, the new language model has the old one's weight.
Error rates in percent; sizes are means a recording; seconds are CPU seconds of all recordings together, kernels compiled.
Rescored: the old model is taken out of the lattices and the new one put in.  N-best rescored: the N best word sequences are
ranked anew by a Python callable, which returns the new model's scores less the graph's costs of the old one.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.lattice.best_path import best_path
from wfst_asr.lattice.best_way import BestWay
from wfst_asr.lattice.confusion import confusion_network
from wfst_asr.lattice.determinize import determinize
from wfst_asr.lattice.lattice import Lattice, prune
from wfst_asr.lattice.nbest import n_best
from wfst_asr.lattice.oracle import oracle
from wfst_asr.lattice.rescore import Scorer, rescore, rescore_nbest
from wfst_asr.lattice.word_fst import WordFst
from wfst_asr.lm.model_files import read_model
from wfst_asr.recipe.decode_data import DataDecoder
from wfst_asr.recipe.labelled_graph import silent_words
from wfst_asr.recipe.rescoring import language_model_fst
from wfst_asr.score.wer import align

_Made = TypeVar("_Made")


@dataclass
class Row:
    """Sums over the recordings at one lattice beam."""

    beam: float
    recordings: int = 0
    frames: int = 0
    states: int = 0
    arcs: int = 0
    emitting_arcs: int = 0
    word_states: int = 0
    word_arcs: int = 0
    word_arc_frames: int = 0
    bytes: int = 0
    shrunk: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, name: str, function: Callable[[], _Made]) -> _Made:
        """Call a function and add the CPU seconds that it takes."""
        begin = time.process_time()
        made = function()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - begin
        return made

    def count(self, name: str, errors: int) -> None:
        """Add errors."""
        self.errors[name] = self.errors.get(name, 0) + errors

    def record(self, words: int) -> dict[str, Any]:
        """Return what is told."""
        n = self.recordings
        return {
            "lattice_beam": self.beam,
            "state_density": round(self.emitting_arcs / self.frames, 2),
            "word_density": round(self.word_arc_frames / self.frames, 2),
            "states": round(self.states / n),
            "arcs": round(self.arcs / n),
            "word_states": round(self.word_states / n),
            "word_arcs": round(self.word_arcs / n),
            "word_kilobytes": round(self.bytes / n / 1000, 1),
            "beam_shrunk": self.shrunk,
            "wer": {name: round(100 * errors / words, 2) for name, errors in self.errors.items()},
            "cpu_seconds": {name: round(seconds, 2) for name, seconds in self.seconds.items()},
        }


@dataclass(frozen=True)
class Models:
    """What lattices are rescored with, if with anything."""

    old: BestWay | None
    new: WordFst | None
    scorer: Scorer | None


def lattices(decoder: DataDecoder, options: DecodeOptions) -> Iterator[tuple[str, Lattice, tuple[int, ...], float]]:
    """Yield utterance, lattice, best words and the CPU seconds of the search."""
    corpus, model = decoder.corpus, decoder.model
    gmm = model.si_gmm or model.gmm
    for index, (utterance, speaker) in enumerate(zip(corpus.utterances, corpus.speakers, strict=True)):
        scores = gmm.log_likelihoods(model.pipeline.apply(corpus.raw(index), corpus.cmvn_stats[speaker]))
        begin = time.process_time()
        found = decode_lattice(decoder.graph, scores, options)
        yield utterance, found.lattice, found.best.word_ids, time.process_time() - begin


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the errors of a hypothesis."""
    return sum(left != right for left, right in align(reference, hypothesis))


def add(
    row: Row, raw: Lattice, reference: list[str], graph: SearchGraph, silent: set[int], models: Models, n: int
) -> None:
    """Take up a recording."""
    ids = {word: number for number, word in enumerate(graph.words)}

    def wrong(name: str, labels: Sequence[int]) -> None:
        row.count(name, edits(reference, [graph.word(label) for label in labels if label not in silent]))

    pruned = row.timed("prune", lambda: prune(raw, row.beam))
    words = row.timed("determinize", lambda: determinize(pruned))
    row.shrunk += words.lattice_beam < row.beam
    row.recordings += 1
    row.frames += raw.num_frames
    row.states, row.arcs = row.states + pruned.num_states, row.arcs + pruned.num_arcs
    row.emitting_arcs += int((pruned.ilabel != 0).sum())
    row.word_states, row.word_arcs = row.word_states + words.num_states, row.word_arcs + words.num_arcs
    row.word_arc_frames += len(words.labels)
    row.bytes += sum(part.nbytes for part in vars(words).values() if isinstance(part, np.ndarray))
    labels = [ids.get(word, -1) for word in reference]
    row.count("oracle", row.timed("oracle", lambda: oracle(words, labels, ignored=silent)).counts.errors)
    wrong("best", best_path(words).word_ids)
    wrong("mbr", row.timed("mbr", lambda: confusion_network(words, ignored=silent)).hypothesis)
    if models.new is None or models.old is None or models.scorer is None:
        return
    scorer = models.scorer
    rescored = row.timed("rescore", lambda: rescore(words, models.new, old=models.old))
    wrong("rescored", best_path(rescored).word_ids)
    wrong("rescored_mbr", confusion_network(rescored, ignored=silent).hypothesis)

    def ranked() -> tuple[int, ...]:
        found = rescore_nbest(n_best(words, n), scorer, words=names, acoustic_scale=words.acoustic_scale)
        return found[0].path.word_ids

    names = dict(enumerate(graph.words))
    wrong("nbest_rescored", row.timed("nbest", ranked))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--old-lm", type=Path, help="the graph's; with --new-lm")
    parser.add_argument("--new-lm", type=Path, help="to rescore with")
    parser.add_argument("--beams", default="2,4,6,8,10", help="lattice beams")
    parser.add_argument("--beam", type=float, default=13.0, help="of the search")
    parser.add_argument("--n-best", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if (arguments.old_lm is None) != (arguments.new_lm is None):
        parser.error("give --old-lm and --new-lm, or none of them")
    graph = load_graph(arguments.graph)
    decoder = DataDecoder.of_folders(graph, arguments.model, arguments.corpus)
    text = {name: words.split() for name, words in (decoder.data.text or {}).items()}
    ids = {word: number for number, word in enumerate(graph.words)}
    silent = {ids[word] for word in silent_words(graph) if word in ids}
    models = Models(None, None, None)
    if arguments.new_lm:
        new = read_model(arguments.new_lm)
        way = BestWay(language_model_fst(arguments.old_lm, ids))

        def gained(sentences: Sequence[Sequence[str]]) -> Sequence[float]:
            costs = np.array([way.cost([ids[word] for word in sentence]) for sentence in sentences])
            return np.asarray(new.scores(sentences) + costs).tolist()

        models = Models(way, language_model_fst(new, ids), gained)
    rows = [Row(float(beam)) for beam in arguments.beams.split(",")]
    options = DecodeOptions(beam=arguments.beam, lattice_beam=max(row.beam for row in rows))
    search = 0.0
    for number, (utterance, raw, best, seconds) in enumerate(lattices(decoder, options)):
        for row in rows:
            if number == 0:  # compiles the kernels
                add(Row(row.beam), raw, text[utterance], graph, silent, models, arguments.n_best)
            add(row, raw, text[utterance], graph, silent, models, arguments.n_best)
        search += seconds if number else 0.0
        assert best == best_path(raw).word_ids
    for row in rows:
        for utterance in decoder.corpus.left_out:
            for name in row.errors:
                row.count(name, len(text[utterance]))
    words = sum(map(len, text.values()))
    report = {
        "recordings": len(text),
        "left_out": len(decoder.corpus.left_out),
        "words": words,
        "frames": rows[0].frames,
        "beam": arguments.beam,
        "acoustic_scale": graph.acoustic_scale,
        "search_cpu_seconds_without_the_first": round(search, 2),
        "rows": [row.record(words) for row in rows],
    }
    print(json.dumps(report) if arguments.json else table(report))


def table(report: dict[str, Any]) -> str:
    """Return the report for people."""
    lines = [
        f"{report['recordings']} recordings ({report['left_out']} left out), {report['words']} words, "
        f"{report['frames']} frames; beam {report['beam']:g}, acoustic scale {report['acoustic_scale']:.4g}; "
        f"search {report['search_cpu_seconds_without_the_first']} CPU s",
    ]
    rates = list(report["rows"][0]["wer"])
    titles = ["beam", "arcs/frame", "words/frame", "arcs", "word arcs", "kB", *rates, "det. s", "MBR s", "rescore s"]
    lines.append("| " + " | ".join(titles) + " |")
    lines.append("|" + "---|" * len(titles))
    for row in report["rows"]:
        seconds = row["cpu_seconds"]
        cells = [
            f"{row['lattice_beam']:g}",
            *(row[name] for name in ("state_density", "word_density", "arcs", "word_arcs", "word_kilobytes")),
            *row["wer"].values(),
            *(seconds.get(name, "") for name in ("determinize", "mbr", "rescore")),
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
