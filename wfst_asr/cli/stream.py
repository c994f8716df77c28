"""`wfst-asr stream AUDIO|-`: words while the sound arrives."""

import json
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.english import check_recordings, english_recogniser, search_options
from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wfst_asr.recipe.streaming import Event, StreamingRecogniser, StreamOptions

_CONTAINERS = {b"RIFF": "wav", b"fLaC": "flac", b"OggS": "ogg"}


@click.command()
@click.argument("audio")
@click.option("--graph", type=click.Path(path_type=Path), help="Graph folder.  [default: English]")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the graph's acoustic model.")
@click.option(
    "--chunk-ms", default=100.0, show_default=True, help="A recording is handed over in pieces of this length."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an event.")
@click.option("--times", is_flag=True, help="Print a line a word: start, duration, word.")
@click.option("--confidence", is_flag=True, help="With --json: how likely each word is.")
@click.option(
    "--partials/--no-partials", default=True, help="Show the words so far.  [default: on terminals, and --json]"
)
@click.option("--endpoint/--no-endpoint", "ends", default=True, show_default=True, help="End utterances at silences.")
@click.option(
    "--endpoint-rule",
    "settings",
    multiple=True,
    metavar="RULE.NUMBER=VALUE",
    help="Change a rule, such as rule2.min_trailing_silence=0.7 or rule4=off.",
)
@click.option("--beam", default=12.0, show_default=True, help="Search beam, in scaled cost.")
@click.option("--max-active", default=7000, show_default=True, help="Tokens expanded a frame; 0: no limit.")
@click.option("--acoustic-scale", type=float, help="Factor on acoustic scores.  [default: the graph's]")
@click.option(
    "--cmn",
    type=click.Choice(["live", "following", "none"]),
    default="live",
    show_default=True,
    help="Cepstral mean normalisation, for PocketSphinx's models.",
)
@click.option("--max-words", default=0, show_default=True, help="Vocabulary of the English graph; 0 for all.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder for the compiled English graph.")
def stream(
    audio: str,
    graph: Path | None,
    model: Path | None,
    chunk_ms: float,
    as_json: bool,
    times: bool,
    confidence: bool,
    partials: bool,
    ends: bool,
    settings: tuple[str, ...],
    beam: float,
    max_active: int,
    acoustic_scale: float | None,
    cmn: str,
    max_words: int,
    cache: Path | None,
) -> None:
    """Print the words of AUDIO while it is read: a recording, or "-" for standard input.

    Standard input is raw sound: one channel of signed 16-bit little-endian samples at the model's sample rate (16000 Hz
    for English), such as from: arecord -t raw -f S16_LE -r 16000 | wfst-asr stream -.  Ctrl-C ends the sound.
    """
    if not chunk_ms > 0:
        raise WfstAsrError(f"--chunk-ms is {chunk_ms:g}, expected a number above 0")
    if confidence and not as_json:
        raise click.UsageError("--confidence is shown with --json only.")
    if audio != "-":
        check_recordings([Path(audio)])
    search = search_options(beam, max_active, acoustic_scale)

    from wfst_asr.decoder.endpoint import endpoint_options
    from wfst_asr.features.sphinx_stream import OnlineCmnOptions
    from wfst_asr.recipe.streaming import StreamOptions

    options = StreamOptions(
        search=search,
        endpoint=endpoint_options(settings) if ends else None,
        cmn=OnlineCmnOptions(cmn),
        partials=partials and (as_json or sys.stdout.isatty()),
        confidence=confidence,
    )
    recogniser = _recogniser(graph, model, options, cache, max_words)
    printer: _JsonPrinter | _TextPrinter = _JsonPrinter() if as_json else _TextPrinter(times)
    for samples in _samples(audio, recogniser.sample_rate_hz, chunk_ms):
        for event in recogniser.accept_samples(samples):
            printer.show(event)
    for event in recogniser.finish():
        printer.show(event)


def _recogniser(
    graph: Path | None, model: Path | None, options: "StreamOptions", cache: Path | None, max_words: int
) -> "StreamingRecogniser":
    from wfst_asr.recipe.streaming import SphinxStreamModel, StreamingRecogniser, load_stream

    if graph is not None:
        return load_stream(graph, model, options)
    if model is not None:
        raise click.UsageError("--model needs --graph, compiled with that model.")
    english = english_recogniser(cache, max_words, tell=False)
    return StreamingRecogniser(SphinxStreamModel(english.model), english.graph, options)


def _samples(audio: str, rate_hz: int, chunk_ms: float) -> "Iterator[NDArray[Any]]":
    """Yield the sound in pieces."""
    import numpy as np

    size = max(round(rate_hz * chunk_ms / 1000), 1)
    if audio != "-":
        from wfst_asr.io.wav import read_audio

        sound = read_audio(Path(audio), sample_rate_hz=rate_hz).samples
        for at in range(0, len(sound), size):
            yield sound[at : at + size]
        return
    data = _next_bytes(2 * size)
    if data[:4] in _CONTAINERS:
        raise WfstAsrError(
            f"standard input is a {_CONTAINERS[data[:4]]} file; expected raw 16-bit samples: give the file's name, or "
            f"convert it with: ffmpeg -i FILE -f s16le -ac 1 -ar {rate_hz} - | wfst-asr stream -"
        )
    while data:
        yield np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")
        data = _next_bytes(2 * size)


def _next_bytes(size: int) -> bytes:
    """Return the next bytes of standard input, none at its end; Ctrl-C while waiting for them ends it."""
    try:
        return sys.stdin.buffer.read(size)
    except KeyboardInterrupt:
        return b""


class _JsonPrinter:
    """One JSON object a line: partial, endpoint, final."""

    def show(self, event: "Event") -> None:
        from wfst_asr.decoder.online import Utterance

        confidences: Sequence[float | None] = event.confidences or (None,) * len(event.word_times)
        words = [
            {"word": time.word, "start_s": time.start_s, "end_s": time.end_s}
            | ({} if confidence is None else {"confidence": round(confidence, 4)})
            for time, confidence in zip(event.word_times, confidences, strict=True)
        ]
        record: dict[str, Any] = {"utterance": event.number, "text": event.text, "words": words}
        if not isinstance(event, Utterance):
            self._print({"type": "partial", **record, "num_stable": event.num_stable})
            return
        if end := event.endpoint:
            cost = round(end.relative_cost, 3) if math.isfinite(end.relative_cost) else None
            decision = {"rule": end.rule, "reason": end.reason, "trailing_silence_s": end.trailing_silence_s}
            length = {"utterance_length_s": end.utterance_length_s, "relative_cost": cost}
            self._print({"type": "endpoint", "utterance": event.number, "time_s": event.end_s, **decision, **length})
        result = event.result
        costs = {"graph_cost": result.graph_cost, "acoustic_cost": result.acoustic_cost}
        times = {"start_s": event.start_s, "end_s": event.end_s, "reached_final": result.reached_final}
        self._print({"type": "final", **record, **times, **costs})

    def _print(self, record: dict[str, Any]) -> None:
        click.echo(json.dumps(record))


class _TextPrinter:
    """The words of each utterance on a line, or each word; on a terminal the words so far on the last line."""

    def __init__(self, times: bool) -> None:
        self._times = times
        self._clear = "\r\x1b[K" if sys.stdout.isatty() else ""

    def show(self, event: "Event") -> None:
        from wfst_asr.decoder.online import Utterance

        if not isinstance(event, Utterance):
            width = shutil.get_terminal_size().columns - 1
            click.echo(self._clear + event.text[-width:], nl=False)
        elif self._times:
            lines = [f"{w.start_s:.2f} {w.end_s - w.start_s:.2f} {w.word}\n" for w in event.word_times]
            click.echo(self._clear + "".join(lines), nl=False)
        elif event.text:
            click.echo(self._clear + event.text)
        else:
            click.echo(self._clear, nl=False)
