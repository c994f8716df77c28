"""The stages of a recipe that concern language: pronunciations, the lexicon directory, the language model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.files import read_lexicon
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lm.counts import count_ngrams
from wfst_asr.lm.estimate import EstimateOptions, estimate_model
from wfst_asr.lm.model_files import read_model, write_model
from wfst_asr.lm.text import text_of_sentences

SILENCE = "SIL"
LM_NAME = "lm.ngram"


def read_pronunciations(path: str | Path, *, extra: Sequence[tuple[str, str]] = ()) -> Lexicon:
    """Read a lexicon of Kaldi's forms or of Sphinx's, where `WORD(2)` is a variant of WORD.

    Args:
        path: the file; a word's pronunciation that is there twice counts once.
        extra: (word, "P H O N E S") to add where the lexicon lacks the word.

    Raises:
        WfstAsrError: no such file, or it is none.
    """
    from wfst_asr.sphinx.dictionary import base_word, read_dictionary

    source = Path(path)
    if not source.is_file():
        raise WfstAsrError(f"{source}: no such file; expected a lexicon of lines such as 'HELLO HH AH L OW'")
    words = {fields[0] for line in source.read_text("utf-8", errors="replace").splitlines() if (fields := line.split())}
    sphinx = any(base_word(word) != word and base_word(word) in words for word in words)
    lexicon = read_dictionary(source) if sphinx else read_lexicon(source)
    added = [Pronunciation(word, tuple(phones.split())) for word, phones in extra if word not in lexicon.pronunciations]
    return Lexicon((*lexicon.entries, *added))


def make_lang(
    out_dir: Path,
    *,
    lexicon: Path | None = None,
    entries: Sequence[tuple[str, str]] = (),
    oov: str | None = None,
    silence_phones: Sequence[str] = (SILENCE, "SPN", "NSN"),
    position_dependent: bool = False,
    silence_prob: float = 0.5,
    num_states: int = 3,
    num_silence_states: int = 5,
) -> dict[str, Any]:
    """Write the lexicon directory, as `wfst-asr lang make` does.

    Args:
        out_dir: where to write.
        lexicon: file of pronunciations, of any form; None where `entries` has all of them.
        entries: (word, "P H O N E S") of words that the file may lack.
        oov: the word that stands for words outside the lexicon; it needs a pronunciation.
        silence_phones: phones of silence and noise; those that the lexicon does not use, but for the first, are left
            out.  The first may stand between words.
        position_dependent: tell phones apart by their place in the word.
        silence_prob: probability of silence between words.
        num_states: states of a phone of speech.
        num_silence_states: states of a phone of silence or noise.

    Returns:
        Numbers of words, pronunciations and phones.
    """
    from wfst_asr.graph.lang_dir import make_lang_dir
    from wfst_asr.graph.lang_topology import LangTopology
    from wfst_asr.lexicon.phone_set import PhoneSet

    if lexicon is None:
        found = Lexicon.from_pairs(entries)
    else:
        found = read_pronunciations(lexicon, extra=entries)
    used = set(found.phones)
    silence = tuple(phone for number, phone in enumerate(silence_phones) if number == 0 or phone in used)
    phone_set = PhoneSet.of_lexicon(
        found, silence=silence, optional_silence=silence[0], position_dependent=position_dependent
    )
    make_lang_dir(
        found,
        out_dir,
        phone_set,
        silence_prob=silence_prob,
        oov=oov,
        topology=LangTopology(num_states=num_states, num_silence_states=num_silence_states),
    )
    return {"words": len(found.words), "pronunciations": len(found.entries), "phones": len({*used, *silence})}


def make_language_model(
    out_dir: Path,
    *,
    data_dir: Path,
    lang_dir: Path,
    lm: Path | None = None,
    order: int = 3,
    smoothing: str = "witten-bell",
    interpolate: bool = True,
) -> dict[str, Any]:
    """Write a language model: the one given, or one of the transcripts of a data directory.

    Args:
        out_dir: where lm.ngram is written, the form that is read fastest (`wfst-asr lm convert` makes ARPA of it).
        data_dir: whose transcripts are counted.
        lang_dir: lexicon directory; all its words but that for words outside are in the model.
        lm: the model given; None: count.
        order: words of the longest n-grams.
        smoothing: as in `wfst-asr lm train`.
        interpolate: likewise.

    Returns:
        The model's order and its n-grams.
    """
    from wfst_asr.graph.lang_dir import read_lang_dir
    from wfst_asr.io.data_dir import read_data_dir

    if lm is not None:
        model = read_model(lm)
        write_model(model, out_dir / LM_NAME)
        return {"order": len(model.num_ngrams), "ngrams": sum(model.num_ngrams)}
    text = read_data_dir(data_dir).text or {}
    lang = read_lang_dir(lang_dir)
    unspoken = {"<eps>", "#0", "<s>", "</s>", lang.oov}
    words = tuple(name for name in lang.words if name not in unspoken)
    counts = count_ngrams(text_of_sentences(text.values()), order, vocabulary=words, unknown=None)
    model = estimate_model(counts, EstimateOptions(smoothing, interpolate)).model
    write_model(model, out_dir / LM_NAME)
    return {"order": order, "ngrams": sum(model.num_ngrams)}
