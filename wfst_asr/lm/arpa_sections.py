r"""The outline of an ARPA file: its bytes, the counts of its header and where the n-grams of each order lie."""

import gzip
import re
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from wfst_asr.errors import WfstAsrError

_COUNT_LINE = re.compile(rb"ngram\s+(\d{1,3})\s*=\s*(\d{1,18})\s*")
_SECTION_LINE = re.compile(rb"\\(\d{1,3})-grams:\s*")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Section:
    """Where the n-grams of one order lie.

    Attributes:
        order: words an n-gram.
        count: n-grams that the header announces.
        begin: first byte behind the title.
        end: the byte after the last.
        line: number of the line of the title, from 1.
    """

    order: int
    count: int
    begin: int
    end: int
    line: int


def read_bytes(source: Path) -> bytes:
    """Return the content of a file, unpacked if it is gzipped.

    Raises:
        WfstAsrError: it cannot be read, or its gzip data is damaged.
    """
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


def find_sections(data: bytes, source: Path) -> list[Section]:
    r"""Return the sections of an ARPA file by order from 1; text before `\data\` and after `\end\` is nobody's.

    Raises:
        WfstAsrError: no `\data\` or `\end\`, a header without counts, a section that is missing or out of order.
    """
    titles = []  # (begin of the line, its end, text)
    found_data = False
    at = 0 if data.startswith(b"\\") else data.find(b"\n\\") + 1 or -1
    if data.startswith(_BYTE_ORDER_MARK + b"\\"):
        at = len(_BYTE_ORDER_MARK)
    while at >= 0:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        title = data[at:end].strip()
        found_data = found_data or title == b"\\data\\"
        if found_data:
            titles.append((at, end, title))
            if title == b"\\end\\":
                break
        at = data.find(b"\n\\", end) + 1 or -1
    if not found_data:
        raise WfstAsrError(f"{source}: has no line '\\data\\'; expected a language model in the ARPA format")
    header_line = 1 + data.count(b"\n", 0, titles[0][0])
    if titles[-1][2] != b"\\end\\":
        raise WfstAsrError(f"{source}: has no line '\\end\\' at its end; the file is truncated: make or fetch it again")
    counts = _header_counts(data[titles[0][1] : titles[1][0]], header_line, source)
    sections: list[Section] = []
    line, line_at = header_line, titles[0][0]
    for (begin, end, title), (following, *_) in pairwise(titles[1:]):
        line += data.count(b"\n", line_at, begin)
        line_at = begin
        match = _SECTION_LINE.fullmatch(title)
        if match is None or int(match[1]) != len(sections) + 1 or int(match[1]) > len(counts):
            raise WfstAsrError(
                f"{source}:{line}: '{text_of(title)}', expected '\\{len(sections) + 1}-grams:' or '\\end\\'"
            )
        sections.append(Section(len(sections) + 1, counts[len(sections)], end, following, line))
    for order in range(len(sections) + 1, len(counts) + 1):
        if counts[order - 1]:
            raise WfstAsrError(
                f"{source}:{header_line}: the header announces {counts[order - 1]} {order}-grams, the file has no "
                f"section '\\{order}-grams:'; the file is truncated: make or fetch it again"
            )
    return sections


def _header_counts(header: bytes, header_line: int, source: Path) -> list[int]:
    r"""Return the counts of the header by order; other lines of it are comments."""
    counts: dict[int, int] = {}
    for line, text in enumerate(header.split(b"\n"), start=header_line):
        if match := _COUNT_LINE.fullmatch(text.strip()):
            order = int(match[1])
            if order in counts:
                raise WfstAsrError(f"{source}:{line}: '{text_of(text)}', but there is a count of {order}-grams already")
            counts[order] = int(match[2])
        elif text.strip().startswith(b"ngram"):
            raise WfstAsrError(f"{source}:{line}: '{text_of(text)}', expected a count such as 'ngram 1=20000'")
    if not counts or sorted(counts) != list(range(1, len(counts) + 1)):
        raise WfstAsrError(f"{source}:{header_line}: the header has no counts 'ngram 1=...', 'ngram 2=...' and so on")
    return [counts[order] for order in sorted(counts)]


def text_of(data: bytes) -> str:
    """Return bytes as text to be shown in a message."""
    return data.decode("utf-8", errors="replace").strip()
