"""Times of the words so far, of a path that may stand in the middle of a word."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.growing_path import GrowingPath, PathEnd
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.decoder.word_times import WordTime, match_words, phone_segments

_MOST_UNTOLD = 12  # phones of a word whose label comes late in it
_KEEP_FREE = 16  # words whose times are found anew each time
_LAST = ""  # name of the last word, which may be unfinished; no word of a graph is empty


class PartialTimes:
    """Start and end of the words on a growing path; those of settled words are found once and kept."""

    def __init__(self, path: GrowingPath, *, first_frame: int = 0) -> None:
        """Begin with a path that begins in a frame of the stream."""
        self._path = path
        self._graph = path.search.graph
        self._first_frame = first_frame
        self._known: list[WordTime] = []
        self._anchor = 0  # frame after the last of them
        self._exact = True
        manifest = self._graph.manifest
        self._silences = set(manifest.silence_phones) if manifest else set()
        self._silences |= {phone for variant in self._graph.pronunciations.get("<eps>", ()) for phone in variant}

    def words(self, rest: PathEnd) -> tuple[tuple[WordTime, ...], bool]:
        """Return where the words lie, in frames of the stream, and whether the times are the ends of their phones.

        Those of the last word are of what of it has been heard.

        Args:
            rest: the path past what is settled.
        """
        path, done, anchor = self._path, len(self._known), self._anchor
        ids = (*path.word_ids[done:], *rest.word_ids)
        words = [self._graph.word(word) for word in ids]
        frames = [frame - anchor for frame in (*path.label_frames[done:], *rest.label_frames)]
        alignment = np.concatenate([np.array(path.ilabels[anchor:], dtype=np.int32), rest.ilabels])
        spans, exact = partial_spans(self._graph, words, alignment, frames, self._silences)
        times = [self._timed(word, *span) for word, span in zip(words, spans, strict=True)]
        free = len(path.word_ids) - done - 1  # of the last settled word the end may not be settled
        everything = (*self._known, *times), self._exact and exact
        if free > _KEEP_FREE:
            keep = free - _KEEP_FREE // 2
            if anchor + spans[keep - 1][1] <= path.num_frames:
                self._known.extend(times[:keep])
                self._anchor = anchor + spans[keep - 1][1]
                self._exact = self._exact and exact
        return everything

    def _timed(self, word: str, start: int, end: int) -> WordTime:
        start, end = start + self._anchor + self._first_frame, end + self._anchor + self._first_frame
        shift = self._graph.frame_shift_s
        return WordTime(word, start, end, round(start * shift, 6), round(end * shift, 6))


def partial_spans(
    graph: SearchGraph,
    words: Sequence[str],
    alignment: NDArray[np.int32],
    label_frames: Sequence[int],
    silences: set[str],
) -> tuple[list[tuple[int, int]], bool]:
    """Return start and end of each word of a path that need not end with a word, and whether that is exact.

    The last word may be heard in part, and phones may follow of a word whose label is still to come.

    Args:
        graph: with input labels, phones and pronunciations for exact times.
        words: the words of the path.
        alignment: (T,) input labels.
        label_frames: frame at which each word's output label stands.
        silences: phones between words.
    """
    if not words:
        return [], True
    segments = phone_segments(graph, alignment)
    if segments is not None:
        named = [*words[:-1], _LAST]
        pronunciations = _WithBeginnings(graph.pronunciations, words[-1])
        for untold in range(min(_MOST_UNTOLD, len(segments)) + 1):
            heard = segments[: len(segments) - untold]
            spans = match_words(named, heard, pronunciations, silences, label_frames)
            if spans is not None:
                return list(spans), True
    starts = list(label_frames)
    return list(zip(starts, [*starts[1:], len(alignment)], strict=True)), False


class _WithBeginnings(Mapping[str, tuple[tuple[str, ...], ...]]):
    """Pronunciations, and under the name of the last word the beginnings of its own."""

    def __init__(self, pronunciations: Mapping[str, tuple[tuple[str, ...], ...]], last: str) -> None:
        self._pronunciations = pronunciations
        variants = pronunciations.get(last, ())
        self._last = tuple(dict.fromkeys(v[:size] for v in variants for size in range(len(v), 0, -1)))

    def __getitem__(self, word: str) -> tuple[tuple[str, ...], ...]:
        return self._last if word == _LAST else self._pronunciations[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pronunciations)

    def __len__(self) -> int:
        return len(self._pronunciations)
