"""Language models in files: read whatever the form, written in the form that the name asks for."""

import gzip
import os
import zlib
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.arpa import read_arpa, write_arpa
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.binary_model import MAGIC, read_binary_model, write_binary_model

_KENLM_BINARY = b"mmap lm http://kheafield.com/code"


def read_model(path: str | os.PathLike[str], *, add_histories: bool = False) -> NGramModel:
    r"""Read a language model: ARPA, plain or gzipped, or the binary form, told by the content and not the name.

    `add_histories` is that of `read_arpa`.

    Raises:
        WfstAsrError: no such file, another form, or a damaged file.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "lm").write_text("\\data\\\nngram 1=1\n\n\\1-grams:\n-0.5\tyes\n\n\\end\\\n")
    >>> write_model(read_model(folder / "lm"), folder / "lm.ngram")
    >>> read_model(folder / "lm.ngram").words
    ('yes',)
    """
    source = Path(path)
    try:
        with source.open("rb") as file:
            begin = file.read(64)
        if begin.startswith(b"\x1f\x8b"):
            with gzip.open(source) as unpacked:
                begin = unpacked.read(len(MAGIC))
            if begin == MAGIC:
                raise WfstAsrError(f"{source}: is a binary language model, gzipped; unpack it with gunzip")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise WfstAsrError(f"{source}: its gzip data is truncated or damaged; make or fetch it again") from error
    except OSError as error:
        raise WfstAsrError(f"{source}: cannot be read ({error.strerror}); give the path of a language model") from error
    if begin == MAGIC or begin.startswith(MAGIC):
        return read_binary_model(source)
    if begin.startswith(_KENLM_BINARY):
        raise WfstAsrError(f"{source}: is a binary file of KenLM; give the ARPA file that it was made from")
    return read_arpa(source, add_histories=add_histories)


def write_model(model: NGramModel, path: str | os.PathLike[str]) -> None:
    """Write a model in the form that the name asks for: `.ngram` binary, `.gz` ARPA gzipped, any other ARPA.

    Raises:
        WfstAsrError: the file cannot be written, or the form cannot hold the model.
    """
    if str(path).endswith(".ngram"):
        write_binary_model(model, path)
    else:
        write_arpa(model, path)
