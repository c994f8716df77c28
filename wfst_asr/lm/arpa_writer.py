"""Write a back-off language model in the ARPA format."""

import gzip
import os
from collections.abc import Sequence

import numpy as np

from wfst_asr.atomic_files import written_aside
from wfst_asr.lm.backoff import NGramModel

_LN10 = float(np.log(10.0))


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
