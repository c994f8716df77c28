"""CTC outputs through T o L o G and through the decoders of other packages, in one process, alternating.

    python tests/benchmarks/ctc_decoding.py --corpus DATA_DIR [--beams 8,10,12,14] [--limit N] [--repeats N] [--json]

DATA_DIR is a Kaldi data directory of English speech with `text`.  The network of the pip package hama hears each
recording once, before; all decoders then take the same log-probabilities, pronunciations (those of the English graph of
`wfst-asr transcribe --model english-ctc`), language model (PocketSphinx's, written as an ARPA file) and language-model
weight.  The peers are flashlight-text and ctc-beam-decoder (see ctc_peers.py), with the lexicon, summing, word scores and
pairs of beams that served them best on mini LibriSpeech's dev set:

    pip install flashlight-text kenlm ctc-beam-decoder

Ours runs the static graph with the beam alone (no least number of tokens): `plain`, as it is; `skip_blank`, runs of
blanks searched as one frame; `blank_penalty`, the blank's log probability lowered by --blank-penalty, which makes up for
the alignments that a best path leaves out (flashlight-text sums over them).  `tokens` is plain with the usual least
number of 200 tokens.

Timed is all from a matrix of scores to words (ours with their times), by the CPU time of the process.  The settings of
all decoders take turns at the whole corpus, medians over repeats; turns at each recording would give a decoder's later
settings what its first has brought into the caches.  `sound WER` takes words of one pronunciation for one.

The rows by name are: a peer at its lowest WER, at the setting that reaches it in the least time; wfst_asr likewise among
the settings that are no worse than all peers, or where there is none at its own lowest.  The ratios hold
each peer's setting against our fastest setting that is no worse (ctc-beam-decoder by sound WER), or else our best.
"""

import json
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from ctc_peers import (
    CHARACTER_BEAMS,
    FLASHLIGHT_BEAMS,
    CharacterDecoder,
    Flashlight,
    Task,
    missing_packages,
    unigrams,
)

from wfst_asr.cli.english import cache_dir, english_ctc_recogniser
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.lm.arpa import write_arpa
from wfst_asr.neural.hama import BOUNDARY
from wfst_asr.recipe.english_graph import english_files
from wfst_asr.score.wer import score_texts
from wfst_asr.sphinx.lm import read_lm

OURS = "wfst_asr"


class Ours:
    """The beam search over the graph."""

    name = OURS

    def __init__(self, graph: SearchGraph, beams: list[float], lm_weight: float, blank_penalty: float) -> None:
        self._graph, self._penalty = graph, blank_penalty
        self._blank = graph.manifest.blank_column if graph.manifest else -1
        self.settings: dict[str, DecodeOptions] = {}
        for beam in beams:
            kinds: dict[str, dict[str, Any]] = {"plain": {}, "blank_penalty": {}, "skip_blank": {"skip_blank": 0.98}}
            for kind, dials in {**kinds, "tokens": {"min_active": 200}}.items():
                options = DecodeOptions(**{"beam": beam, "min_active": 0, "acoustic_scale": 1 / lm_weight, **dials})
                self.settings[f"{kind} {beam:g}"] = options

    def decode(self, scores: np.ndarray, setting: str) -> tuple[float, list[str]]:
        """Return CPU seconds and words."""
        began = time.process_time()
        if setting.startswith("blank_penalty"):
            scores = scores.copy()
            scores[:, self._blank] -= self._penalty
        words = list(decode(self._graph, scores, self.settings[setting]).words)
        return time.process_time() - began, words


@dataclass
class Tally:
    """What a decoder did at a setting."""

    decoder: str
    setting: str
    seconds: list[float] = field(default_factory=list)  # a repeat each
    words: dict[str, list[str]] = field(default_factory=dict)

    def row(self, references: dict[str, list[str]], sound_of: dict[str, str], duration: float) -> dict[str, Any]:
        def sounds(texts: dict[str, list[str]]) -> dict[str, list[str]]:
            return {name: [sound_of.get(word, word) for word in words] for name, words in texts.items()}

        cpu = statistics.median(self.seconds)
        return {
            "decoder": self.decoder,
            "setting": self.setting,
            "wer": round(100 * score_texts(references, self.words).error_rate, 2),
            "sound_wer": round(100 * score_texts(sounds(references), sounds(self.words)).error_rate, 2),
            "cpu_seconds": round(cpu, 3),
            "real_time_factor": round(cpu / duration, 6),
        }


def fastest_no_worse(rows: list[dict[str, Any]], wer: float, measure: str = "wer") -> dict[str, Any] | None:
    """Return the fastest of the rows whose WER is at most `wer`."""
    return min((row for row in rows if row[measure] <= wer), key=lambda row: row["cpu_seconds"], default=None)


