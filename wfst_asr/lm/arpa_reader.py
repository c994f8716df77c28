"""Read a back-off language model in the ARPA format: two million n-grams a second.

Format: SRILM's ngram-format(5).  `_arpa_kernels` parses the lines; what it cannot read is read here again, slowly, to
tell what is wrong and where.
"""

import os
import warnings
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.arpa_sections import Section, find_sections, read_bytes, text_of
from wfst_asr.lm.assemble import DuplicateNGramError, NGramRows, UndeclaredHistoryError, assemble_model
from wfst_asr.lm.backoff import NGramModel

_LN10 = float(np.log(10.0))
_ODD_FIELDS = 1 << 16


def read_arpa(path: str | os.PathLike[str], *, add_histories: bool = False) -> NGramModel:
    r"""Read an ARPA language model, plain or gzipped, into a NGramModel with natural logs.

    Lines may use tabs or spaces and any line end; text before `\data\` and after `\end\` is skipped; a missing back-off
    column is a weight of 1, one at the highest order is checked and ignored.

    Args:
        path: the file.
        add_histories: where the history of an n-gram is not listed, add it with back-off weight 1, told in one warning.

    Raises:
        WfstAsrError: no such file, not ARPA, another number of n-grams than the header announces, no `\end\`, a field
            that is not a number, a log probability above 0, an n-gram with a word that has no unigram, an n-gram twice,
            an n-gram whose history is not listed.
    """
    source = Path(path)
    data = read_bytes(source)
    sections = find_sections(data, source)
    while sections and not sections[-1].count and not data[sections[-1].begin : sections[-1].end].strip():
        sections.pop()
    vocabulary = _Vocabulary()
    rows = []
    for section in sections:
        rows.append(_read_section(data, section, section.order == len(sections), vocabulary, source))
        found = len(rows[-1].ngrams)
        if found != section.count:
            raise WfstAsrError(
                f"{source}:{section.line}: the header announces {section.count} {section.order}-grams, the file has "
                f"{found}; the file is damaged: make it again or correct its header"
            )
    if not rows:
        raise WfstAsrError(f"{source}: has no n-grams; expected an ARPA language model with unigrams")
    if not len(rows[0].ngrams):
        raise WfstAsrError(f"{source}: has no unigrams; expected an ARPA language model with unigrams")
    try:
        words = vocabulary.text.tobytes().decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        line = 1 + vocabulary.text.tobytes().count(b"\n", 0, error.start)
        raise WfstAsrError(
            f"{source}:{_line_of_row(data, sections[0], line - 1)}: has words that are not UTF-8 text; convert it with "
            "iconv"
        ) from error
    try:
        assembled = assemble_model(words, rows, add_histories=add_histories)
    except DuplicateNGramError as error:
        section = sections[error.order - 1]
        first, second = (_line_of_row(data, section, row) for row in error.rows)
        ngram = " ".join(words[word] for word in rows[error.order - 1].ngrams[error.rows[1]])
        raise WfstAsrError(
            f"{source}:{second}: n-gram '{ngram}' comes twice, first at line {first}; remove one of them"
        ) from error
    except UndeclaredHistoryError as error:
        spoken = [words[word] for word in rows[error.order - 1].ngrams[error.row]]
        line = _line_of_row(data, sections[error.order - 1], error.row)
        raise WfstAsrError(
            f"{source}:{line}: the history '{' '.join(spoken[:-1])}' of the n-gram '{' '.join(spoken)}' is not listed; "
            "wfst-asr lm convert --add-histories adds what is absent"
        ) from error
    if assembled.num_added:
        warnings.warn(
            f"{source}: {assembled.num_added} histories of listed n-grams are not listed themselves; they were added "
            "with back-off weight 1",
            WfstAsrWarning,
            stacklevel=2,
        )
    return assembled.model


class _Vocabulary:
    """The words of the unigrams: an open-addressing table of ids over their bytes.

    Attributes:
        table: (a power of two,) int32 ids, -1 free.
        start: (V,) int64 where each word lies in `text`.
        length: (V,) int32 its bytes.
        text: (B,) uint8 the words, one a line.
    """

    def __init__(self) -> None:
        self.table = np.full(2, -1, dtype=np.int32)
        self.start = np.empty(0, dtype=np.int64)
        self.length = np.empty(0, dtype=np.int32)
        self.text = np.empty(0, dtype=np.uint8)

    def make_room(self, num_words: int) -> None:
        self.table = np.full(1 << max(1, (2 * num_words).bit_length()), -1, dtype=np.int32)
        self.start = np.empty(num_words, dtype=np.int64)
        self.length = np.empty(num_words, dtype=np.int32)


