"""Kaldi's lang directory: symbol tables, phone sets, topology and L, made from a lexicon and read back.

The layout is that of Kaldi's `prepare_lang.sh`; a directory of either reads alike.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.ops import write_fst
from wfst_asr.fst.symbols import EPSILON, SymbolTable, read_symbols, write_symbols
from wfst_asr.graph.lang_topology import LangTopology
from wfst_asr.graph.lexicon_fst import lexicon_fst
from wfst_asr.hmm.topology import HmmTopology, read_topology, write_topology
from wfst_asr.lexicon.disambiguation import disambiguation_numbers
from wfst_asr.lexicon.files import write_lexicon, write_silence_lexicon
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lexicon.silence_probs import SilenceProbs

_GUESSED_OOV = ("<UNK>", "<unk>", "<SPOKEN_NOISE>")


@dataclass(frozen=True)
class LangDir:
    """What a lang directory holds.

    Attributes:
        folder: the directory.
        phones: `phones.txt`.
        words: `words.txt`.
        silence_phones: names of the silence phones, all variants.
        nonsilence_phones: names of the phones of speech, all variants.
        optional_silence: the phone that may stand between words; None if there is none.
        disambiguation_phones: names of the disambiguation symbols among the phones.
        word_boundary: position in the word by phone; empty where positions are not told apart.
        oov: the word that stands for words outside the vocabulary; None if none was chosen.
    """

    folder: Path
    phones: SymbolTable
    words: SymbolTable
    silence_phones: tuple[str, ...]
    nonsilence_phones: tuple[str, ...]
    optional_silence: str | None
    disambiguation_phones: tuple[str, ...]
    word_boundary: Mapping[str, str]
    oov: str | None

    @property
    def position_dependent(self) -> bool:
        return any(boundary != "nonword" for boundary in self.word_boundary.values())

    def topology(self) -> HmmTopology:
        """Read `topo`."""
        return read_topology(self.folder / "topo")


def read_lang_dir(folder: str | os.PathLike[str]) -> LangDir:
    """Read the tables of a lang directory; its machines stay in their files.

    Raises:
        WfstAsrError: a table is missing or damaged, or a phone of a list is not in `phones.txt`.
    """
    root = Path(folder)
    if not root.is_dir():
        raise WfstAsrError(f"{root}: no such directory; make it with: wfst-asr lang make lexicon.txt {root}")
    phones, words = read_symbols(root / "phones.txt"), read_symbols(root / "words.txt")
    lists = {name: _read_phone_list(root, name, phones) for name in ("silence", "nonsilence", "disambig")}
    optional_silence = (
        _read_phone_list(root, "optional_silence", phones)
        if (root / "phones" / "optional_silence.txt").exists()
        else ()
    )
    boundary_file, oov_file = root / "phones" / "word_boundary.txt", root / "oov.txt"
    boundaries = {}
    if boundary_file.exists():
        for at, fields in numbered_fields(boundary_file):
            if len(fields) != 2 or fields[0] not in phones:
                raise WfstAsrError(f"{boundary_file}:{at}: '{' '.join(fields)}', expected a phone and its position")
            boundaries[fields[0]] = fields[1]
    oov = oov_file.read_text(encoding="utf-8").strip() if oov_file.exists() else ""
    return LangDir(
        root,
        phones,
        words,
        lists["silence"],
        lists["nonsilence"],
        optional_silence[0] if optional_silence else None,
        lists["disambig"],
        boundaries,
        oov or None,
    )


def make_lang_dir(
    lexicon: Lexicon,
    folder: str | os.PathLike[str],
    phone_set: PhoneSet,
    *,
    silence_prob: float = 0.5,
    oov: str | None = None,
    silence: SilenceProbs | None = None,
    topology: LangTopology | None = None,
) -> LangDir:
    """Write a lang directory; all of it appears at the end, or nothing.

    Words are numbered in byte order, then `#0`, `<s>` and `</s>`; phones are the silence phones, those of speech, and
    `#0` to `#K`, of which the last is that of optional silence.  The lexicon is kept as it was given, with its
    probabilities: `lexiconp.txt`, or `lexiconp_silprob.txt` and `silprob.txt`.

    Args:
        lexicon: the pronunciations, phones without position marks.
        folder: where to write; files of other names in it stay.
        phone_set: silence phones, optional silence, whether phones are marked by position.
        silence_prob: probability of silence between words, in [0, 1).
        oov: the word for words outside the vocabulary; None: `<UNK>` or `<unk>` if the lexicon has it.
        silence: word-dependent silence; then `silence_prob` counts for nothing.
        topology: the HMMs of the phones.

    Raises:
        WfstAsrError: a phone is in no set or has no HMM, `oov` is not in the lexicon, or the folder cannot be written.
    """
    target = Path(folder)
    known = {*phone_set.silence, *phone_set.nonsilence}
    for entry in lexicon.entries:
        for phone in entry.phones:
            if phone not in known:
                raise WfstAsrError(
                    f"word '{entry.word}' has the phone '{phone}', which is in no phone set; add it to one"
                )
    if oov is None:
        oov = next((word for word in _GUESSED_OOV if word in lexicon.pronunciations), None)
    elif oov not in lexicon.pronunciations:
        raise WfstAsrError(
            f"the word '{oov}' for words outside the vocabulary is not in the lexicon; add it, for example '{oov} SPN'"
        )
    spoken = [phone_set.in_word(entry.phones) for entry in lexicon.entries]
    disambiguation = [f"#{k}" for k in range(disambiguation_numbers(spoken).largest + 2)]
    phones = SymbolTable.from_names([*phone_set.silence_phones, *phone_set.nonsilence_phones, *disambiguation])
    words = SymbolTable.from_names([*sorted(lexicon.words), "#0", "<s>", "</s>"])
    with _folder_aside(target) as aside:
        write_symbols(phones, aside / "phones.txt")
        write_symbols(words, aside / "words.txt")
        _write_phone_sets(aside / "phones", phone_set, disambiguation, phones)
        _write_align_lexicon(aside / "phones", lexicon, spoken, phone_set, phones, words)
        (aside / "phones" / "wdisambig.txt").write_text("#0\n")
        (aside / "phones" / "wdisambig_phones.int").write_text(f"{phones['#0']}\n")
        (aside / "phones" / "wdisambig_words.int").write_text(f"{words['#0']}\n")
        if oov is not None:
            (aside / "oov.txt").write_text(f"{oov}\n", encoding="utf-8")
            (aside / "oov.int").write_text(f"{words[oov]}\n")
        write_topology((topology or LangTopology()).of_phones(phone_set, phones), aside / "topo")
        for name, disambiguate in (("L.fst", False), ("L_disambig.fst", True)):
            fst = lexicon_fst(
                lexicon,
                phones,
                words,
                silence_prob=silence_prob,
                optional_silence=phone_set.optional_silence,
                disambiguate=disambiguate,
                position_dependent=phone_set.position_dependent,
                silence=silence,
            )
            write_fst(fst, aside / name)
        if silence is not None:
            write_silence_lexicon(lexicon, silence, aside)
        else:
            write_lexicon(lexicon, aside / "lexiconp.txt", form="probabilities")
    return read_lang_dir(target)


def numbered_fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of every line of a text file that is not empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); make the directory again") from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{path}: not UTF-8 text; make the directory again") from error
    for at, line in enumerate(text.split("\n"), start=1):
        if fields := line.split():
            yield at, fields


def _read_phone_list(root: Path, name: str, phones: SymbolTable) -> tuple[str, ...]:
    path = root / "phones" / f"{name}.txt"
    if not path.exists() and path.with_suffix(".int").exists():
        path = path.with_suffix(".int")  # graph directories keep the numbers only
    found = []
    for at, fields in numbered_fields(path):
        phone = phones.names.get(int(fields[0]), "") if path.suffix == ".int" and fields[0].isdecimal() else fields[0]
        if len(fields) != 1 or phone not in phones:
            raise WfstAsrError(f"{path}:{at}: '{' '.join(fields)}' is not a phone of {root / 'phones.txt'}")
        found.append(phone)
    return tuple(found)


def _write_phone_sets(
    folder: Path, phone_set: PhoneSet, disambiguation: Sequence[str], phones: Mapping[str, int]
) -> None:
    lists = {
        "silence": phone_set.silence_phones,
        "nonsilence": phone_set.nonsilence_phones,
        "context_indep": phone_set.silence_phones,
        "optional_silence": (phone_set.optional_silence,) if phone_set.optional_silence else (),
        "disambig": disambiguation,
    }
    folder.mkdir(exist_ok=True)
    for name, members in lists.items():
        _write_rows(folder / name, [[phone] for phone in members], phones)
        (folder / f"{name}.csl").write_text(":".join(str(phones[phone]) for phone in members) + "\n")
    variants = [phone_set.variants(phone) for phone in (*phone_set.silence, *phone_set.nonsilence)]
    _write_rows(folder / "sets", variants, phones)
    _write_rows(folder / "roots", [["shared", "split", *row] for row in variants], phones, start=2)
    questions: list[list[str]] = []
    if phone_set.position_dependent:
        questions = [[phone + suffix for phone in phone_set.nonsilence] for suffix in ("_B", "_E", "_I", "_S")]
        questions += [[phone + suffix for phone in phone_set.silence] for suffix in ("", "_B", "_E", "_I", "_S")]
        every = (*phone_set.silence_phones, *phone_set.nonsilence_phones)
        _write_rows(
            folder / "word_boundary", [[phone, phone_set.word_boundary(phone)] for phone in every], phones, stop=1
        )
    _write_rows(folder / "extra_questions", questions, phones)


def _write_align_lexicon(
    folder: Path,
    lexicon: Lexicon,
    spoken: Sequence[tuple[str, ...]],
    phone_set: PhoneSet,
    phones: Mapping[str, int],
    words: Mapping[str, int],
) -> None:
    rows = {(entry.word, entry.word, *row) for entry, row in zip(lexicon.entries, spoken, strict=True)}
    if phone_set.optional_silence is not None:
        rows.add((EPSILON, EPSILON, phone_set.optional_silence))
    ordered = sorted(" ".join(row) for row in rows)
    (folder / "align_lexicon.txt").write_text("".join(f"{row}\n" for row in ordered), encoding="utf-8")
    numbers = (
        [*(str(words[word]) for word in row[:2]), *(str(phones[phone]) for phone in row[2:])]
        for row in (text.split() for text in ordered)
    )
    (folder / "align_lexicon.int").write_text("".join(f"{' '.join(row)}\n" for row in numbers))


def _write_rows(
    path: Path, rows: Iterable[Sequence[str]], phones: Mapping[str, int], *, start: int = 0, stop: int | None = None
) -> None:
    """Write rows as `.txt`, and with the phones in the columns [start, stop) as numbers, as `.int`."""
    rows = [list(row) for row in rows]
    path.with_suffix(".txt").write_text("".join(f"{' '.join(row)}\n" for row in rows), encoding="utf-8")
    numbers = []
    for row in rows:
        end = len(row) if stop is None else stop
        numbers.append([*row[:start], *(str(phones[phone]) for phone in row[start:end]), *row[end:]])
    path.with_suffix(".int").write_text("".join(f"{' '.join(row)}\n" for row in numbers), encoding="utf-8")


@contextmanager
def _folder_aside(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; move its files to `target` when the block ends without an exception."""
    if target.exists() and not target.is_dir():
        raise WfstAsrError(f"{target}: is a file; give the name of a folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise WfstAsrError(
            f"{target}: cannot be written ({error.strerror}); choose a folder that you may write to"
        ) from error
    try:
        yield aside
        if not target.exists():
            umask = os.umask(0)
            os.umask(umask)
            aside.chmod(0o777 & ~umask)
            aside.rename(target)
            return
        for path in sorted(aside.rglob("*")):
            destination = target / path.relative_to(aside)
            if path.is_file():
                destination.parent.mkdir(parents=True, exist_ok=True)
                path.replace(destination)
    except OSError as error:
        raise WfstAsrError(
            f"{target}: writing failed ({error.strerror}); free some space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
