"""What `wfst-asr decode` tells at the end: counts over the utterances, and what is not as it should be."""

import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfst_asr.errors import WfstAsrWarning

if TYPE_CHECKING:
    from wfst_asr.decoder.batch import Decoded


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


@dataclass
class DecodeSummary:
    """Counts over the utterances as they are decoded."""

    frame_shift_s: float
    passes: int = 1
    speakers: int = 0
    utterances: int = 0
    decoded: int = 0
    frames: int = 0
    words: int = 0
    cost: float = 0.0
    left_out: list[str] = field(default_factory=list)
    first_reason: str = "there are none"
    partial: list[str] = field(default_factory=list)
    limited_frames: int = 0
    skipped_frames: int | None = None
    left_out_probability: float = 0.0
    _untold: list[str] = field(default_factory=list)
    _began: tuple[float, float] = field(default_factory=_clocks)

    def leave_out(self, utterance: str, reason: str, *, told: bool = False) -> None:
        """Count an utterance that has no words; `told`: a note said so already."""
        self.utterances += 1
        if not (self._untold or told):
            self.first_reason = f"'{utterance}': {reason}"
        self.left_out.append(utterance)
        if not told:
            self._untold.append(utterance)

    def add(self, one: "Decoded", *, words: int) -> None:
        """Count an utterance, and the words of it that are written."""
        if one.result is None:
            self.leave_out(one.utterance, one.reason)
            return
        self.utterances += 1
        self.decoded += 1
        self.frames += len(one.result.alignment)
        self.words += words
        self.cost += one.result.total_cost
        self.limited_frames += one.result.counts.frames_limited
        if one.result.skipping is not None:
            self.skipped_frames = (self.skipped_frames or 0) + one.result.skipping.skipped
            self.left_out_probability += one.result.skipping.left_out_probability
        if not one.result.reached_final:
            self.partial.append(one.utterance)

    def warn(self) -> None:
        """Tell what is not as it should be, each kind once with a count."""
        if self._untold:
            _note(f"{_some(self._untold)} left out ({self.first_reason})")
        if self.partial:
            _note(f"{_some(self.partial)} ended in no final state: the words are of the best path so far")

    def record(self) -> dict[str, Any]:
        """Return the summary as a record for JSON."""
        seconds, cpu = (now - then for now, then in zip(_clocks(), self._began, strict=True))
        audio_s = self.frames * self.frame_shift_s
        return {
            "utterances": self.utterances,
            "decoded": self.decoded,
            "left_out": self.left_out,
            "no_final_state": self.partial,
            "words": self.words,
            "frames": self.frames,
            "passes": self.passes,
            "adapted_speakers": self.speakers,
            "audio_seconds": round(audio_s, 3),
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu, 3),
            "real_time_factor": round(seconds / audio_s, 5),
            "cost_per_frame": round(self.cost / self.frames, 5),
            "frames_limited_by_max_active": self.limited_frames,
            **self._skipped(),
        }

    def _skipped(self) -> dict[str, Any]:
        if self.skipped_frames is None:
            return {}
        mean = self.left_out_probability / max(1, self.decoded)
        return {"frames_skipped": self.skipped_frames, "left_out_probability": round(mean, 6)}

    def sentence(self, out_dir: Path) -> str:
        """Return the summary for people."""
        record = self.record()
        skipped = ""
        if self.skipped_frames is not None:
            skipped = (
                f"{self.skipped_frames / max(1, self.frames):.1%} of the frames skipped (what that leaves out has a "
                f"probability of at most {record['left_out_probability']:.2g} in an utterance, in the mean), "
            )
        adapted = f"{self.passes} passes, {self.speakers} speakers, " if self.passes > 1 else ""
        return (
            f"{record['decoded']} utterances, {record['words']} words, {record['audio_seconds']:.1f} s of speech in "
            f"{record['seconds']:.2f} s ({record['cpu_seconds']:.2f} s CPU, {record['real_time_factor']:.4f} times "
            f"real time), {skipped}{adapted}cost {record['cost_per_frame']:.4f} a frame; written: {out_dir}"
        )


def _some(names: list[str]) -> str:
    plural, more = "s" if len(names) > 1 else "", " ..." if len(names) > 3 else ""
    return f"{len(names)} utterance{plural} ({', '.join(names[:3])}{more})"


def _note(message: str) -> None:
    warnings.warn(message, WfstAsrWarning, stacklevel=3)
