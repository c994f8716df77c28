"""What the graph compilers of recipes read: G in any of its forms, lists of a lang directory, hashes."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, read_const_fst
from wfst_asr.fst.content_hash import file_sha256
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.lm.backoff import NGramModel

_FST_MAGIC = b"\xd6\xfd\xb2\x7e"


def read_grammar(
    grammar: str | os.PathLike[str] | NGramModel, words: SymbolTable, lang: Path
) -> tuple[ArcTable, str, str]:
    """Return G as arrays, what it was made of ("G" or "lm"), and the hash of that.

    Args:
        grammar: a language model (ARPA, gzipped or not, or binary), G as an OpenFst file, or a model in memory.
        words: words.txt.
        lang: the lang directory, for messages.

    Raises:
        WfstAsrError: the file is missing or bad.
    """
    from wfst_asr.fst.ops import as_table, read_fst
    from wfst_asr.graph.grammar_fst import grammar_arcs
    from wfst_asr.lm.model_files import read_model

    if isinstance(grammar, NGramModel):
        return grammar_arcs(grammar, words).table, "lm", grammar_hash(grammar)
    path = Path(grammar)
    try:
        with path.open("rb") as file:
            is_fst = file.read(4) == _FST_MAGIC or path.suffix == ".fst"
    except OSError:
        is_fst = path.suffix == ".fst"
    if is_fst:
        return (
            as_table(read_fst(path, remedy=f"make it with: wfst-asr lm compile lm.arpa {lang}")),
            "G",
            hash_of_file(path),
        )
    return grammar_arcs(read_model(path), words).table, "lm", hash_of_file(path)


def grammar_hash(grammar: str | os.PathLike[str] | NGramModel) -> str:
    """Return the hash of what G is made of, as `read_grammar` does."""
    if isinstance(grammar, NGramModel):
        return hash_of(*(array for level in grammar.levels for array in (level.word, level.log_prob, level.backoff)))
    return hash_of_file(Path(grammar))


def lang_hashes(lang: Path) -> dict[str, str]:
    """Return the hashes of those files of a lang directory that a graph folder is made of; of the rest, nothing."""
    names = ("L_disambig.fst", "words.txt", "phones.txt", "phones/silence.txt", "phones/align_lexicon.txt")
    return {name: hash_of_file(lang / name) for name in names if (lang / name).is_file()}


def read_whole_graph(folder: str | os.PathLike[str]) -> ArcTable:
    """Map the graph of a folder.

    Raises:
        WfstAsrError: the file is missing or bad, or the folder holds HCL and G apart.
    """
    path = Path(folder) / "HCLG.fst"
    if not path.exists() and path.with_name("HCL.fst").exists():
        raise WfstAsrError(f"{folder}: holds HCL and G apart; this needs the whole graph: compile without --on-the-fly")
    return read_const_fst(path)


def hash_of(*contents: object) -> str:
    """Return the SHA-256 of bytes and arrays."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content if isinstance(content, bytes) else content.tobytes())  # type: ignore[attr-defined]
    return digest.hexdigest()


def hash_of_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return file_sha256(path)


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file that are not blank; none where there is no file.

    Raises:
        WfstAsrError: it is not UTF-8.
    """
    if path.exists():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise WfstAsrError(f"{path}: not UTF-8 text; make the lang directory again") from error
        yield from (line for line in text.splitlines() if line.strip())
