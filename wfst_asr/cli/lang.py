"""`wfst-asr lang`: make and check Kaldi lang directories."""

from pathlib import Path

import click

from wfst_asr.errors import WfstAsrError


@click.group()
def lang() -> None:
    """Make the lexicon directory: symbols, topology, L."""


@lang.command()
@click.argument("lexicon", type=click.Path(path_type=Path))
@click.argument("out_dir", type=click.Path(path_type=Path))
@click.option("--silence-phones", default="SIL,SPN", show_default=True, help="Phones of silence and noise.")
@click.option("--optional-silence", default="SIL", show_default=True, help="The phone between words; '' for none.")
@click.option("--position-dependent/--no-position-dependent", default=True, show_default=True, help="Mark _B _I _E _S.")
@click.option("--silence-prob", default=0.5, show_default=True, help="Probability of silence between words.")
@click.option("--silprob", type=click.Path(path_type=Path), help="silprob.txt, for a lexiconp_silprob.txt.")
@click.option("--oov", help="The word for words outside the vocabulary; default: <UNK> or <unk> if in the lexicon.")
@click.option("--num-states", type=click.IntRange(1), default=3, show_default=True, help="States of an HMM of speech.")
@click.option(
    "--num-silence-states", type=click.IntRange(3), default=5, show_default=True, help="States of an HMM of silence."
)
def make(
    lexicon: Path,
    out_dir: Path,
    silence_phones: str,
    optional_silence: str,
    position_dependent: bool,
    silence_prob: float,
    silprob: Path | None,
    oov: str | None,
    num_states: int,
    num_silence_states: int,
) -> None:
    """Write a lang directory from LEXICON (lexicon.txt, lexiconp.txt or lexiconp_silprob.txt).

    The directory gets phones.txt, words.txt, topo, L.fst, L_disambig.fst, oov.txt and the phone lists in phones/.
    """
    from wfst_asr.graph.lang_dir import make_lang_dir
    from wfst_asr.lexicon.files import read_lexicon_file, read_silence_probs
    from wfst_asr.lexicon.phone_set import PhoneSet

    found = read_lexicon_file(lexicon)
    silence = None
    if found.silence is not None:
        silence = read_silence_probs(silprob or lexicon.with_name("silprob.txt"), found.silence)
    elif silprob is not None:
        raise WfstAsrError(f"{lexicon}: has no silence probabilities, but --silprob was given; leave it out")
    names = tuple(dict.fromkeys(name.strip() for name in silence_phones.split(",") if name.strip()))
    phone_set = PhoneSet.of_lexicon(
        found.lexicon,
        silence=names,
        optional_silence=optional_silence or None,
        position_dependent=position_dependent,
    )
    made = make_lang_dir(
        found.lexicon,
        out_dir,
        phone_set,
        silence_prob=silence_prob,
        oov=oov,
        silence=silence,
        num_states=num_states,
        num_silence_states=num_silence_states,
    )
    click.echo(
        f"{out_dir}: {len(found.lexicon.words)} words, {len(found.lexicon.entries)} pronunciations, "
        f"{len(made.silence_phones) + len(made.nonsilence_phones)} phones, "
        f"{len(made.disambiguation_phones)} disambiguation symbols"
    )


@lang.command()
@click.argument("lang_dir", type=click.Path(path_type=Path))
def validate(lang_dir: Path) -> None:
    """Check LANG_DIR and list every problem; exit status 1 if there is one."""
    from wfst_asr.graph.lang_validation import validate_lang_dir

    problems = validate_lang_dir(lang_dir)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise WfstAsrError(f"{lang_dir}: {len(problems)} problem{'s' if len(problems) > 1 else ''}, listed above")
    click.echo(f"{lang_dir}: sound")
