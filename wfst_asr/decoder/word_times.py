"""Start and end of each word of a path."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.phones import PhoneSegment
from wfst_asr.lattice.phones import phone_segments as segments_of_labels
from wfst_asr.lattice.word_matching import match_words

__all__ = ["PhoneSegment", "PhoneTime", "WordTime", "match_words", "phone_segments", "phone_times", "word_times"]


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
class PhoneTime:
    """Where a phone lies.

    Attributes:
        phone: its name, with its position in the word where the graph's phones tell it.
        start_frame: its first frame.
        end_frame: the frame after its last.
        start_s: start in seconds.
        end_s: end in seconds.
    """

    phone: str
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float


def phone_times(graph: SearchGraph, alignment: NDArray[np.int32], *, first_frame: int = 0) -> tuple[PhoneTime, ...]:
    """Return the phones of a path, or of a part of it, silence among them, with exact starts and ends.

    The phones of one word are those between its start and end: `phone_times(graph, alignment[word.start_frame :
    word.end_frame], first_frame=word.start_frame)`.

    Args:
        graph: with input labels and phones.
        alignment: (T,) input labels, such as `DecodeResult.alignment` or the string of an arc of a word lattice.
        first_frame: frame of the first label.

    Raises:
        WfstAsrError: the graph does not tell the phones of its labels.
    """
    segments = phone_segments(graph, alignment)
    if segments is None and len(alignment):
        raise WfstAsrError(
            f"{graph.name}: does not tell the phones of its input labels; expected a graph folder with "
            "input_labels.npy and phones.txt"
        )
    shift = graph.frame_shift_s
    spans = [(s.phone, first_frame + s.start, first_frame + s.end) for s in segments or ()]
    return tuple(
        PhoneTime(phone, start, end, round(start * shift, 6), round(end * shift, 6)) for phone, start, end in spans
    )


def phone_segments(graph: SearchGraph, alignment: NDArray[np.int32]) -> tuple[PhoneSegment, ...] | None:
    """Cut a path into its phones (`lattice.phones`); None where the graph does not tell the phones of its labels."""
    if graph.input_labels is None or not graph.phones or len(alignment) == 0:
        return None
    return segments_of_labels(graph.input_labels, graph.phones, alignment)


def _timed(
    graph: SearchGraph, words: Sequence[str], starts: Sequence[int], ends: Sequence[int]
) -> tuple[WordTime, ...]:
    shift = graph.frame_shift_s
    return tuple(
        WordTime(word, start, end, round(start * shift, 6), round(end * shift, 6))
        for word, start, end in zip(words, starts, ends, strict=True)
    )
