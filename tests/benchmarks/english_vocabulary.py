"""What the whole English graph gives beside graphs of fewer words: word error rates, work and size.

    python tests/benchmarks/english_vocabulary.py [--corpus DATA_DIR] [--max-words N ...] [--adapt] [--json]

Without --corpus only the recording of `wfst-asr demo` is decoded.  Graphs are those of `wfst-asr transcribe --max-words N`:
the so many commonest words of the language model with all their n-grams, 0 for all.  `out of vocabulary` is the part of the
words spoken that the graph has not.
"""

import json
import time
from pathlib import Path

import click

from wfst_asr.cli.demo import sample_recording, spoken_words
from wfst_asr.cli.english import cache_dir, english_recogniser
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.io.wav import read_audio
from wfst_asr.score.wer import score_texts
from wfst_asr.sphinx.adaptation import AdaptOptions


@click.command()
@click.option("--corpus", type=click.Path(path_type=Path), help="Kaldi data directory of English speech.")
@click.option("--max-words", "sizes", multiple=True, type=int, default=(5000, 20000, 0), show_default=True)
@click.option("--beam", default=12.0, show_default=True)
@click.option("--adapt/--no-adapt", default=True, show_default=True, help="As `wfst-asr transcribe` does.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of compiled graphs.  [default: the user's]")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(
    corpus: Path | None, sizes: tuple[int, ...], beam: float, adapt: bool, cache: Path | None, as_json: bool
) -> None:
    """Compare English graphs of several vocabularies."""
    demo, transcript = sample_recording()
    rate = 16000
    sets = {"demo": ({"demo": read_audio(demo, sample_rate_hz=rate).samples}, {"demo": transcript.read_text()})}
    if corpus is not None:
        data = read_data_dir(corpus)
        audio = {name: data.read_audio(name, sample_rate_hz=rate).samples for name in data.utterances}
        sets[str(corpus)] = audio, dict(data.text or {})
    rows = []
    for size in sizes:
        recogniser = english_recogniser(cache or cache_dir(), size, tell=False)
        known = set(recogniser.graph.words)
        for name, (audio, texts) in sets.items():
            references = {key: spoken_words(text) for key, text in texts.items()}
            spoken = [word for words in references.values() for word in words]
            began = time.process_time()
            results = {
                key: recogniser.recognise(samples, DecodeOptions(beam=beam), adapt=AdaptOptions() if adapt else None)
                for key, samples in audio.items()
            }
            seconds = time.process_time() - began
            scores = score_texts(references, {key: result.words for key, result in results.items()})
            row = {
                "recordings": name,
                "max_words": size,
                "words": len(known),
                "states": len(recogniser.graph.states),
                "arcs": len(recogniser.graph.arcs),
                "wer_percent": round(100 * scores.error_rate, 2),
                "out_of_vocabulary_percent": round(100 * sum(w not in known for w in spoken) / len(spoken), 2),
                "cpu_seconds": round(seconds, 1),
            }
            rows.append(row)
            click.echo("  ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.items()))
    if as_json:
        click.echo(json.dumps(rows))


if __name__ == "__main__":
    main()
