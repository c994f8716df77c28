"""`wfst-asr ctc greedy SCORES`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.ctc_source import named, scores_options, tokens_and_scores
from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.ctc.greedy import GreedyResult
    from wfst_asr.ctc.tokens import CtcTokens


@click.command()
@scores_options
@click.option("--steps", is_flag=True, help="Print the letter of each frame and both steps of the collapse.")
@click.option(
    "--frame-shift-ms",
    type=click.FloatRange(0, min_open=True),
    default=20.0,
    show_default=True,
    help="From row to row.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Draw letters over time (.png, .svg, .pdf): one utterance."
)
@click.option("--audio", type=click.Path(path_type=Path), help="The recording, for a spectrogram in the plot.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an utterance, with the times of letters.")
def greedy(
    scores: Path,
    tokens_path: Path,
    blank: str | None,
    utterance: str | None,
    steps: bool,
    frame_shift_ms: float,
    plot: Path | None,
    audio: Path | None,
    as_json: bool,
) -> None:
    """Take the best letter of each frame of SCORES (.npy, .npz, ark or scp) and collapse: lines "UTTERANCE TEXT".

    SCORES are natural-log probabilities or logits, one row a frame.
    """
    from wfst_asr.ctc.greedy import greedy_search

    if audio and not plot:
        raise click.UsageError("--audio is for the plot; give --plot FILE as well.")
    if plot:
        from wfst_asr.plots.language_model import check_plot

        check_plot(plot)
    tokens, matrices = tokens_and_scores(scores, tokens_path, blank, utterance)
    for count, (name, matrix) in enumerate(matrices):
        if plot and count:
            raise WfstAsrError(f"{scores}: more than one utterance, but a plot shows one; choose it with --utterance")
        try:
            found = greedy_search(matrix, blank=tokens.blank)
        except WfstAsrError as error:
            raise named(name, error) from error
        if as_json:
            click.echo(json.dumps(_record(name, found, tokens, frame_shift_ms), ensure_ascii=False))
        elif steps:
            click.echo("\n".join(_steps(name, found, tokens)))
        else:
            click.echo(f"{name} {tokens.text_of(found.labels)}".rstrip())
        if plot:
            _draw(plot, name, matrix, tokens, audio, frame_shift_ms)


def _steps(name: str, found: "GreedyResult", tokens: "CtcTokens") -> list[str]:
    from wfst_asr.ctc.collapse import merge_repeats

    alignment = merged = ""
    short = all(len(one) == 1 for column, one in enumerate(tokens.names) if column != tokens.blank)
    shown = ["_" if column == tokens.blank else one for column, one in enumerate(tokens.names)]
    space = "" if short else " "
    alignment = space.join(shown[label] for label in found.alignment)
    merged = space.join(shown[label] for label in merge_repeats(found.alignment))
    text = tokens.text_of(found.labels)
    return [
        f"{name}: log probability {found.log_prob:.3f}",
        f"  a letter a frame    {alignment}",
        f"  repeats merged      {merged}",
        f"  blanks removed      {text}",
    ]


def _record(name: str, found: "GreedyResult", tokens: "CtcTokens", frame_shift_ms: float) -> dict[str, Any]:
    shift_s = frame_shift_ms / 1000
    return {
        "utterance": name,
        "text": tokens.text_of(found.labels),
        "log_prob": round(found.log_prob, 4),
        "tokens": [
            {
                "token": tokens.names[token.label],
                "start_s": round(token.first_frame * shift_s, 4),
                "end_s": round((token.last_frame + 1) * shift_s, 4),
                "log_prob": round(token.log_prob, 4),
            }
            for token in found.tokens
        ],
    }


def _draw(plot: Path, name: str, matrix: Any, tokens: "CtcTokens", audio: Path | None, frame_shift_ms: float) -> None:
    from wfst_asr.io.wav import read_audio
    from wfst_asr.plots.ctc import draw_letters

    sound = read_audio(audio) if audio else None
    try:
        draw_letters(
            matrix,
            tokens,
            plot,
            frame_shift_ms=frame_shift_ms,
            samples=sound.samples if sound else None,
            sample_rate_hz=sound.sample_rate_hz if sound else 16000,
            title=name,
        )
    except WfstAsrError as error:
        raise named(name, error) from error
