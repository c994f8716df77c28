"""`wfst-asr ctc search SCORES`."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from wfst_asr.cli.ctc_source import named, prefix_options, scores_options, search_options, tokens_and_scores
from wfst_asr.errors import WfstAsrError


@click.command()
@scores_options
@search_options
@click.option("--nbest", default=1, show_default=True, type=click.IntRange(1), help="Transcripts an utterance.")
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a transcript, with its log probability.")
def search(
    scores: Path,
    tokens_path: Path,
    blank: str | None,
    utterance: str | None,
    beam: float,
    max_active: int,
    token_beam: float,
    nbest: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Find the likeliest letters of SCORES (.npy, .npz, ark or scp), summed over their alignments (prefix beam search).

    Prints lines "UTTERANCE TEXT", or "UTTERANCE-RANK TEXT" with ranks from 1 where --nbest is more than 1.
    """
    from wfst_asr.cli.lattice_source import write_lines
    from wfst_asr.ctc.prefix_search import prefix_search

    options = prefix_options(beam=beam, max_active=max_active, token_beam=token_beam)
    tokens, matrices = tokens_and_scores(scores, tokens_path, blank, utterance)

    def lines() -> Iterator[str]:
        for name, matrix in matrices:
            try:
                found = prefix_search(matrix, options, blank=tokens.blank, nbest=nbest)
            except WfstAsrError as error:
                raise named(name, error) from error
            for rank, one in enumerate(found, start=1):
                text = tokens.text_of(one.labels)
                if as_json:
                    record = {"utterance": name, "rank": rank, "text": text, "log_prob": round(one.log_prob, 4)}
                    yield json.dumps(record, ensure_ascii=False)
                else:
                    yield f"{name}{f'-{rank}' if nbest > 1 else ''} {text}".rstrip()

    write_lines(lines(), output)
