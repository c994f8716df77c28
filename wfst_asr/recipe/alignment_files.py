"""Files of an alignment: CTM, TextGrid, Kaldi's ali.ark, the words as they were spoken, likelihoods a phone."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.align.intervals import (
    SILENCE,
    AlignedPhones,
    WordSegment,
    phone_log_likelihoods,
    positions_of_frames,
    positions_of_phones,
    split_alignment,
    word_segments,
)
from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.lang_dir import LangDir, numbered_fields
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.io.ctm import CtmWord, write_ctm
from wfst_asr.io.data_dir import DataDir
from wfst_asr.io.textgrid import Interval, TextGrid, Tier, tiled, write_textgrid
from wfst_asr.lexicon.spoken_words import SILENT_WORD, SpokenWord

_MARKS = ("_B", "_E", "_I", "_S")


@dataclass(frozen=True)
class NamedAlignment:
    """The words, phones and HMM states of an utterance with their names and times.

    Attributes:
        utterance: its id.
        transcript: its words, as in the data directory.
        lexicon_words: the same as the lexicon has them (unknown words are the `oov` word).
        words: the words, and the silences between them (position `SILENCE`).
        aligned: the phones and HMM states.
        phone_names: names of `aligned.phone`, without position marks.
        log_likelihood: (n,) acoustic log likelihood of every phone; None if not known.
        frame_shift_s: seconds from frame to frame.
    """

    utterance: str
    transcript: tuple[str, ...]
    lexicon_words: tuple[str, ...]
    words: tuple[WordSegment, ...]
    aligned: AlignedPhones
    phone_names: tuple[str, ...]
    log_likelihood: NDArray[np.float64] | None
    frame_shift_s: float

    def word_intervals(self) -> tuple[Interval, ...]:
        """Return the words and their times, without the silences."""
        return tuple(
            Interval(*self._times(word.start_frame, word.end_frame), self.transcript[word.position])
            for word in self.words
            if word.position != SILENCE
        )

    def phone_intervals(self) -> tuple[Interval, ...]:
        """Return the phones and their times."""
        bounds = self.aligned.first_frame.tolist()
        return tuple(
            Interval(*self._times(start, end), name)
            for start, end, name in zip(bounds[:-1], bounds[1:], self.phone_names, strict=True)
        )

    def state_intervals(self) -> tuple[Interval, ...]:
        """Return the visits to HMM states, named as "phone.state", and their times."""
        bounds = self.aligned.state_first_frame.tolist()
        names = [
            f"{self.phone_names[phone]}.{state}"
            for phone, state in zip(self.aligned.phone_of_state.tolist(), self.aligned.hmm_state.tolist(), strict=True)
        ]
        return tuple(
            Interval(*self._times(start, end), name)
            for start, end, name in zip(bounds[:-1], bounds[1:], names, strict=True)
        )

    def spoken_words(self) -> tuple[SpokenWord, ...]:
        """Return the words of the lexicon with the phones they were spoken with; silence is `<eps>`."""
        result = []
        for word in self.words:
            name = SILENT_WORD if word.position == SILENCE else self.lexicon_words[word.position]
            phones = self.phone_names[word.first_phone : word.first_phone + len(word.phones)]
            frames = word.end_frame - word.start_frame
            result.append(SpokenWord(self.utterance, word.start_frame, frames, name, phones))
        return tuple(result)

    def textgrid(self, duration_s: float) -> TextGrid:
        """Return the tiers words, phones and states over a recording of this length."""
        rows = {"words": self.word_intervals(), "phones": self.phone_intervals(), "states": self.state_intervals()}
        end = round(duration_s, 6)
        return TextGrid(0.0, end, tuple(Tier(name, tiled(row, end)) for name, row in rows.items()))

    def _times(self, start: int, end: int) -> tuple[float, float]:
        return round(start * self.frame_shift_s, 6), round(end * self.frame_shift_s, 6)


class AlignmentNames:
    """Turns alignments of a model into words, phones and times.

    Args:
        lang: names of words and phones, and pronunciations (`phones/align_lexicon.txt`).
        model: the transition model of the alignments.
        frame_shift_s: seconds from frame to frame.
    """

    def __init__(self, lang: LangDir, model: TransitionModel, *, frame_shift_s: float = 0.01) -> None:
        self._lang, self._model, self._shift = lang, model, frame_shift_s
        marked = lang.position_dependent
        self._names = {
            number: name[:-2] if marked and name.endswith(_MARKS) else name for name, number in lang.phones.items()
        }
        self._pronunciations: dict[int, list[tuple[tuple[int, ...], float]]] = {}

    def of_frames(
        self,
        utterance: str,
        transcript: Iterable[str],
        transition_ids: NDArray[np.int32],
        position: NDArray[np.int32],
        log_likelihood: NDArray[np.floating] | None = None,
    ) -> NamedAlignment:
        """Return the names and times of an alignment whose words are known for every frame (as `align_corpus` gives).

        Raises:
            WfstAsrError: the alignment is of another model.
        """
        aligned = split_alignment(transition_ids, self._model)
        return self._named(utterance, transcript, aligned, positions_of_frames(aligned, position), log_likelihood)

    def of_transcript(
        self, utterance: str, transcript: Iterable[str], transition_ids: NDArray[np.int32]
    ) -> NamedAlignment:
        """Return the names and times of an alignment, its phones divided among the words of the transcript.

        Raises:
            WfstAsrError: the alignment is of another model, or its phones are not those of the words.
        """
        words = tuple(transcript)
        aligned = split_alignment(transition_ids, self._model)
        ids = [self._lang.words[self._in_lexicon(word)] for word in words]
        silences = {self._lang.phones[self._lang.optional_silence]} if self._lang.optional_silence else set()
        try:
            position = positions_of_phones(aligned.phone.tolist(), ids, self._variants(), silences)
        except WfstAsrError as error:
            raise WfstAsrError(f"utterance '{utterance}': {error}") from error
        return self._named(utterance, words, aligned, position, None)

    def _named(
        self,
        utterance: str,
        transcript: Iterable[str],
        aligned: AlignedPhones,
        position: NDArray[np.int32],
        log_likelihood: NDArray[np.floating] | None,
    ) -> NamedAlignment:
        words = tuple(transcript)
        return NamedAlignment(
            utterance,
            words,
            tuple(self._in_lexicon(word) for word in words),
            word_segments(aligned, position),
            aligned,
            tuple(self._names.get(phone, str(phone)) for phone in aligned.phone.tolist()),
            None if log_likelihood is None else phone_log_likelihoods(aligned, log_likelihood.astype(np.float64)),
            self._shift,
        )

    def _in_lexicon(self, word: str) -> str:
        if word in self._lang.words:
            return word
        if self._lang.oov is None:
            raise WfstAsrError(f"word '{word}' has no pronunciation in the lexicon of {self._lang.folder}")
        return self._lang.oov

    def _variants(self) -> dict[int, list[tuple[tuple[int, ...], float]]]:
        if not self._pronunciations:
            path = self._lang.folder / "phones" / "align_lexicon.txt"
            for _, fields in numbered_fields(path):
                phones = tuple(self._lang.phones[phone] for phone in fields[2:])
                self._pronunciations.setdefault(self._lang.words[fields[1]], []).append((phones, 0.0))
        return self._pronunciations


def write_ctms(alignments: Iterable[NamedAlignment], data: DataDir, folder: str | os.PathLike[str]) -> None:
    """Write words.ctm, and phones.ctm with the log likelihood a frame in the place of confidence.

    Times count from the begin of the recording, where utterances are segments of one.
    """
    words: list[CtmWord] = []
    phones: list[CtmWord] = []
    for one in alignments:
        segment = (data.segments or {}).get(one.utterance)
        recording, offset = (segment.recording, segment.start_s) if segment else (one.utterance, 0.0)

        def entry(
            interval: Interval, likelihood: float | None, recording: str = recording, offset: float = offset
        ) -> CtmWord:
            duration = interval.end_s - interval.start_s
            return CtmWord(recording, "1", offset + interval.start_s, duration, interval.label, likelihood)

        words += [entry(interval, None) for interval in one.word_intervals()]
        frames = np.diff(one.aligned.first_frame)
        per_frame = [None] * len(frames) if one.log_likelihood is None else (one.log_likelihood / frames).tolist()
        phones += [entry(*pair) for pair in zip(one.phone_intervals(), per_frame, strict=True)]
    for name, entries in (("words.ctm", words), ("phones.ctm", phones)):
        write_ctm(sorted(entries, key=lambda one: (one.recording, one.start_s)), Path(folder) / name)


def write_phone_likelihoods(alignments: Iterable[NamedAlignment], path: str | os.PathLike[str]) -> None:
    """Write a line a phone: utterance, phone, word, start, frames, log likelihood, log likelihood a frame."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as file:
        file.write("utterance\tphone\tword\tstart_s\tframes\tlog_likelihood\tlog_likelihood_per_frame\n")
        for one in alignments:
            if one.log_likelihood is None:
                continue
            word_of = ["" if w.position == SILENCE else one.transcript[w.position] for w in one.words for _ in w.phones]
            starts = one.aligned.first_frame
            for index, name in enumerate(one.phone_names):
                frames = int(starts[index + 1] - starts[index])
                likelihood = float(one.log_likelihood[index])
                file.write(
                    f"{one.utterance}\t{name}\t{word_of[index]}\t{starts[index] * one.frame_shift_s:.3f}\t{frames}\t"
                    f"{likelihood:.4f}\t{likelihood / frames:.4f}\n"
                )


