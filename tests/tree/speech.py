"""Aligned frames made by chance, in which the neighbours of a phone shift its mean."""

from dataclasses import dataclass

import numpy as np

from wfst_asr.tree.stats import TreeStatistics, accumulate_tree_statistics


@dataclass(frozen=True)
class Speech:
    features: np.ndarray
    segment_phone: np.ndarray
    frame_segment: np.ndarray
    frame_pdf_class: np.ndarray
    first_segment: np.ndarray

    def statistics(self, **options: object) -> TreeStatistics:
        return accumulate_tree_statistics(
            self.features,
            self.segment_phone,
            self.frame_segment,
            self.frame_pdf_class,
            first_segment=self.first_segment,
            **options,  # type: ignore[arg-type]
        )

    def frames(self, context_free: frozenset[int] = frozenset()) -> list[tuple[tuple[int, ...], int, list[float]]]:
        """The frames for the naive twin: (triphone window, pdf-class, vector)."""
        result = []
        utterance = np.searchsorted(self.first_segment, np.arange(len(self.segment_phone)), side="right")
        for vector, segment, pdf_class in zip(self.features, self.frame_segment, self.frame_pdf_class, strict=True):
            phone = int(self.segment_phone[segment])
            window = [0, phone, 0]
            for column, other in ((0, segment - 1), (2, segment + 1)):
                inside = 0 <= other < len(utterance) and utterance[other] == utterance[segment]
                if inside and phone not in context_free:
                    window[column] = int(self.segment_phone[other])
            result.append((tuple(window), int(pdf_class), [float(value) for value in vector]))
        return result


def make_speech(
    seed: int, *, phones: int = 5, utterances: int = 4, segments: int = 12, dim: int = 2, classes: int = 3
) -> Speech:
    """Phone 1 is silence at both ends of an utterance; the others, 2 and up, follow each other by chance."""
    rng = np.random.default_rng(seed)
    sequence, bounds = [], [0]
    for _ in range(utterances):
        sequence += [1, *rng.integers(2, phones + 1, segments).tolist(), 1]
        bounds.append(len(sequence))
    segment_phone = np.array(sequence)
    durations = rng.integers(1, 4, (len(sequence), classes))
    frame_segment = np.repeat(np.arange(len(sequence)), durations.sum(axis=1))
    frame_pdf_class = np.repeat(np.tile(np.arange(classes), len(sequence)), durations.ravel())
    own = rng.normal(size=(phones + 1, classes, dim)) * 3.0
    shift = rng.normal(size=(2, phones + 1, dim)) * 1.5
    left = np.concatenate(([0], segment_phone[:-1]))[frame_segment]
    right = np.concatenate((segment_phone[1:], [0]))[frame_segment]
    late = (frame_pdf_class / max(classes - 1, 1))[:, None]
    means = own[segment_phone[frame_segment], frame_pdf_class] + shift[0, left] * (1 - late) + shift[1, right] * late
    features = (means + rng.normal(size=means.shape)).astype(np.float32)
    return Speech(features, segment_phone, frame_segment, frame_pdf_class, np.array(bounds))
