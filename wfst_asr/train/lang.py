"""TrainingLang: what training needs of a lang directory."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.ops import as_table, read_fst
from wfst_asr.graph.lang_dir import LangDir, numbered_fields, read_lang_dir
from wfst_asr.hmm.topology import HmmTopology
from wfst_asr.tree.roots import Root, read_roots


@dataclass(frozen=True)
class TrainingLang:
    """Lexicon, phones and their HMMs, for training.

    Attributes:
        lexicon: L without disambiguation symbols.
        words: word ids by name.
        oov: the word that stands for words outside the vocabulary; None: utterances with such words are left out.
        topology: HMM of every phone.
        silence: ids of the phones of silence and noise.
        roots: phones that share their monophone pdfs and their tree root (variants by position in the word).
        extra_questions: sets of phones that the tree asks for besides those found in the data.
        phone_names: names by id.
    """

    lexicon: ArcTable
    words: Mapping[str, int]
    oov: str | None
    topology: HmmTopology
    silence: frozenset[int]
    roots: tuple[Root, ...]
    extra_questions: tuple[frozenset[int], ...]
    phone_names: Mapping[int, str]

    def word_ids(self, words: Sequence[str]) -> tuple[int, ...]:
        """Return the ids of an utterance's words; the `oov` word's for those outside the vocabulary.

        Raises:
            WfstAsrError: a word is not in the lexicon and there is no `oov` word.
        """
        ids = []
        for word in words:
            number = self.words.get(word)
            if number is None or word in ("<eps>", "#0", "<s>", "</s>"):
                if self.oov is None:
                    raise WfstAsrError(f"word '{word}' has no pronunciation in the lexicon")
                number = self.words[self.oov]
            ids.append(number)
        return tuple(ids)


def read_training_lang(folder: str | os.PathLike[str] | LangDir) -> TrainingLang:
    """Read a lang directory (ours or Kaldi's) for training.

    Raises:
        WfstAsrError: a file is missing or damaged.
    """
    lang = folder if isinstance(folder, LangDir) else read_lang_dir(folder)
    root = lang.folder
    lexicon = as_table(read_fst(root / "L.fst", remedy=f"make it with: wfst-asr lang make lexicon.txt {root}"))
    extra = _rows(lang, "extra_questions")
    return TrainingLang(
        lexicon,
        {name: lang.words[name] for name in lang.words},
        lang.oov,
        lang.topology(),
        frozenset(lang.phones[name] for name in lang.silence_phones),
        _roots(lang),
        tuple(frozenset(row) for row in extra),
        dict(lang.phones.names),
    )


def _roots(lang: LangDir) -> tuple[Root, ...]:
    """Read phones/roots.txt; where it is missing every phone stands alone."""
    path = lang.folder / "phones" / "roots.txt"
    names = (*lang.silence_phones, *lang.nonsilence_phones)
    if not path.exists():
        return tuple(Root((lang.phones[name],)) for name in names)
    roots = read_roots(path, lang.phones)
    missing = {lang.phones[name] for name in names} - {phone for root in roots for phone in root.phones}
    if missing:
        raise WfstAsrError(f"{path}: phone '{lang.phones.names[min(missing)]}' is in no line; add it")
    return roots


def _rows(lang: LangDir, name: str) -> list[tuple[int, ...]]:
    path: Path = lang.folder / "phones" / f"{name}.txt"
    if not path.exists():
        return []
    return [tuple(_phone(lang, item, path, at) for item in fields) for at, fields in numbered_fields(path)]


def _phone(lang: LangDir, name: str, path: Path, at: int) -> int:
    if name not in lang.phones:
        raise WfstAsrError(f"{path}:{at}: '{name}' is not a phone of {lang.folder / 'phones.txt'}")
    return lang.phones[name]