def compared(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Hold each peer's settings against our fastest that is no worse."""
    ours = [row for row in rows if row["decoder"] == OURS]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["decoder"] == OURS:
            continue
        measure = "sound_wer" if row["decoder"] == CharacterDecoder.name else "wer"
        match = fastest_no_worse(ours, row[measure], measure)
        nearest = match or min(ours, key=lambda one: (one[measure], one["cpu_seconds"]))
        found.setdefault(row["decoder"], []).append(
            {
                "setting": row["setting"],
                "measure": measure,
                "wer": row[measure],
                "ours": nearest["setting"],
                "our_wer": nearest[measure],
                "no_worse": match is not None,
                "cpu_ratio": round(row["cpu_seconds"] / nearest["cpu_seconds"], 2),
            }
        )
    return found


def at_best(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the row of each decoder at matched WER, see the top of this file."""
    best: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(row["decoder"] for row in rows if row["decoder"] != OURS):
        best[name] = min((row for row in rows if row["decoder"] == name), key=lambda r: (r["wer"], r["cpu_seconds"]))
    ours = [row for row in rows if row["decoder"] == OURS]
    wanted = min((row["wer"] for row in best.values()), default=0.0)
    chosen = fastest_no_worse(ours, wanted) or min(ours, key=lambda row: (row["wer"], row["cpu_seconds"]))
    return {OURS: chosen, **best}


@click.command()
@click.option("--corpus", required=True, type=click.Path(path_type=Path), help="Kaldi data directory.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of compiled graphs.  [default: the user's]")
@click.option("--beams", default="6,8,10,11,12,13,14,16", show_default=True, help="Our beams.")
@click.option(
    "--lm-weight", default=0.6, show_default=True, help="Of all decoders; ours has acoustic scale 1 / weight."
)
@click.option("--blank-penalty", default=0.4, show_default=True, help="See above; in nats.")
@click.option("--limit", default=0, help="Take the first so many recordings; 0 for all.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(
    corpus: Path,
    cache: Path | None,
    beams: str,
    lm_weight: float,
    blank_penalty: float,
    limit: int,
    repeats: int,
    as_json: bool,
) -> None:
    """Compare the search over T o L o G with decoders of other packages."""
    data = read_data_dir(corpus)
    if data.text is None:
        raise click.UsageError(f"{corpus} has no text to compare with")
    utterances = list(data.utterances)[: limit or None]
    references = {utterance: data.text[utterance].lower().split() for utterance in utterances}
    recogniser = english_ctc_recogniser(cache or cache_dir(), 0)
    graph, network = recogniser.graph, recogniser.network
    scores, duration, heard = {}, 0.0, 0.0
    for utterance in utterances:
        sound = data.read_audio(utterance, sample_rate_hz=recogniser.sample_rate_hz, warn=False)
        began = time.process_time()
        scores[utterance] = network.log_probs(sound.samples)
        heard += time.process_time() - began
        duration += sound.duration_s

    missing = missing_packages()
    for peer, packages in missing.items():
        click.echo(f"without {peer}: pip install {packages}", err=True)
    spoken = {word: graph.pronunciations[word][0] for word in graph.pronunciations}
    decoders: list[Any] = [Ours(graph, [float(beam) for beam in beams.split(",")], lm_weight, blank_penalty)]
    with tempfile.TemporaryDirectory() as folder:
        language_model = read_lm(english_files().language_model)
        arpa = Path(folder) / "words.arpa"
        write_arpa(language_model, arpa)
        task = Task(network.tokens, BOUNDARY, spoken, unigrams(language_model), arpa, lm_weight)
        del language_model
        if Flashlight.name not in missing:
            decoders.append(Flashlight(task, 0.0, FLASHLIGHT_BEAMS))
        if CharacterDecoder.name not in missing:
            decoders.append(CharacterDecoder(task, 1.0, CHARACTER_BEAMS))
    tallies = [(decoder, Tally(decoder.name, setting)) for decoder in decoders for setting in decoder.settings]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that max_active cuts the beam
        for decoder, tally in tallies:  # loads the kernels
            decoder.decode(scores[utterances[0]], tally.setting)
        for _ in range(repeats):
            for decoder, tally in tallies:
                tally.seconds.append(0.0)
                for utterance in utterances:
                    seconds, tally.words[utterance] = decoder.decode(scores[utterance], tally.setting)
                    tally.seconds[-1] += seconds

    likeliest = task.likeliest
    sound_of = {word: likeliest[phones] for word, phones in spoken.items()}
    rows = [tally.row(references, sound_of, duration) for _, tally in tallies]
    frames = sum(map(len, scores.values()))
    click.echo(
        f"{len(utterances)} recordings, {duration:.1f} s, {frames} frames; network {heard:.2f} CPU s; "
        f"language-model weight {lm_weight:g}; medians of {repeats}"
    )
    click.echo(f"{'decoder':18}{'setting':20}{'WER %':>8}{'sound WER %':>13}{'CPU s':>9}{'x real time':>13}")
    for row in rows:
        click.echo(
            f"{row['decoder']:18}{row['setting']:20}{row['wer']:8.2f}{row['sound_wer']:13.2f}{row['cpu_seconds']:9.2f}"
            f"{row['real_time_factor']:13.6f}"
        )
    ratios = compared(rows)
    for peer, pairs in ratios.items():
        for pair in pairs:
            click.echo(
                f"{peer} {pair['setting']} ({pair['wer']:.2f} %) takes {pair['cpu_ratio']:.2f} times the CPU of ours at"
                f" {pair['ours']} ({pair['our_wer']:.2f} %{'' if pair['no_worse'] else ', worse'})"
            )
    if as_json:
        head = {"frames": frames, "sound_s": round(duration, 1), "network_cpu_seconds": round(heard, 2)}
        dials = {"lm_weight": lm_weight, "blank_penalty": blank_penalty, "repeats": repeats, "missing": missing}
        click.echo(json.dumps({**at_best(rows), "sweep": rows, "ratios": ratios, **head, **dials}))


if __name__ == "__main__":
    main()
