"""Pronunciations guessed from spelling, by the grapheme-to-phoneme model of the pip package hama."""

# ruff: noqa: RUF001

import unicodedata
from collections.abc import Iterable, Sequence

from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.lexicon import Pronunciation
from wfst_asr.recipe.graph_vocabulary import GraphVocabulary

# American English of the International Phonetic Alphabet, as hama writes it, in the phones of the CMU dictionary
ARPABET = {
    "a": "AA", "aɪ": "AY", "aʊ": "AW", "b": "B", "d": "D", "d͡ʒ": "JH", "e": "EY", "eə": "EH", "eɪ": "EY", "f": "F",
    "h": "HH", "i": "IY", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N", "o": "OW", "oʊ": "OW", "p": "P",
    "r": "R", "s": "S", "t": "T", "t͡ʃ": "CH", "u": "UW", "v": "V", "w": "W", "z": "Z", "æ": "AE", "ð": "DH",
    "ŋ": "NG", "ɐ": "AH", "ɑ": "AA", "ɒ": "AA", "ɔ": "AO", "ɔɪ": "OY", "ə": "AH", "ɚ": "ER", "ɛ": "EH", "ɜ": "ER",
    "ɝ": "ER", "ɡ": "G", "g": "G", "ɪ": "IH", "ɪə": "IH", "ɫ": "L", "ɹ": "R", "ɾ": "T", "ʃ": "SH", "ʊ": "UH",
    "ʌ": "AH", "ʒ": "ZH", "θ": "TH", "x": "K", "ɻ": "R",
}  # fmt: skip
# sounds that English has not, as the nearest one
ARPABET |= {
    "β": "V",
    "ɣ": "G",
    "ʝ": "Y",
    "ɲ": "N",
    "ʎ": "L",
    "ç": "SH",
    "c": "K",
    "q": "K",
    "y": "UW",
    "ø": "ER",
    "œ": "ER",
    "χ": "K",
}
_SILENT, _TIE = "ːˑʰʲʷˀ‿˞", "\u0361"
_SIBILANTS, _VOICELESS = {"S", "Z", "SH", "ZH", "CH", "JH"}, {"P", "T", "K", "F", "TH"}


def guess_pronunciations(words: Iterable[str], graph: GraphVocabulary) -> list[Pronunciation]:
    """Pronounce words by the model, in the phones of a graph.

    The graph is one of hama's network, whose phones the model writes, or has the phones of the CMU dictionary, to which
    its guesses are translated.

    Raises:
        WfstAsrError: the package is missing, the graph has other phones, or a word has no guess or
            characters that are no letters.
    """
    from wfst_asr.neural.hama import hama_pronunciations

    wanted = list(dict.fromkeys(words))
    own = graph.manifest.column_names == "tokens of hama's network"
    base = {name[:-2] if name[-2:] in ("_B", "_I", "_E", "_S") else name for name in graph.phones}
    arpabet = {"AA", "EH", "IY", "NG", "TH"} <= base
    if not own and not arpabet:
        raise WfstAsrError(
            f"{graph.folder}: pronunciations are guessed in hama's phones or those of the CMU dictionary, but the "
            "graph has others; give them in a lexicon"
        )
    for word in wanted:
        _check_letters(word)
    asked = {word: word if own else letters_of(word) for word in wanted}
    spoken = hama_pronunciations(sorted({letters for letters in asked.values() if letters}))
    found = []
    for word in wanted:
        phones = spoken.get(asked[word], ())
        phones = phones if own else with_ending(word, in_arpabet(word, phones))
        if not phones:
            raise WfstAsrError(f"word '{word}': no pronunciation could be guessed; give it in a lexicon")
        found.append(Pronunciation(word, tuple(phones)))
    return found


def _check_letters(word: str) -> None:
    for character in word:
        if character not in "'’-." and not unicodedata.name(character, "").startswith("LATIN"):
            raise WfstAsrError(
                f"word '{word}' has the character '{character}', from which no pronunciation can be guessed; give its "
                "pronunciation in a lexicon"
            )


def letters_of(word: str) -> str:
    """Return what is guessed from: the letters without accents and signs, and without the ending of a possessive.

    >>> letters_of("O'Neill's"), letters_of("Café")
    ('oneill', 'cafe')
    """
    plain = unicodedata.normalize("NFKD", word).lower().replace("’", "'")
    return "".join(letter for letter in _without_possessive(plain) if letter.isalpha())


def _without_possessive(word: str) -> str:
    return word[:-2] if len(word) > 2 and word.endswith("'s") else word


def with_ending(word: str, phones: tuple[str, ...]) -> tuple[str, ...]:
    """Add the ending of a possessive to the phones of its word.

    >>> with_ending("duchess's", ("D", "AH", "CH", "AH", "S"))
    ('D', 'AH', 'CH', 'AH', 'S', 'IH', 'Z')
    >>> with_ending("derick's", ("D", "EH", "R", "IH", "K"))[-1]
    'S'
    """
    plain = word.lower().replace("’", "'")
    if not phones or _without_possessive(plain) == plain:
        return phones
    if phones[-1] in _SIBILANTS:
        return (*phones, "IH", "Z")
    return (*phones, "S" if phones[-1] in _VOICELESS else "Z")


def in_arpabet(word: str, phones: Sequence[str]) -> tuple[str, ...]:
    """Translate phones of the International Phonetic Alphabet into those of the CMU dictionary.

    Raises:
        WfstAsrError: a phone is near no sound of American English.

    >>> in_arpabet("thorpe", ["θ", "ɔ", "ɹ", "p"]), in_arpabet("jet", ["d", "͡", "ʒ", "ɛ", "t", "̪"])
    (('TH', 'AO', 'R', 'P'), ('JH', 'EH', 'T'))
    """
    sounds: list[str] = []
    for phone in phones:
        if phone == _TIE or (sounds and sounds[-1].endswith(_TIE)):
            sounds[-1:] = [sounds[-1] + phone] if sounds else []
        elif phone not in _SILENT and not all(unicodedata.combining(sign) for sign in phone):
            sounds.append(phone)
    for sound in sounds:
        if sound not in ARPABET:
            raise WfstAsrError(
                f"word '{word}' was guessed to be '{' '.join(phones)}', but '{sound}' is no sound of English; give its "
                "pronunciation in a lexicon"
            )
    return tuple(ARPABET[sound] for sound in sounds)
