"""`wfst-asr ctc collapse TEXT`."""

import json

import click

from wfst_asr.ctc.collapse import ARTICLE_BLANK, merge_repeats, remove_blanks


@click.command(name="collapse")
@click.argument("alignment", metavar="TEXT")
@click.option("--blank", default=ARTICLE_BLANK, show_default=True, help="The character that stands for none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def collapse_text(alignment: str, blank: str, as_json: bool) -> None:
    """Collapse TEXT, a letter a frame: repeats become one letter, then blanks go.  Prints both steps."""
    merged = merge_repeats(alignment)
    said = remove_blanks(merged, blank)
    if as_json:
        click.echo(json.dumps({"alignment": alignment, "merged": merged, "text": said}, ensure_ascii=False))
    else:
        click.echo(f"{alignment} -> {merged} -> {said}")
