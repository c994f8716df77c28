"""Pronunciations guessed from spelling, by the grapheme-to-phoneme model of the pip package hama."""

# ruff: noqa: RUF001

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
_SILENT = {"ː", "ˑ", "ʰ", "̯", "̩", "ˀ", "‿", "˞"}


def guess_pronunciations(words: Iterable[str], graph: GraphVocabulary) -> list[Pronunciation]:
    """Pronounce words by the model, in the phones of a graph.

    The graph is one of hama's network, whose phones the model writes, or has the phones of the CMU dictionary, to which
    its guesses are translated.

    Raises:
        WfstAsrError: the package is missing, the graph has other phones, or there is no guess for a word.
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
    spoken = hama_pronunciations(wanted)
    found = []
    for word in wanted:
        phones = spoken.get(word, ())
        phones = phones if own else in_arpabet(word, phones)
        if not phones:
            raise WfstAsrError(f"word '{word}': no pronunciation could be guessed; give it in a lexicon")
        found.append(Pronunciation(word, tuple(phones)))
    return found


def in_arpabet(word: str, phones: Sequence[str]) -> tuple[str, ...]:
    """Translate phones of the International Phonetic Alphabet into those of the CMU dictionary.

    Raises:
        WfstAsrError: a phone is no sound of American English.

    >>> in_arpabet("thorpe", ["θ", "ɔ", "ɹ", "p"])
    ('TH', 'AO', 'R', 'P')
    """
    found = []
    for phone in phones:
        if phone in _SILENT:
            continue
        if phone not in ARPABET:
            raise WfstAsrError(
                f"word '{word}' was guessed to be '{' '.join(phones)}', but '{phone}' is no sound of English; give its "
                "pronunciation in a lexicon"
            )
        found.append(ARPABET[phone])
    return tuple(found)
