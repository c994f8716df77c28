"""`wfst-asr align`: when every word, phone and HMM state of a corpus was spoken."""

import json
import time
import warnings
from dataclasses import asdict
from pathlib import Path

import click

from wfst_asr.errors import WfstAsrWarning


@click.command()
@click.argument("data_dir", type=click.Path(path_type=Path))
@click.argument("lang_dir", type=click.Path(path_type=Path))
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.argument("out_dir", type=click.Path(path_type=Path))
@click.option("--beam", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="Search beam.")
@click.option("--retry-beam", type=click.FloatRange(0), default=40.0, show_default=True, help="Where that fails.")
@click.option("--textgrids/--no-textgrids", default=True, show_default=True, help="A Praat TextGrid an utterance.")
@click.option("--num-jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def align(
    data_dir: Path,
    lang_dir: Path,
    model_dir: Path,
    out_dir: Path,
    beam: float,
    retry_beam: float,
    textgrids: bool,
    num_jobs: int,
    as_json: bool,
) -> None:
    """Find the times of the words, phones and HMM states of transcribed recordings.

    DATA_DIR has recordings and transcripts, LANG_DIR the lexicon, MODEL_DIR a model of wfst-asr train.  OUT_DIR gets
    words.ctm, phones.ctm, textgrid/, phones.tsv (likelihoods), prons.txt (words as spoken), ali.ark, failures.tsv and
    the model, so that it serves as ALIGNMENTS of the next stage of training.
    """
    from wfst_asr.align.options import AlignOptions
    from wfst_asr.cli.training_progress import progress_of_training
    from wfst_asr.recipe.aligning import align_data

    options = AlignOptions(beam=beam, retry_beam=retry_beam)
    began = time.perf_counter(), time.process_time()
    with progress_of_training("align") as step:
        found = align_data(
            data_dir, lang_dir, model_dir, out_dir, options=options, textgrids=textgrids, num_jobs=num_jobs, step=step
        )
    seconds, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    if found.failures:
        warnings.warn(
            f"{found.failures} of {found.utterances + found.failures} utterances could not be aligned "
            f"({found.first_failure}); all reasons: {found.folder / 'failures.tsv'}",
            WfstAsrWarning,
            stacklevel=2,
        )
    if as_json:
        record = {**asdict(found), "folder": str(found.folder), "seconds": round(seconds, 3)}
        click.echo(json.dumps({**record, "cpu_seconds": round(cpu, 3)}))
        return
    click.echo(
        f"{found.utterances} utterances ({found.retried} with the wider beam), {found.words} words, {found.phones} "
        f"phones, {found.audio_seconds:.1f} s of speech in {seconds:.2f} s ({cpu:.2f} s CPU), log likelihood "
        f"{found.log_likelihood_per_frame:.3f} a frame; written: {found.folder}"
    )
