"""Language models as lattices are rescored with them: from a file or a model to an FST with exact back-off."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.symbols import read_symbols
from wfst_asr.lattice.best_way import BestWay
from wfst_asr.lattice.compose import AnyLattice
from wfst_asr.lattice.rescore import rescore
from wfst_asr.lattice.word_fst import WordFst, word_fst
from wfst_asr.lm.backoff import NGramModel

_BACKOFF_SYMBOL = "#0"


def language_model_fst(
    model: NGramModel | str | os.PathLike[str], words: Mapping[str, int] | str | os.PathLike[str]
) -> WordFst:
    """Make a language model ready for the rescoring of lattices: G, its back-off arcs as failure transitions.

    Args:
        model: a back-off model; an ARPA file, plain or gzipped; the memory-mapped form; or a G of ours or Kaldi's
            (a name that ends in .fst).
        words: the words.txt of the lattices, or its ids by word; `#0` may be missing.

    Raises:
        WfstAsrError: a file is missing or damaged, or the model shares no word with the symbols.
    """
    from wfst_asr.fst.convert import from_pynini
    from wfst_asr.fst.ops import read_fst
    from wfst_asr.graph.grammar_fst import grammar_arcs
    from wfst_asr.lm.model_files import read_model

    ids = dict(words if isinstance(words, Mapping) else read_symbols(words))
    ids.setdefault(_BACKOFF_SYMBOL, max(ids.values(), default=0) + 1)
    backoff = ids[_BACKOFF_SYMBOL]
    if not isinstance(model, NGramModel):
        if Path(model).suffix == ".fst":
            return word_fst(from_pynini(read_fst(model)), backoff_label=backoff)
        model = read_model(model)
    return word_fst(grammar_arcs(model, ids).table, backoff_label=backoff)


def rescore_lattices(
    lattices: Iterable[tuple[str, AnyLattice]],
    new: WordFst | None,
    *,
    old: WordFst | None = None,
    old_exact: bool = False,
    new_weight: float = 1.0,
    old_weight: float = 1.0,
) -> Iterator[tuple[str, AnyLattice]]:
    """Yield (utterance-id, lattice) with the language model replaced; as `wfst_asr.lattice.rescore.rescore`.

    Raises:
        WfstAsrError: a model accepts none of a lattice's paths; the message names the utterance.
    """
    taken = old if old is None or old_exact else BestWay(old)
    for key, lattice in lattices:
        try:
            yield (
                key,
                rescore(lattice, new, old=taken, old_exact=old_exact, new_weight=new_weight, old_weight=old_weight),
            )
        except WfstAsrError as error:
            raise WfstAsrError(f"'{key}': {error}") from error
