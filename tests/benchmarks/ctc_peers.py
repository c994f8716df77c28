"""The peers of ctc_decoding.py: decoders of other pip packages behind one interface.

`flashlight-text` (LexiconDecoder of wav2letter and torchaudio) with KenLM: the same lexicon, word boundary at the end of
each spelling and between words, the same language model.  It takes at most six words that sound the same, here the
likeliest, and sums over the alignments of a text where ours takes the best.

`ctc-beam-decoder` (pyctcdecode in C++) spells in characters.  Each phone is made a character, the word boundary a space,
and a pronunciation a word of the language model.  Words that sound the same become one, the likeliest of them, and
n-grams with the others are left out.  That loses the others: a recogniser of English with it has them wrong
always.  So WER is also counted with words that sound the same taken for one, in which this does not show.
"""

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.lm.backoff import NGramModel

MOST_SAME_SOUNDS = 6  # words that flashlight-text keeps at a node of its lexicon
FIRST_CHARACTER = 0xE000  # private use

FLASHLIGHT_BEAMS = ((20, 5, 8.0), (50, 5, 8.0), (100, 5, 8.0), (100, 5, 12.0), (200, 10, 12.0), (400, 10, 12.0))
CHARACTER_BEAMS = ((20, -8.0, -4.0), (50, -10.0, -5.0), (100, -10.0, -5.0), (200, -10.0, -5.0), (200, -15.0, -5.0))


@dataclass(frozen=True)
class Task:
    """What all decoders share.

    Attributes:
        tokens: columns of the scores.
        boundary: name of the token between words.
        spoken: pronunciation of each word.
        log_prob: natural log of each word's unigram probability.
        arpa: language model over words.
        lm_weight: factor on its log probabilities.
    """

    tokens: CtcTokens
    boundary: str
    spoken: Mapping[str, tuple[str, ...]]
    log_prob: Mapping[str, float]
    arpa: Path
    lm_weight: float

    @property
    def likeliest(self) -> dict[tuple[str, ...], str]:
        """Return the likeliest word of each pronunciation."""
        return {self.spoken[word]: word for word in sorted(self.spoken, key=self.log_prob.__getitem__)}


def unigrams(model: NGramModel) -> dict[str, float]:
    """Return the natural log of the unigram probabilities by word."""
    return dict(zip(model.words, model.levels[0].log_prob.tolist(), strict=True))


def missing_packages() -> dict[str, str]:
    """Return what to install for each peer that cannot run."""
    needed = {"flashlight-text": {"flashlight": "flashlight-text", "kenlm": "kenlm"}}
    needed["ctc-beam-decoder"] = {"ctc_beam_decoder": "ctc-beam-decoder"}
    absent = {
        peer: " ".join(package for module, package in packages.items() if find_spec(module) is None)
        for peer, packages in needed.items()
    }
    return {peer: packages for peer, packages in absent.items() if packages}


