"""`wfst-asr data`: validate, subset and split Kaldi data directories."""

import json
from pathlib import Path

import click

from wfst_asr.errors import WfstAsrError


@click.group()
def data() -> None:
    """Validate, subset and split Kaldi data directories."""


@data.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--read-sound", is_flag=True, help="Read every recording too.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def validate(directory: Path, read_sound: bool, as_json: bool) -> int:
    """List every problem of DIRECTORY with file and line; exit status 1 if there is one."""
    from wfst_asr.io.data_checks import validate_data_dir
    from wfst_asr.io.data_dir import load_data_dir

    problems = validate_data_dir(directory, read_sound=read_sound)
    contents, _ = load_data_dir(directory)
    summary = {
        "utterances": len(contents.utterances),
        "speakers": len(contents.spk2utt),
        "hours": round(sum(contents.utt2dur.values()) / 3600, 4),
    }
    if as_json:
        rows = [{"file": str(p.file), "line": p.line or None, "message": p.message} for p in problems]
        click.echo(json.dumps({"directory": str(directory), **summary, "problems": rows}, indent=2))
        return int(bool(problems))
    for problem in problems:
        click.echo(str(problem))
    if problems:
        noun = "problem" if len(problems) == 1 else "problems"
        raise WfstAsrError(f"{directory}: {len(problems)} {noun} found; correct the lines listed")
    click.echo(f"{directory}: {summary['utterances']} utterances of {summary['speakers']} speakers, no problems")
    return 0


@data.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--first", type=int, help="The first so many utterances.")
@click.option("--last", type=int, help="The last so many utterances.")
@click.option("--random", "random_number", type=int, help="So many utterances at random.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random choice.")
@click.option("--ids", type=click.Path(path_type=Path), help="A file whose lines begin with the utterance-ids to keep.")
@click.option("--speaker", "speakers", multiple=True, help="Keep this speaker's utterances; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def subset(
    directory: Path,
    output: Path,
    first: int | None,
    last: int | None,
    random_number: int | None,
    seed: int,
    ids: Path | None,
    speakers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write some utterances of DIRECTORY to OUTPUT: by ids or speakers, and of those the first, last or any."""
    import numpy as np

    from wfst_asr.io.data_dir import read_data_dir, write_data_dir
    from wfst_asr.io.data_parts import choose_utterances, with_speakers, with_utterances

    numbers = {"first": first, "last": last, "random": random_number}
    given = {how: number for how, number in numbers.items() if number is not None}
    if len(given) > 1 or not (given or ids or speakers):
        raise click.UsageError("Give one of --first, --last and --random, or --ids, or --speaker.")
    part = read_data_dir(directory)
    if ids is not None:
        try:
            lines = ids.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise WfstAsrError(f"{ids}: cannot be read ({error}); expected an utterance-id a line") from error
        part = with_utterances(part, {line.split()[0] for line in lines if line.strip()})
    if speakers:
        part = with_speakers(part, speakers)
    for how, number in given.items():
        names = choose_utterances(part.utterances, number, how=how, rng=np.random.default_rng(seed))
        part = with_utterances(part, names)
    write_data_dir(part, output)
    if as_json:
        click.echo(json.dumps({"output": str(output), "utterances": len(part.utterances)}))
    else:
        click.echo(f"{output}: {len(part.utterances)} utterances")


@data.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--parts", type=int, required=True, help="How many.")
@click.option("--by-speaker/--by-utterance", default=True, show_default=True, help="Keep speakers together.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def split(directory: Path, output: Path, parts: int, by_speaker: bool, as_json: bool) -> None:
    """Split DIRECTORY into OUTPUT/1, OUTPUT/2 and so on, of about the same length."""
    from wfst_asr.io.data_dir import read_data_dir, write_data_dir
    from wfst_asr.io.data_parts import split as split_data

    pieces = split_data(read_data_dir(directory), parts, by_speaker=by_speaker)
    for number, piece in enumerate(pieces, 1):
        write_data_dir(piece, output / str(number))
    rows = [
        {"output": str(output / str(number)), "utterances": len(piece.utterances), "speakers": len(piece.spk2utt)}
        for number, piece in enumerate(pieces, 1)
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['output']}: {row['utterances']} utterances of {row['speakers']} speakers")
