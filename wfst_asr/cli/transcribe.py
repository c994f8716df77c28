"""`wfst-asr transcribe AUDIO...`: English speech to words."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from wfst_asr.cli.english import (
    check_recordings,
    english_ctc_recogniser,
    english_options,
    english_recogniser,
    search_options,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wfst_asr.decoder.decode import DecodeResult
    from wfst_asr.decoder.lattice_words import LatticeOptions
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.io.wav import Audio
    from wfst_asr.recipe.english_ctc import CtcRecogniser
    from wfst_asr.recipe.sphinx_recogniser import SphinxRecogniser

    Recognise = Callable[[NDArray[np.float32]], DecodeResult]

_FEWEST_TOKENS = 20  # followed in a frame, whatever the beam, with the network


@click.command()
@click.argument("audio", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Choice(["english", "english-ctc"]),
    default="english",
    show_default=True,
    help="PocketSphinx's Gaussian mixtures, or the CTC network of the pip package hama.",
)
@click.option(
    "--graph",
    metavar="GRAPH",
    type=click.Path(path_type=Path),
    help="A graph folder of this model in place of the cached one, such as one with new words.",
)
@click.option(
    "--on-the-fly", is_flag=True, help="Compose the language model while searching: less to compile and to keep."
)
@click.option("--times", is_flag=True, help="Print a line a word: file, start, duration, word.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a recording.")
@click.option("--confidence", is_flag=True, help="Tell confidences too, with --times or --json.")
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Calibrate them with what wfst-asr lattice calibrate made.",
)
@english_options
def transcribe(
    audio: tuple[Path, ...],
    model: str,
    graph: Path | None,
    on_the_fly: bool,
    times: bool,
    as_json: bool,
    confidence: bool,
    calibration: Path | None,
    beam: float,
    max_active: int,
    acoustic_scale: float | None,
    cmn: str,
    adapt: bool,
    max_words: int,
    cache: Path | None,
) -> None:
    """Print the words of recordings of English speech (wav, flac, ogg; any sample rate).

    The first call compiles the graph of the model with the language model of the pip package pocketsphinx; later calls
    take it from the cache.
    """
    if (confidence or calibration) and not (times or as_json):
        raise click.UsageError("confidences are told with --times or --json; give one of them")
    source = click.get_current_context().get_parameter_source
    for name in ("cmn", "adapt") if model == "english-ctc" else ():
        if source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name} is of the model english; leave it out with --model english-ctc")
    if on_the_fly and (graph or model == "english-ctc"):
        raise click.UsageError("--on-the-fly goes with the model english and without --graph; leave it out")
    check_recordings(audio)
    options = search_options(beam, max_active, acoustic_scale)
    wanted = None
    if confidence or calibration:
        from wfst_asr.decoder.lattice_words import LatticeOptions
        from wfst_asr.score.calibration import load_calibration

        wanted = LatticeOptions(calibration=load_calibration(calibration) if calibration else None)
    if model == "english":
        mixtures = english_recogniser(cache, max_words, tell=False, graph=graph, on_the_fly=on_the_fly)
        read, recognise = _mixtures(mixtures, options, wanted, cmn=cmn, adapt=adapt)
    else:
        read, recognise = _network(english_ctc_recogniser(cache, max_words, graph=graph), options, wanted)
    for path in audio:
        sound = read(path)
        began = time.process_time()
        result = recognise(sound.samples)
        seconds = time.process_time() - began
        if not result.reached_final:
            click.echo(f"wfst-asr: note: {path}: no final state was reached; the words may end too early", err=True)
        confidences = result.confidences if result.confidences is not None else [None] * len(result.words)
        words = list(zip(result.word_times, confidences, strict=True))
        if as_json:
            record = {
                "audio": str(path),
                "text": result.text,
                "words": [
                    {"word": w.word, "start_s": w.start_s, "end_s": w.end_s}
                    | ({} if c is None else {"confidence": round(c, 4)})
                    for w, c in words
                ],
                "duration_s": round(sound.duration_s, 3),
                "cpu_seconds": round(seconds, 3),
                "reached_final": result.reached_final,
                "graph_cost": result.graph_cost,
                "acoustic_cost": result.acoustic_cost,
            }
            click.echo(json.dumps(record))
        elif times:
            for w, c in words:
                told = "" if c is None else f" {c:.3f}"
                click.echo(f"{path} {w.start_s:.2f} {w.end_s - w.start_s:.2f} {w.word}{told}")
        else:
            click.echo(f"{path} {result.text}" if len(audio) > 1 else result.text)


def _mixtures(
    recogniser: "SphinxRecogniser",
    options: "DecodeOptions",
    wanted: "LatticeOptions | None",
    *,
    cmn: str,
    adapt: bool,
) -> "tuple[Callable[[Path], Audio], Recognise]":
    """Return how PocketSphinx's model reads and recognises a recording."""
    from wfst_asr.recipe.sphinx_recogniser import CmnOptions
    from wfst_asr.sphinx.adaptation import AdaptOptions

    adaptation = AdaptOptions() if adapt else None
    return recogniser.read, lambda samples: recogniser.recognise(
        samples, options, cmn=CmnOptions(cmn), adapt=adaptation, wanted=wanted
    )


def _network(
    recogniser: "CtcRecogniser", options: "DecodeOptions", wanted: "LatticeOptions | None"
) -> "tuple[Callable[[Path], Audio], Recognise]":
    """Return how the network reads and recognises a recording.

    A network that is sure of itself leaves few tokens within the beam; to follow 200 all the same took four times the
    time and changed no error rate (librispeech_mini/dev).
    """
    dials = replace(options, min_active=min(options.min_active, _FEWEST_TOKENS))
    return recogniser.read, lambda samples: recogniser.recognise(samples, dials, wanted=wanted)
