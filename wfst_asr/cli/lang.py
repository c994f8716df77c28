"""`wfst-asr lang`: make and check Kaldi lang directories."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wfst_asr.cli.lang_spell import spell
from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.lexicon.lexicon import Lexicon
    from wfst_asr.lexicon.silence_probs import SilenceProbs


@click.group()
def lang() -> None:
    """Make the lexicon directory: symbols, topology, L."""


lang.add_command(spell)


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
    "--num-silence-states",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="States of an HMM of silence: 3 and more are joined, 1 and 2 left-to-right.",
)
@click.option("--states", "states", multiple=True, metavar="PHONE=N", help="States of one phone's HMM; repeatable.")
@click.option("--skip-prob", default=0.0, show_default=True, help="Probability of passing over a state of speech.")
@click.option(
    "--topo",
    type=click.Path(path_type=Path),
    help="A topo file of your own; <ForPhones> has names, NONSILENCEPHONES or SILENCEPHONES.",
)
@click.option("--extra-phones", default="", help="Phones of speech that no word of LEXICON has.")
@click.option(
    "--alignments",
    type=click.Path(path_type=Path),
    help="Learn pronunciation and silence probabilities from this folder, which wfst-asr align or train made.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Transcripts of --alignments of wfst-asr train.")
@click.option("--lang", "old_lang", type=click.Path(path_type=Path), help="Lang directory of these alignments.")
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
    states: tuple[str, ...],
    skip_prob: float,
    topo: Path | None,
    extra_phones: str,
    alignments: Path | None,
    data: Path | None,
    old_lang: Path | None,
) -> None:
    """Write a lang directory from LEXICON (lexicon.txt, lexiconp.txt or lexiconp_silprob.txt).

    The directory gets phones.txt, words.txt, topo, L.fst, L_disambig.fst, oov.txt and the phone lists in phones/, and
    with --alignments the lexicon with its learned probabilities (lexiconp_silprob.txt and silprob.txt).
    """
    from wfst_asr.graph.lang_dir import make_lang_dir
    from wfst_asr.graph.lang_topology import LangTopology
    from wfst_asr.lexicon.files import read_lexicon_file, read_silence_probs, write_lexicon, write_silence_lexicon
    from wfst_asr.lexicon.phone_set import PhoneSet

    if (data is None) != (old_lang is None) or (data is not None and alignments is None):
        raise click.UsageError(
            "--data and --lang go together, with --alignments; an OUT_DIR of wfst-asr align needs none"
        )
    found = read_lexicon_file(lexicon)
    entries, silence = found.lexicon, None
    if alignments is not None:
        entries, silence = _learned(entries, alignments, data, old_lang)
        silence = silence if optional_silence else None
    elif found.silence is not None:
        silence = read_silence_probs(silprob or lexicon.with_name("silprob.txt"), found.silence)
    if silprob is not None and (found.silence is None or alignments is not None):
        reason = f"{lexicon}: has no silence probabilities" if found.silence is None else "--alignments gives them anew"
        raise WfstAsrError(f"{reason}, but --silprob was given; leave it out")
    phone_set = PhoneSet.of_lexicon(
        entries,
        silence=_names(silence_phones),
        optional_silence=optional_silence or None,
        position_dependent=position_dependent,
        extra=_names(extra_phones),
    )
    topology = LangTopology(num_states, num_silence_states, skip_prob, _states_of_phone(states), topo)
    made = make_lang_dir(
        entries, out_dir, phone_set, silence_prob=silence_prob, oov=oov, silence=silence, topology=topology
    )
    if alignments is not None and silence is not None:
        write_silence_lexicon(entries, silence, out_dir)
    elif alignments is not None:
        write_lexicon(entries, out_dir / "lexiconp.txt", form="probabilities")
    click.echo(
        f"{out_dir}: {len(entries.words)} words, {len(entries.entries)} pronunciations, "
        f"{len(made.silence_phones) + len(made.nonsilence_phones)} phones, "
        f"{len(made.disambiguation_phones)} disambiguation symbols"
    )


def _learned(
    lexicon: "Lexicon", alignments: Path, data: Path | None, old_lang: Path | None
) -> "tuple[Lexicon, SilenceProbs]":
    """Return the lexicon with the probabilities of the aligned words, and those of silence; tell what was counted."""
    from wfst_asr.lexicon.pronunciation_probs import (
        count_pronunciations,
        learn_pronunciation_probs,
        learn_silence_probs,
    )
    from wfst_asr.lexicon.spoken_words import read_spoken_words, spoken_sequences

    if data is not None and old_lang is not None:
        from wfst_asr.recipe.aligning import spoken_words_of_archive

        words = spoken_words_of_archive(data, old_lang, alignments)
    else:
        words = read_spoken_words(alignments / "prons.txt")
    counts = count_pronunciations(spoken_sequences(words))
    spoken = counts.spoken
    learned, silence = learn_pronunciation_probs(lexicon, counts), learn_silence_probs(lexicon, counts)
    click.echo(
        f"{alignments}: {sum(spoken.values()):,} words spoken in {len(spoken):,} of {len(lexicon.entries):,} "
        f"pronunciations, silence after {silence.overall:.0%} of the words"
    )
    return learned, silence


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _states_of_phone(pairs: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for pair in pairs:
        phone, _, count = pair.rpartition("=")
        if not phone or not count.isdecimal() or int(count) < 1:
            raise click.UsageError(f"--states '{pair}': expected PHONE=N with N of 1 or more, such as SPN=3")
        found[phone] = int(count)
    return found


@lang.command()
@click.argument("lang_dir", type=click.Path(path_type=Path))
@click.argument("phone")
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), help="Folder of a trained model: its probabilities and pdfs.")
def draw(lang_dir: Path, phone: str, image: Path, model: Path | None) -> None:
    """Draw the HMM of PHONE into IMAGE (.png, .svg or .pdf): states, arcs, probabilities.

    With --model the probabilities are the trained ones, for each HMM state the mean over its tied states, and every
    state tells its pdf-ids.
    """
    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.graph.lang_dir import read_lang_dir
    from wfst_asr.plots.hmm import hmm_picture, plot_hmm, trained_picture
    from wfst_asr.plots.language_model import check_plot

    check_writable_folder(image.parent)
    check_plot(image)
    made = read_lang_dir(lang_dir)
    variants = (phone, *(phone + suffix for suffix in ("_I", "_S")))
    name = next((variant for variant in variants if variant in made.phones and made.phones[variant] > 0), None)
    if name is None or name.startswith("#"):
        raise WfstAsrError(f"{lang_dir / 'phones.txt'}: has no phone '{phone}' with an HMM")
    if model is None:
        picture = hmm_picture(made.topology(), made.phones[name], name)
    else:
        from wfst_asr.kaldi.transition_model import read_transition_model

        picture = trained_picture(read_transition_model(model / "final.mdl"), made.phones[name], name)
    plot_hmm(picture, image)
    click.echo(f"{image}: {picture.summary}")


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
