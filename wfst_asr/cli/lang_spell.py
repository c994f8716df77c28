"""`wfst-asr lang spell`: a lexicon of spellings made of a list of words."""

from collections.abc import Iterator
from pathlib import Path

import click


@click.command()
@click.argument("words", metavar="WORDS", type=click.Path(path_type=Path))
@click.argument("tokens", metavar="TOKENS", type=click.Path(path_type=Path))
@click.argument("lexicon", metavar="LEXICON", type=click.Path(path_type=Path))
@click.option("--blank", help="Name of the blank among the tokens, if it has an unusual one.")
@click.option("--all-spellings", is_flag=True, help="Every way to divide a word, not just the shortest.")
def spell(words: Path, tokens: Path, lexicon: Path, blank: str | None, all_spellings: bool) -> None:
    """Write LEXICON, the words of WORDS spelled in the letters or word pieces of TOKENS.

    WORDS has a word a line (what follows it is not read), such as words.txt; TOKENS is the tokens.txt of a network.
    The token between words ("|") is no letter; let `lang make` put it there: --silence-phones '|' --optional-silence
    '|'.
    """
    from wfst_asr.ctc.tokens import read_tokens
    from wfst_asr.errors import WfstAsrError
    from wfst_asr.lexicon.files import write_lexicon
    from wfst_asr.lexicon.spelling import spelling_lexicon

    columns = read_tokens(tokens, blank=blank)
    units = [name for column, name in enumerate(columns.names) if column != columns.blank and name != columns.boundary]
    try:
        found = list(_words(words.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise WfstAsrError(f"{words}: cannot be read ({told}); give a file with a word a line") from error
    if not found:
        raise WfstAsrError(f"{words}: has no words; expected one a line")
    spelled = spelling_lexicon(found, units, all_spellings=all_spellings)
    write_lexicon(spelled, lexicon, form="plain")
    click.echo(f"{lexicon}: {len(spelled.words):,} words, {len(spelled.entries):,} spellings")


def _words(text: str) -> Iterator[str]:
    """Yield the first word of each line, but for epsilon, sentence ends and disambiguation symbols."""
    for line in text.splitlines():
        word = line.split(None, 1)[0] if line.strip() else ""
        if word and word not in ("<eps>", "<s>", "</s>") and not (word[0] == "#" and word[1:].isdecimal()):
            yield word
