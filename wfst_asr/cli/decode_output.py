"""What `wfst-asr decode` writes: words, times, costs, n-best lists, lattices, statistics of the search."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfst_asr.cli.decode_summary import DecodeSummary
from wfst_asr.cli.lattice_source import nbest_record
from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.decoder.batch import Decoded
    from wfst_asr.decoder.lattice_words import LatticeResult
    from wfst_asr.decoder.search_counts import FrameStatistics
    from wfst_asr.decoder.word_times import WordTime

ARCHIVE, LIST, NBEST, STATISTICS = "lat.ark", "lat.scp", "nbest.jsonl", "statistics.tsv"


@dataclass
class DecodeOutput:
    """The folder to write, and what goes into it."""

    folder: Path
    summary: DecodeSummary
    places: dict[str, tuple[str, float]] = field(default_factory=dict)  # of utterances that are part of a recording
    silent: Collection[str] = frozenset()  # words that `text` is without
    n_best: bool = False
    archive: bool = False
    statistics: bool = False
    _rows: list[tuple[str, str, str, list[Any], list[str]]] = field(default_factory=list)
    _searched: "dict[str, FrameStatistics]" = field(default_factory=dict)
    _write_lattice: Callable[[str, Any], None] | None = None

    def add(self, one: "Decoded") -> None:
        """Take up an utterance."""
        result, more = one.result, one.from_lattice
        told = more.mbr if more and more.mbr else result
        words = [word for word in told.words if word not in self.silent] if told else []
        self.summary.add(one, words=len(words))
        if result is None or told is None:
            return
        costs = (
            f"{one.utterance}\t{result.graph_cost:.4f}\t{result.acoustic_cost:.4f}\t{result.total_cost:.4f}\t"
            f"{len(result.alignment)}\t{int(result.reached_final)}\n"
        )
        times = self._times(one.utterance, told.word_times, told.confidences)
        if result.statistics is not None:
            self._searched[one.utterance] = result.statistics
        lines = [json.dumps(record, ensure_ascii=False) for record in self._n_best(one.utterance, more)]
        self._rows.append((one.utterance, f"{one.utterance} {' '.join(words)}".rstrip() + "\n", costs, times, lines))

    def _times(self, utterance: str, times: "Sequence[WordTime]", confidences: Sequence[float] | None) -> "list[Any]":
        from wfst_asr.io.ctm import CtmWord

        recording, offset_s = self.places.get(utterance, (utterance, 0.0))
        told: Sequence[float | None] = confidences if confidences is not None else [None] * len(times)
        return [
            CtmWord(recording, "1", offset_s + time.start_s, time.end_s - time.start_s, time.word, confidence)
            for time, confidence in zip(times, told, strict=True)
        ]

    def _n_best(self, utterance: str, more: "LatticeResult | None") -> Iterator[dict[str, Any]]:
        """Yield the records of an n-best list, its words without silence, each sequence once."""
        seen: set[tuple[str, ...]] = set()
        for one in more.n_best if more else ():
            spoken = [place for place, word in enumerate(one.words) if word not in self.silent]
            words = tuple(one.words[place] for place in spoken)
            if words in seen:
                continue
            seen.add(words)
            yield nbest_record(
                utterance,
                len(seen),
                words,
                costs=(one.total_cost, one.graph_cost, one.acoustic_cost),
                confidences=[one.confidences[place] for place in spoken],
            )

    def keep_lattice(self, utterance: str, more: "LatticeResult | None") -> None:
        """Write the lattice of an utterance, if lattices are kept and it has one."""
        if self._write_lattice is not None and more is not None and more.lattice is not None:
            self._write_lattice(utterance, more.lattice)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep the archive of lattices open; it appears when the block ends without an error."""
        if not self.archive:
            yield
            return
        from wfst_asr.kaldi.lattice import lattice_writer

        with lattice_writer(self.folder / ARCHIVE, scp=self.folder / LIST) as self._write_lattice:
            yield
        self._write_lattice = None

    def check(self) -> None:
        """Refuse to write nothing.

        Raises:
            WfstAsrError: no utterance was decoded.
        """
        if not self._rows:
            raise WfstAsrError(
                f"none of {self.summary.utterances} utterances could be decoded: {self.summary.first_reason}"
            )

    def write(self, order: Iterable[str] | None = None) -> None:
        """Write the files, utterances as they came or in the order given; those of an earlier run are removed."""
        from wfst_asr.atomic_files import written_aside
        from wfst_asr.decoder.statistics_file import write_statistics
        from wfst_asr.io.ctm import write_ctm

        self.check()
        rows = self._rows
        if order is not None:
            place = {utterance: number for number, utterance in enumerate(order)}
            rows = sorted(rows, key=lambda row: place[row[0]])
        header = "utterance\tgraph_cost\tacoustic_cost\ttotal_cost\tframes\treached_final\n"
        with written_aside(self.folder / "text") as text, written_aside(self.folder / "costs") as costs:
            text.write_text("".join(row[1] for row in rows), encoding="utf-8")
            costs.write_text(header + "".join(row[2] for row in rows), encoding="utf-8")
            write_ctm([word for row in rows for word in row[3]], self.folder / "ctm")
        if self.n_best:
            with written_aside(self.folder / NBEST) as aside:
                aside.write_text("".join(f"{line}\n" for row in rows for line in row[4]), encoding="utf-8")
        if self.statistics:
            write_statistics(((row[0], self._searched[row[0]]) for row in rows), self.folder / STATISTICS)
        unwritten = [NBEST] * (not self.n_best) + [ARCHIVE, LIST] * (not self.archive)
        unwritten += [STATISTICS] * (not self.statistics)
        for name in unwritten:
            (self.folder / name).unlink(missing_ok=True)
