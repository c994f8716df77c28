"""Read and write back-off language models in the ARPA format, the only place where log10 lives.

Format: SRILM's ngram-format(5); reading is bulk work on blocks of lines, about a million n-grams a second.
"""

import gzip
import os
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.assemble import DuplicateNGramError, NGramRows, assemble_model
from wfst_asr.lm.backoff import NGramModel

_LN10 = float(np.log(10.0))
_BLOCK_BYTES = 1 << 24
_COUNT_LINE = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)\s*")
_SECTION_LINE = re.compile(rb"\\(\d+)-grams:\s*")
_WHITESPACE = np.zeros(256, dtype=bool)
_WHITESPACE[list(b" \t\n\r\v\f")] = True


def read_arpa(path: str | os.PathLike[str]) -> NGramModel:
    r"""Read an ARPA language model, plain or gzipped, into a NGramModel with natural logs.

    Lines may use tabs or spaces and any line end; text before `\data\` is skipped; a missing back-off column
    is a weight of 1.  An n-gram whose history is not listed gets that history with back-off weight 1, told in one
    warning.

    Raises:
        WfstAsrError: no such file, not ARPA, another number of n-grams than the header announces, no `\end\`, a field
            that is not a number, a log probability above 0, an n-gram with a word that has no unigram, an n-gram twice.
    """
    source = Path(path)
    data = _read_bytes(source)
    sections, counts = _find_sections(data, source)
    words: dict[bytes, int] = _WordIds()
    rows: list[NGramRows] = []
    lines: list[NDArray[np.int64]] = []
    for section in sections:
        level, at = _read_section(data, section, words, source)
        announced = counts[section.order - 1]
        if len(at) != announced:
            raise WfstAsrError(
                f"{source}:{section.line}: the header announces {announced} {section.order}-grams, the file has "
                f"{len(at)}; the file is damaged: make it again or correct its header"
            )
        rows.append(level)
        lines.append(at)
    while rows and not len(rows[-1].ngrams):
        rows.pop()
    if not rows:
        raise WfstAsrError(f"{source}: has no n-grams; expected an ARPA language model with unigrams")
    try:
        names = [word.decode("utf-8") for word in words]
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{source}: has words that are not UTF-8 text; convert it with iconv") from error
    try:
        assembled = assemble_model(names, rows)
    except DuplicateNGramError as error:
        first, second = error.rows
        ngram = " ".join(names[word] for word in rows[error.order - 1].ngrams[second])
        where = lines[error.order - 1]
        raise WfstAsrError(
            f"{source}:{where[second]}: n-gram '{ngram}' comes twice, first at line {where[first]}; remove one of them"
        ) from error
    if assembled.num_added:
        warnings.warn(
            f"{source}: {assembled.num_added} histories of listed n-grams are not listed themselves; they were added "
            "with back-off weight 1",
            WfstAsrWarning,
            stacklevel=2,
        )
    return assembled.model


def write_arpa(model: NGramModel, path: str | os.PathLike[str], *, digits: int = 9) -> None:
    """Write a model in the ARPA format, gzipped when the name ends in `.gz`; log10 with `digits` significant digits.

    A model that was read from numbers of at most nine digits reads back exactly equal, whatever wrote its file.
    """
    with written_aside(path) as aside:
        opened = gzip.GzipFile(aside, "wb", compresslevel=6, mtime=0) if str(path).endswith(".gz") else aside.open("wb")
        with opened as file:
            header = "".join(f"ngram {order}={count}\n" for order, count in enumerate(model.num_ngrams, start=1))
            file.write(f"\\data\\\n{header}".encode())
            texts: Sequence[str] = [""]
            for order, (level, parent) in enumerate(zip(model.levels, model.parents, strict=True), start=1):
                names = [model.words[word] for word in level.word.tolist()]
                if order > 1:
                    names = [f"{texts[p]} {name}" for p, name in zip(parent.tolist(), names, strict=True)]
                texts = names
                probs = (level.log_prob / _LN10).tolist()
                backoffs = (level.backoff / _LN10).tolist()
                file.write(f"\n\\{order}-grams:\n".encode())
                if order == model.order:
                    lines = [f"{p:.{digits}g}\t{text}\n" for p, text in zip(probs, texts, strict=True)]
                else:
                    lines = [
                        f"{p:.{digits}g}\t{text}\t{b:.{digits}g}\n" if b else f"{p:.{digits}g}\t{text}\n"
                        for p, text, b in zip(probs, texts, backoffs, strict=True)
                    ]
                file.write("".join(lines).encode())
            file.write(b"\n\\end\\\n")


