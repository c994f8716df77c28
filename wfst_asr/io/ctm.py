"""Words with their times, in NIST's CTM: "recording channel start duration word [confidence]"."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True, order=True)
class CtmWord:
    """One word of a CTM.

    Attributes:
        recording: recording or utterance id.
        channel: usually "1".
        start_s: start in seconds.
        duration_s: duration in seconds.
        word: the word.
        confidence: 0 to 1, or another measure such as a log likelihood a frame; None if the file has none.
    """

    recording: str
    channel: str
    start_s: float
    duration_s: float
    word: str
    confidence: float | None = None


def write_ctm(words: Iterable[CtmWord], path: str | os.PathLike[str]) -> None:
    """Write words, in the order given, with times to a hundredth and confidence to a thousandth.

    Raises:
        WfstAsrError: the place cannot be written, or a name or word has spaces.
    """
    lines = []
    for entry in words:
        names = (entry.recording, entry.channel, entry.word)
        if any(not name or name.split() != [name] for name in names):
            raise WfstAsrError(f"{path}: the entry {names} has an empty name or one with spaces; CTM cannot hold it")
        confidence = "" if entry.confidence is None else f" {entry.confidence:.3f}"
        times = f"{entry.start_s:.2f} {entry.duration_s:.2f}"
        lines.append(f"{entry.recording} {entry.channel} {times} {entry.word}{confidence}\n")
    with written_aside(path) as aside:
        aside.write_text("".join(lines), encoding="utf-8")


def read_ctm(path: str | os.PathLike[str]) -> list[CtmWord]:
    """Read a CTM; lines that start with ;; are comments.

    Raises:
        WfstAsrError: the file is missing, or a line is not an entry.

    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "hyp.ctm"
    >>> write_ctm([CtmWord("rec1", "1", 0.5, 0.25, "red")], name)
    >>> read_ctm(name)
    [CtmWord(recording='rec1', channel='1', start_s=0.5, duration_s=0.25, word='red', confidence=None)]
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise WfstAsrError(f"{path}: no such file; expected a CTM") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{path}: cannot be read as text ({error}); expected a CTM") from error
    words = []
    for number, line in enumerate(lines, 1):
        items = line.split()
        if not items or line.startswith(";;"):
            continue
        try:
            recording, channel, start, duration, word, *rest = items
            if len(rest) > 1:
                raise ValueError
            words.append(
                CtmWord(recording, channel, float(start), float(duration), word, float(rest[0]) if rest else None)
            )
        except ValueError:
            raise WfstAsrError(
                f"{path}:{number}: found '{line}'; expected 'recording channel start duration word [confidence]'"
            ) from None
    return words