def _read_section(data: bytes, section: Section, highest: bool, vocabulary: _Vocabulary, source: Path) -> NGramRows:
    """Return the n-grams of a section; unigrams enter the vocabulary."""
    from wfst_asr.lm import _arpa_kernels as kernels

    characters = np.frombuffer(data, dtype=np.uint8)
    most = data.count(b"\n", section.begin, section.end) + 1
    ngrams = np.empty((most, section.order), dtype=np.int32)
    log_prob = np.empty(most)
    backoff = np.zeros(most)
    odd = np.empty((_ODD_FIELDS, 3), dtype=np.int64)
    if section.order == 1:
        vocabulary.make_room(most)
    at, num_rows = section.begin, 0
    while True:
        status, at, num_rows, num_odd = kernels.parse_ngrams(
            characters,
            at,
            section.end,
            section.order,
            num_rows,
            ngrams,
            log_prob,
            backoff,
            not highest,
            vocabulary.table,
            vocabulary.text if section.order > 1 else characters,
            vocabulary.start,
            vocabulary.length,
            odd,
        )
        _read_odd_fields(data, odd[:num_odd], num_rows, log_prob, backoff, highest, source)
        if status == kernels.FINISHED:
            break
        if status != kernels.ODD_NUMBERS:
            _refuse_line(data, at, section.order, vocabulary, source)
    if section.order == 1:
        vocabulary.length = vocabulary.length[:num_rows].copy()
        vocabulary.text = kernels.word_text(characters, vocabulary.start, vocabulary.length)
        vocabulary.text.setflags(write=False)  # of one type with the file, so that one kernel serves both
    return NGramRows(ngrams[:num_rows], log_prob[:num_rows], backoff[:num_rows])


def _read_odd_fields(
    data: bytes,
    odd: NDArray[np.int64],
    num_rows: int,
    log_prob: NDArray[np.float64],
    backoff: NDArray[np.float64],
    highest: bool,
    source: Path,
) -> None:
    """Read the fields that the kernel left: numbers of many digits, and what is no number."""
    for begin, end, place in odd.tolist():
        row, is_backoff = divmod(place, 2)
        if row >= num_rows:
            break
        value = _number(data, begin, end, source)
        if not is_backoff:
            if value > 0:
                _refuse_probability(data, begin, value, source)
            log_prob[row] = value * _LN10
        elif not highest:
            backoff[row] = value * _LN10


def _number(data: bytes, begin: int, end: int, source: Path) -> float:
    """Return the number in a field, to the last bit; anything but a finite one and -inf is refused."""
    field = data[begin:end]
    try:
        value = float(field)
        wrong = np.isnan(value) or value == np.inf or b"_" in field
    except ValueError:
        wrong = True
    if wrong:
        raise WfstAsrError(
            f"{source}:{_line_of_byte(data, begin)}: '{text_of(field)}' is not a number; expected a log10"
        )
    return value


def _refuse_probability(data: bytes, at: int, value: float, source: Path) -> NoReturn:
    raise WfstAsrError(
        f"{source}:{_line_of_byte(data, at)}: log10 probability {value:g} is above 0; expected at most 0"
    )


def _refuse_line(data: bytes, at: int, order: int, vocabulary: _Vocabulary, source: Path) -> NoReturn:
    """Tell what is wrong with the line that begins at byte `at`."""
    end = data.find(b"\n", at)
    fields = data[at : end if end >= 0 else len(data)].split()
    line = _line_of_byte(data, at)
    if not order + 1 <= len(fields) <= order + 2:
        raise WfstAsrError(
            f"{source}:{line}: '{text_of(b' '.join(fields))}' has {len(fields)} fields, expected {order + 1} or "
            f"{order + 2}: log10 probability, {order} word{'s' if order > 1 else ''}, log10 back-off weight"
        )
    value = _number(fields[0], 0, len(fields[0]), source) if _is_number(fields[0]) else 0.0
    if value > 0:
        _refuse_probability(data, at, value, source)
    if order == 1:
        raise WfstAsrError(f"{source}:{line}: n-gram '{text_of(fields[1])}' comes twice; remove one of the lines")
    listed = set(vocabulary.text.tobytes().split(b"\n"))
    unknown = next(word for word in fields[1 : order + 1] if word not in listed)
    raise WfstAsrError(
        f"{source}:{line}: word '{text_of(unknown)}' of the {order}-gram '{text_of(b' '.join(fields[1 : order + 1]))}' "
        f"has no unigram; add the unigram or remove the {order}-gram"
    )


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _line_of_byte(data: bytes, at: int) -> int:
    return 1 + data.count(b"\n", 0, at)


def _line_of_row(data: bytes, section: Section, row: int) -> int:
    """Return the number of the line that holds a row of a section."""
    lines = data[section.begin : section.end].split(b"\n")
    filled = [number for number, line in enumerate(lines, start=section.line) if line.strip()]
    return filled[row]
