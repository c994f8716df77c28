"""`wfst-asr demo`: from a recording to words through one HCLG graph of English."""

import re
import time
from pathlib import Path

import click

from wfst_asr.cli.english import check_recordings, english_options, english_recogniser, search_options


@click.command()
@click.argument("audio", required=False, type=click.Path(path_type=Path))
@click.option("--transcript", type=click.Path(path_type=Path), help="Text file of what is said, for the error rate.")
@english_options
def demo(
    audio: Path | None,
    transcript: Path | None,
    beam: float,
    max_active: int,
    acoustic_scale: float | None,
    cmn: str,
    adapt: bool,
    max_words: int,
    cache: Path | None,
) -> None:
    """Compile H, C, L and G of English into one graph, decode a recording, and show words, times and errors.

    Without AUDIO it takes the 20 seconds of read speech that the pip package pstrain ships.
    """
    from wfst_asr.errors import WfstAsrError

    if audio is None:
        audio, transcript = sample_recording()
    if transcript and not transcript.is_file():
        raise WfstAsrError(f"{transcript}: no such file; give the path of the recording's text")
    reference = tuple(_transcript_words(transcript)) if transcript else ()
    check_recordings([audio])
    options = search_options(beam, max_active, acoustic_scale)
    recogniser = english_recogniser(cache, max_words, tell=True)

    from wfst_asr.recipe.sphinx_recogniser import CmnOptions
    from wfst_asr.sphinx.adaptation import AdaptOptions

    adaptation = AdaptOptions() if adapt else None
    sound = recogniser.read(audio)
    began, cpu_began = time.perf_counter(), time.process_time()
    result = recogniser.recognise(sound.samples, options, cmn=CmnOptions(cmn), adapt=adaptation)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began

    click.echo(f"\nrecording: {audio} ({sound.duration_s:.1f} s)")
    click.echo("\n   start     end  word")
    for word in result.word_times:
        click.echo(f"{word.start_s:8.2f}{word.end_s:8.2f}  {word.word}")
    if not result.reached_final:
        click.echo("note: no final state was reached; the words are those of the best path so far")
    click.echo(f"\n{result.text}")
    click.echo(
        f"\nreal-time factor {wall / sound.duration_s:.3f} ({cpu:.2f} CPU seconds for features, scores and search), "
        f"graph cost {result.graph_cost:.1f}, acoustic cost {result.acoustic_cost:.1f}"
    )
    if reference:
        from wfst_asr.score.report import aligned_text
        from wfst_asr.score.wer import score_texts

        scores = score_texts({audio.stem: reference}, {audio.stem: result.words})
        total = scores.total
        click.echo(
            f"word error rate {100 * scores.error_rate:.1f} % ({total.substitutions} substitutions, {total.insertions} "
            f"insertions, {total.deletions} deletions in {total.reference_length} words)\n"
        )
        click.echo(aligned_text(scores.utterances[0]))


def _transcript_words(path: Path) -> list[str]:
    from wfst_asr.errors import WfstAsrError

    try:
        return spoken_words(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); give a text file of what is said") from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{path}: not UTF-8 text; give a text file of what is said") from error


def sample_recording() -> tuple[Path, Path]:
    """Return the sample recording of the pip package pstrain and its transcript, without importing the package."""
    from importlib.util import find_spec

    from wfst_asr.errors import WfstAsrError

    spec = find_spec("pstrain")
    folder = Path(spec.origin).parent / "data" / "sample" if spec and spec.origin else None
    recordings = sorted(folder.glob("*.wav")) if folder else []
    if not recordings or not recordings[0].with_suffix(".txt").exists():
        raise WfstAsrError(
            "the sample recording is not installed; install it with: pip install 'wfst-asr[demo]', or name a recording"
        )
    return recordings[0], recordings[0].with_suffix(".txt")


def spoken_words(text: str) -> list[str]:
    """Return the words of a text as the English model writes them: lower case, without punctuation.

    >>> spoken_words("`What is the use,' thought Alice, `of DON'T?'")
    ['what', 'is', 'the', 'use', 'thought', 'alice', 'of', "don't"]
    """
    words = re.findall(r"[a-z0-9][a-z0-9'.-]*", text.lower().replace("\u2019", "'"))
    return [word.rstrip("'.-") for word in words]