class _WordIds(dict[bytes, int]):
    """Word ids by word; -1 for a word without one."""

    def __missing__(self, word: bytes) -> int:
        return -1


@dataclass(frozen=True)
class _Section:
    """Where the n-grams of one order lie: bytes [begin, end) of the file; `line` is the number of its title's line."""

    order: int
    begin: int
    end: int
    line: int


def _read_bytes(source: Path) -> bytes:
    try:
        data = source.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise WfstAsrError(f"{source}: its gzip data is truncated or damaged; make or fetch it again") from error
    except OSError as error:
        raise WfstAsrError(
            f"{source}: cannot be read ({error.strerror}); give the path of an ARPA language model"
        ) from error
    return data


def _find_sections(data: bytes, source: Path) -> tuple[list[_Section], list[int]]:
    """Return the sections of n-grams and the counts of the header, each by order from 1."""
    titles = []  # (begin of the line, text)
    at = 0 if data.startswith(b"\\") else data.find(b"\n\\") + 1 or -1
    while at >= 0:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        titles.append((at, end, data[at:end].strip()))
        at = data.find(b"\n\\", end) + 1 or -1
    names = [title for *_, title in titles]
    if b"\\data\\" not in names:
        raise WfstAsrError(f"{source}: has no line '\\data\\'; expected a language model in the ARPA format")
    titles = titles[names.index(b"\\data\\") :]
    header_line = 1 + data.count(b"\n", 0, titles[0][0])
    if titles[-1][2] != b"\\end\\":
        raise WfstAsrError(f"{source}: has no line '\\end\\' at its end; the file is truncated: make or fetch it again")
    counts: dict[int, int] = {}
    header = data[titles[0][1] : titles[1][0]]
    for line, text in enumerate(header.split(b"\n"), start=header_line):
        if match := _COUNT_LINE.fullmatch(text.strip()):
            counts[int(match[1])] = int(match[2])
        elif text.strip().startswith(b"ngram"):
            raise WfstAsrError(f"{source}:{line}: '{_text(text)}', expected a count such as 'ngram 1=20000'")
    if not counts or sorted(counts) != list(range(1, len(counts) + 1)):
        raise WfstAsrError(f"{source}:{header_line}: the header has no counts 'ngram 1=...', 'ngram 2=...' and so on")
    sections: list[_Section] = []
    line, line_at = header_line, titles[0][0]
    for (begin, end, title), (following, *_) in pairwise(titles[1:]):
        line += data.count(b"\n", line_at, begin)
        line_at = begin
        match = _SECTION_LINE.fullmatch(title)
        if match is None or int(match[1]) != len(sections) + 1 or int(match[1]) not in counts:
            raise WfstAsrError(
                f"{source}:{line}: '{_text(title)}', expected '\\{len(sections) + 1}-grams:' or '\\end\\'"
            )
        sections.append(_Section(len(sections) + 1, end, following, line))
    for order in range(len(sections) + 1, len(counts) + 1):
        if counts[order]:
            raise WfstAsrError(
                f"{source}:{header_line}: the header announces {counts[order]} {order}-grams, the file has no section "
                f"'\\{order}-grams:'; the file is truncated: make or fetch it again"
            )
    return sections, [counts[order] for order in sorted(counts)]


