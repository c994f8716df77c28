"""Start and end of each word of a path."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.search_graph import SearchGraph


@dataclass(frozen=True)
class WordTime:
    """Where a word lies.

    Attributes:
        word: the word.
        start_frame: its first frame.
        end_frame: the frame after its last.
        start_s: start in seconds.
        end_s: end in seconds.
    """

    word: str
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float


def word_times(
    graph: SearchGraph, words: Sequence[str], label_frames: NDArray[np.int64], alignment: NDArray[np.int32]
) -> tuple[tuple[WordTime, ...], bool]:
    """Return where each word of a path begins and ends, and whether that is exact.

    The frames are cut into phones by their input labels, and the phones matched with the pronunciations of the words,
    silence allowed between words.  Where they do not match (no pronunciations, a path that ends inside a word), a word
    is taken to last from its label to the next word's label, which is not exact.

    Args:
        graph: with input labels, phones and pronunciations for exact times.
        words: the words of the path.
        label_frames: frame at which each word's output label stands.
        alignment: (T,) input labels.
    """
    segments = phone_segments(graph, alignment)
    if segments is not None:
        silences = set(graph.manifest.silence_phones) if graph.manifest else set()
        silences |= {phone for variant in graph.pronunciations.get("<eps>", ()) for phone in variant}
        spans = match_words(words, segments, graph.pronunciations, silences, label_frames.tolist())
        if spans is not None:
            return _timed(graph, words, [start for start, _ in spans], [end for _, end in spans]), True
    starts = [int(frame) for frame in label_frames]
    ends = [*starts[1:], len(alignment)] if starts else []
    return _timed(graph, words, starts, ends), not words


@dataclass(frozen=True)
class PhoneSegment:
    """A phone of a path, from `start` up to but not including `end`, in frames."""

    phone: str
    start: int
    end: int


def phone_segments(graph: SearchGraph, alignment: NDArray[np.int32]) -> tuple[PhoneSegment, ...] | None:
    """Cut a path into its phones; None where the graph does not tell the phones of its labels.

    A phone begins where another phone's label comes, where the HMM state goes back, or, for labels that tell
    self-loops apart, at a forward transition out of state 0 (self-loops follow their state's forward transition).
    """
    if graph.input_labels is None or not graph.phones or len(alignment) == 0:
        return None
    labels = graph.input_labels[alignment]
    phone, state, loop = labels["phone"], labels["hmm_state"], labels["self_loop"]
    if not (phone > 0).all():
        return None
    begins = np.ones(len(alignment), dtype=bool)
    entered = (loop[1:] == 0) & (state[1:] == 0)
    gone_back = (loop[1:] < 0) & (state[1:] < state[:-1])
    begins[1:] = (phone[1:] != phone[:-1]) | entered | gone_back
    starts = np.flatnonzero(begins).tolist()
    ends = [*starts[1:], len(alignment)]
    names = graph.phones
    return tuple(
        PhoneSegment(names[phone[start]] if phone[start] < len(names) else str(phone[start]), start, end)
        for start, end in zip(starts, ends, strict=True)
    )


_Reached = dict[int, tuple[int, tuple[int, int] | None]]  # first phone not used: distance, phones of the last word

_FAR = (1 << 60, None)


def match_words(
    words: Sequence[str],
    segments: Sequence[PhoneSegment],
    pronunciations: Mapping[str, Sequence[Sequence[str]]],
    silences: AbstractSet[str],
    label_frames: Sequence[int],
) -> list[tuple[int, int]] | None:
    """Return (start, end) of each word, or None if the phones are not the words' with silence between them.

    Where several divisions fit, the words lie as near as they can to the frames of their labels.

    >>> phones = [PhoneSegment("SIL", 0, 9), PhoneSegment("AY", 9, 20), PhoneSegment("SIL", 20, 22)]
    >>> match_words(["i"], phones, {"i": [["AY"]]}, {"SIL"}, [9])
    [(9, 20)]
    """
    names = [segment.phone for segment in segments]
    reached: _Reached = {0: (0, None)}
    layers: list[_Reached] = []
    for number in range(len(words) + 1):
        for entry in sorted(reached):
            at = entry  # skip the silences that follow, as far as nothing nearer has come
            while at < len(names) and names[at] in silences and reached[at][0] < reached.get(at + 1, _FAR)[0]:
                reached[at + 1] = reached[at]
                at += 1
        layers.append(reached)
        if number == len(words):
            break
        following: _Reached = {}
        frame = label_frames[number]
        for at, (distance, _) in sorted(reached.items()):
            for variant in pronunciations.get(words[number], ()):
                end = at + len(variant)
                if not variant or names[at:end] != list(variant):
                    continue
                away = max(segments[at].start - frame, frame - segments[end - 1].end, 0)
                if end not in following or distance + away < following[end][0]:
                    following[end] = (distance + away, (at, end))
        reached = following
    spans: list[tuple[int, int]] = []
    at = len(names)
    for layer in reversed(layers):
        if at not in layer:
            return None
        back = layer[at][1]
        if back is None:
            break
        spans.append((segments[back[0]].start, segments[back[1] - 1].end))
        at = back[0]
    return spans[::-1]


def _timed(
    graph: SearchGraph, words: Sequence[str], starts: Sequence[int], ends: Sequence[int]
) -> tuple[WordTime, ...]:
    shift = graph.frame_shift_s
    return tuple(
        WordTime(word, start, end, round(start * shift, 6), round(end * shift, 6))
        for word, start, end in zip(words, starts, ends, strict=True)
    )
