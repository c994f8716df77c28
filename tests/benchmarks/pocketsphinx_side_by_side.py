"""PocketSphinx and wfst_asr on the same recordings with the same model files, in one run.

    python tests/benchmarks/pocketsphinx_side_by_side.py --corpus DATA_DIR [--json] [--sweep]

DATA_DIR is a Kaldi data directory with `text` and `wav.scp` of English speech.  Both recognisers take the English model
of the pip package pocketsphinx; PocketSphinx runs with its own defaults, a recording at a time.  Recordings are
alternated between the recognisers, so that all see the same load of the machine.  wfst_asr runs as `wfst-asr transcribe`
does, adapting to each recording in a second pass, and once more without adaptation (row `one_pass`).  Row `english_ctc` is
`wfst-asr transcribe --model english-ctc`: the same dictionary's words and language model with the network of the pip
package hama.  CPU seconds are those of features or network, scores and search (PocketSphinx: `process_raw` and
`end_utt`); loading models and reading audio files is outside for all.
"""

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np

from wfst_asr.cli.english import cache_dir, english_ctc_recogniser, english_recogniser
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.recipe.sphinx_recogniser import CMN_KINDS, CmnOptions
from wfst_asr.score.wer import Scores, score_texts
from wfst_asr.sphinx.adaptation import AdaptOptions


@dataclass
class Row:
    """What one recogniser did: words by utterance."""

    cpu_seconds: float = 0.0
    words: dict[str, list[str]] = field(default_factory=dict)

    def scores(self, references: dict[str, list[str]]) -> Scores:
        return score_texts(references, self.words)

    def record(self, references: dict[str, list[str]], seconds: float) -> dict[str, float]:
        total = self.scores(references)
        return {
            "wer": round(100 * total.error_rate, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "real_time_factor": round(self.cpu_seconds / seconds, 4),
            "substitutions": total.total.substitutions,
            "insertions": total.total.insertions,
            "deletions": total.total.deletions,
        }


def pocketsphinx_words(decoder, samples: np.ndarray) -> list[str]:
    """Decode one recording; variants such as `the(2)` are the word itself."""
    decoder.start_utt()
    decoder.process_raw(samples.astype(np.int16).tobytes(), False, True)
    decoder.end_utt()
    best = decoder.hyp()
    return [re.sub(r"\(\d+\)$", "", word) for word in best.hypstr.split()] if best else []


@click.command()
@click.option("--corpus", required=True, type=click.Path(path_type=Path), help="Kaldi data directory.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of compiled graphs.  [default: the user's]")
@click.option("--limit", default=0, help="Take the first so many recordings; 0 for all.")
@click.option("--beam", default=12.0, show_default=True)
@click.option("--sweep", is_flag=True, help="Also show how WER moves with beam, language model weight and CMN.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(corpus: Path, cache: Path | None, limit: int, beam: float, sweep: bool, as_json: bool) -> None:
    """Compare PocketSphinx and wfst_asr."""
    from pocketsphinx import Decoder

    data = read_data_dir(corpus)
    recogniser = english_recogniser(cache or cache_dir(), 0, tell=False)
    ctc_recogniser = english_ctc_recogniser(cache or cache_dir(), 0)
    utterances = list(data.utterances)[: limit or None]
    if data.text is None:
        raise click.UsageError(f"{corpus} has no text to compare with")
    references = {utterance: data.text[utterance].lower().split() for utterance in utterances}
    audio = {u: data.read_audio(u, sample_rate_hz=recogniser.sample_rate_hz).samples for u in utterances}
    seconds = sum(len(samples) for samples in audio.values()) / recogniser.sample_rate_hz
    decoder = Decoder(loglevel="FATAL")
    options = DecodeOptions(beam=beam)
    recognisers = {
        "wfst_asr": lambda samples: recogniser.recognise(samples, options, adapt=AdaptOptions()).words,
        "one_pass": lambda samples: recogniser.recognise(samples, options).words,
        "english_ctc": lambda samples: ctc_recogniser.recognise(samples, options).words,
        "pocketsphinx": lambda samples: pocketsphinx_words(decoder, samples),
    }
    rows = {name: Row() for name in recognisers}
    for words_of in recognisers.values():  # loads the kernels
        words_of(audio[utterances[0]])
    for utterance in utterances:
        for name, words_of in recognisers.items():
            began = time.process_time()
            rows[name].words[utterance] = list(words_of(audio[utterance]))
            rows[name].cpu_seconds += time.process_time() - began

    report = {name: row.record(references, seconds) for name, row in rows.items()}
    click.echo(f"{len(utterances)} recordings, {seconds:.1f} s")
    click.echo(f"{'':14}{'WER %':>8}{'CPU s':>9}{'x real time':>13}{'sub':>6}{'ins':>6}{'del':>6}")
    for name, row in report.items():
        click.echo(
            f"{name:14}{row['wer']:8.2f}{row['cpu_seconds']:9.2f}{row['real_time_factor']:13.4f}"
            f"{row['substitutions']:6}{row['insertions']:6}{row['deletions']:6}"
        )
    result: dict = dict(report)
    for key, name in {"ratio": "wfst_asr", "ratio_english_ctc": "english_ctc"}.items():
        measures = ("wer", "cpu_seconds")
        result[key] = {one: round(report[name][one] / report["pocketsphinx"][one], 3) for one in measures}
        click.echo(f"{name:12} / pocketsphinx{result[key]['wer']:8.3f}{result[key]['cpu_seconds']:9.3f}")
    if sweep:
        result["sweep"] = run_sweep(recogniser, audio, references, beam)
    if as_json:
        click.echo(json.dumps(result))


def run_sweep(recogniser, audio: dict, references: dict, beam: float) -> list[dict]:
    """WER in one pass over beams, language model weights (1 / acoustic scale) and normalisations, one at a time."""
    scale = recogniser.graph.acoustic_scale
    settings = [(width, scale, "smoothed") for width in (8.0, 10.0, 12.0, 14.0)]
    settings += [(beam, other, "smoothed") for other in (0.09, 0.11, 0.15, 0.17)]
    settings += [(beam, scale, kind) for kind in CMN_KINDS if kind != "smoothed"]
    rows = []
    click.echo(f"\n{'beam':>6}{'LM weight':>11}  {'CMN':10}{'WER %':>8}{'CPU s':>9}")
    for width, acoustic_scale, kind in settings:
        row = Row()
        began = time.process_time()
        for utterance, samples in audio.items():
            result = recogniser.recognise(
                samples, DecodeOptions(beam=width, acoustic_scale=acoustic_scale), cmn=CmnOptions(kind)
            )
            row.words[utterance] = list(result.words)
        cpu = time.process_time() - began
        wer = round(100 * row.scores(references).error_rate, 2)
        rows.append(
            {"beam": width, "lm_weight": round(1 / acoustic_scale, 2), "cmn": kind, "wer": wer, "cpu_seconds": cpu}
        )
        click.echo(f"{width:6.1f}{1 / acoustic_scale:11.2f}  {kind:10}{wer:8.2f}{cpu:9.2f}")
    return rows


if __name__ == "__main__":
    main()