@contextmanager
def silenced() -> Iterator[None]:
    """Send what C++ writes to standard error nowhere: progress bars and the lack of <unk>."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class Flashlight:
    """LexiconDecoder with KenLM; a setting is beam size, tokens tried a frame, beam threshold."""

    name = "flashlight-text"

    def __init__(self, task: Task, word_score: float, settings: tuple[tuple[int, int, float], ...]) -> None:
        import kenlm  # noqa: F401  (loads the library that flashlight's KenLM is linked with)
        from flashlight.lib.text import decoder as text_decoder
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary

        self._words = Dictionary()
        for word in (*task.spoken, "<unk>"):
            self._words.add_entry(word)
        with silenced():
            self._lm = KenLM(str(task.arpa), self._words)
        column = {name: at for at, name in enumerate(task.tokens.names)}
        boundary = column[task.boundary]
        self._trie = text_decoder.Trie(len(column), boundary)
        begin = self._lm.start(False)
        taken: dict[tuple[str, ...], int] = {}
        for word in sorted(task.spoken, key=task.log_prob.__getitem__, reverse=True):
            phones = task.spoken[word]
            taken[phones] = taken.get(phones, 0) + 1
            if taken[phones] <= MOST_SAME_SOUNDS:
                number = self._words.get_index(word)
                score = self._lm.score(begin, number)[1]
                self._trie.insert([*(column[phone] for phone in phones), boundary], number, score)
        self._trie.smear(text_decoder.SmearingMode.MAX)
        self.settings = {}
        for beam, most_tokens, threshold in settings:
            options = text_decoder.LexiconDecoderOptions(
                beam_size=beam,
                beam_size_token=most_tokens,
                beam_threshold=threshold,
                lm_weight=task.lm_weight * math.log(10),  # KenLM's scores are log10
                word_score=word_score,
                unk_score=-math.inf,
                sil_score=0.0,
                log_add=True,
                criterion_type=text_decoder.CriterionType.CTC,
            )
            unknown = self._words.get_index("<unk>")
            self.settings[f"{beam}/{most_tokens}/{threshold:g}"] = text_decoder.LexiconDecoder(
                options, self._trie, self._lm, boundary, task.tokens.blank, unknown, [], False
            )

    def decode(self, scores: np.ndarray, setting: str) -> tuple[float, list[str]]:
        """Return CPU seconds and words."""
        decoder = self.settings[setting]
        began = time.process_time()
        decoder.decode_begin()
        decoder.decode_step(scores.ctypes.data, *scores.shape)
        decoder.decode_end()
        best = decoder.get_best_hypothesis(0)
        words = [self._words.get_entry(number) for number in best.words if number >= 0]
        return time.process_time() - began, words


def write_pronunciation_arpa(task: Task, spelled: Mapping[str, str], path: Path) -> None:
    """Write the language model with words spelled anew, without the n-grams of words that have no spelling."""
    spellings = {**spelled, "<s>": "<s>", "</s>": "</s>"}
    sections: list[list[str]] = []
    with task.arpa.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("\\") and line.rstrip().endswith("-grams:"):
                sections.append([])
            elif sections and "\t" in line:
                score, words, *backoff = line.rstrip("\n").split("\t")
                ngram = [spellings.get(word, "") for word in words.split(" ")]
                if all(ngram):
                    sections[-1].append("\t".join((score, " ".join(ngram), *backoff)))
    with path.open("w", encoding="utf-8") as file:
        counts = "".join(f"ngram {order}={len(lines)}\n" for order, lines in enumerate(sections, start=1))
        file.write(f"\\data\\\n{counts}")
        for order, lines in enumerate(sections, start=1):
            file.write(f"\n\\{order}-grams:\n")
            file.writelines(f"{line}\n" for line in lines)
        file.write("\n\\end\\\n")


class CharacterDecoder:
    """ctc-beam-decoder; a setting is beam width, pruning of beams, and least log probability of a token."""

    name = "ctc-beam-decoder"

    def __init__(self, task: Task, word_score: float, settings: tuple[tuple[int, float, float], ...]) -> None:
        from ctc_beam_decoder import build_ctcdecoder

        names = task.tokens.names
        character = {name: chr(FIRST_CHARACTER + at) for at, name in enumerate(names)}
        labels = [" " if name == task.boundary else character[name] for name in names]
        labels[task.tokens.blank] = ""
        self._word = {"".join(character[phone] for phone in phones): word for phones, word in task.likeliest.items()}
        path = task.arpa.with_name("pronunciations.arpa")
        write_pronunciation_arpa(task, {word: spelling for spelling, word in self._word.items()}, path)
        with silenced():
            self._decoder: Any = build_ctcdecoder(
                labels,
                str(path),
                unigrams=list(self._word),
                alpha=task.lm_weight,
                beta=word_score,
                unk_score_offset=-100.0,  # no other words, as far as it can be had
            )
        self.settings = {f"{beam}/{prune:g}/{least:g}": (beam, prune, least) for beam, prune, least in settings}

    def decode(self, scores: np.ndarray, setting: str) -> tuple[float, list[str]]:
        """Return CPU seconds and words."""
        beam, prune, least = self.settings[setting]
        began = time.process_time()
        beams = self._decoder.decode_beams(
            scores, beam_width=beam, beam_prune_logp=prune, token_min_logp=least, prune_history=True
        )
        words = [self._word.get(word, "<unk>") for word in beams[0][0].split()] if beams else []
        return time.process_time() - began, words