def write_textgrids(alignments: Iterable[NamedAlignment], data: DataDir, folder: str | os.PathLike[str]) -> None:
    """Write UTTERANCE.TextGrid for every utterance, over its whole length; a / in its id becomes an underscore.

    Raises:
        WfstAsrError: two ids give the same name, or the folder cannot be written.
    """
    written: dict[str, str] = {}
    for one in alignments:
        name = one.utterance.replace(os.sep, "_").replace("/", "_")
        if name in written:
            raise WfstAsrError(
                f"{folder}: the utterances '{written[name]}' and '{one.utterance}' would have the same file "
                f"{name}.TextGrid; rename one"
            )
        written[name] = one.utterance
        write_textgrid(one.textgrid(duration_of(data, one)), Path(folder) / f"{name}.TextGrid")


def duration_of(data: DataDir, one: NamedAlignment) -> float:
    """Return the seconds of an utterance: of its segment, or its recording, at least those of its frames but one."""
    least = (one.aligned.num_frames - 1) * one.frame_shift_s
    if data.segments is not None:
        segment = data.segments[one.utterance]
        return max(segment.end_s - segment.start_s, least)
    if one.utterance in data.utt2dur:
        return max(data.utt2dur[one.utterance], least)
    import soundfile

    try:
        seconds = float(soundfile.info(data.recordings[one.utterance]).duration)
    except (OSError, RuntimeError):
        sound = data.read_audio(one.utterance, warn=False)
        seconds = len(sound.samples) / sound.sample_rate_hz
    return max(seconds, least)


def spoken_words_of(alignments: Iterable[NamedAlignment]) -> Iterator[SpokenWord]:
    """Yield the words of all utterances as they were spoken."""
    for one in alignments:
        yield from one.spoken_words()