def _read_section(
    data: bytes, section: _Section, words: dict[bytes, int], source: Path
) -> tuple[NGramRows, NDArray[np.int64]]:
    """Return the n-grams of a section and their line numbers; unigrams enter `words`."""
    parts: list[tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]] = []
    begin, line = section.begin, section.line
    while begin < section.end:
        end = section.end
        if end - begin > _BLOCK_BYTES:
            end = data.rfind(b"\n", begin, begin + _BLOCK_BYTES)
            end = section.end if end <= begin else end
        block = data[begin:end]
        parts.append(_read_block(block, section.order, line, words, source))
        line += block.count(b"\n")
        begin = end
    if not parts:
        parts.append((np.empty((0, section.order), np.int32), np.empty(0), np.empty(0), np.empty(0, np.int64)))
    ngrams, log10_prob, log10_backoff, lines = (np.concatenate(column) for column in zip(*parts, strict=True))
    return NGramRows(ngrams, log10_prob * _LN10, log10_backoff * _LN10), lines


def _read_block(
    block: bytes, order: int, first_line: int, words: dict[bytes, int], source: Path
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return word ids (R, order), log10 probabilities, log10 back-off weights and line numbers of a block of lines."""
    characters = np.frombuffer(block, dtype=np.uint8)
    space = _WHITESPACE[characters]
    starts = ~space
    starts[1:] &= space[:-1]
    newlines = np.flatnonzero(characters == 10)
    tokens_before = np.concatenate(([0], np.searchsorted(np.flatnonzero(starts), newlines), [starts.sum()]))
    num_fields = np.diff(tokens_before)
    filled = np.flatnonzero(num_fields)
    first, num_fields, lines = tokens_before[:-1][filled], num_fields[filled], filled + first_line
    bad = np.flatnonzero((num_fields < order + 1) | (num_fields > order + 2))
    tokens = np.array([*block.split(), None], dtype=object)[:-1]
    if len(bad):
        at = bad[0]
        raise WfstAsrError(
            f"{source}:{lines[at]}: '{_text(b' '.join(tokens[first[at] :][: num_fields[at]]))}' has {num_fields[at]} "
            f"fields, expected {order + 1} or {order + 2}: log10 probability, {order} word{'s' if order > 1 else ''}, "
            "log10 back-off weight"
        )
    has_backoff = num_fields == order + 2
    log10_prob = _numbers(tokens[first], lines, source)
    log10_backoff = np.zeros(len(first))
    log10_backoff[has_backoff] = _numbers(tokens[(first + order + 1)[has_backoff]], lines[has_backoff], source)
    above = np.flatnonzero(log10_prob > 0)
    if len(above):
        raise WfstAsrError(
            f"{source}:{lines[above[0]]}: log10 probability {log10_prob[above[0]]:g} is above 0; expected at most 0"
        )
    ngrams = np.empty((len(first), order), dtype=np.int32)
    for position in range(order):
        spoken = tokens[first + 1 + position].tolist()
        if order == 1:
            for number, (word, line) in enumerate(zip(spoken, lines.tolist(), strict=True), start=len(words)):
                if words.setdefault(word, number) != number:
                    raise WfstAsrError(f"{source}:{line}: n-gram '{_text(word)}' comes twice; remove one of the lines")
        ngrams[:, position] = np.fromiter(map(words.__getitem__, spoken), dtype=np.int32, count=len(spoken))
    unknown = np.argwhere(ngrams < 0)
    if len(unknown):
        row, at = unknown[0]
        fields = tokens[first[row] + 1 :][:order].tolist()
        raise WfstAsrError(
            f"{source}:{lines[row]}: word '{_text(fields[at])}' of the {order}-gram "
            f"'{_text(b' '.join(fields))}' has no unigram; add the unigram or remove the {order}-gram"
        )
    return ngrams, log10_prob, log10_backoff, lines


def _numbers(tokens: NDArray[np.object_], lines: NDArray[np.int64], source: Path) -> NDArray[np.float64]:
    try:
        values = np.fromiter(map(float, tokens.tolist()), dtype=np.float64, count=len(tokens))
        wrong = np.flatnonzero(np.isnan(values) | (values == np.inf))
    except ValueError:
        wrong = np.array([at for at, token in enumerate(tokens.tolist()) if not _is_number(token)])
    if len(wrong):
        raise WfstAsrError(f"{source}:{lines[wrong[0]]}: '{_text(tokens[wrong[0]])}' is not a number; expected a log10")
    return values


def _is_number(token: bytes) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace").strip()
