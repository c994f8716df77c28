"""The graph folder: HCLG, its symbols, what its input labels mean, and the manifest, written last."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pynini
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, write_const_fst
from wfst_asr.fst.convert import from_pynini
from wfst_asr.fst.manifest import MANIFEST_NAME, Manifest, write_manifest
from wfst_asr.fst.symbols import SymbolTable, write_symbols
from wfst_asr.hmm.transition_model import TransitionModel

HCLG_NAME = "HCLG.fst"
INPUT_LABELS_NAME = "input_labels.npy"
INPUT_LABEL_DTYPE = np.dtype([("column", "<i4"), ("phone", "<i4"), ("hmm_state", "<i2"), ("self_loop", "i1")])


def transition_input_labels(model: TransitionModel) -> NDArray[np.void]:
    """Tell of every transition-id its pdf-id, phone, HMM state and whether it is a self-loop.

    Returns:
        (I + 1,) records of INPUT_LABEL_DTYPE, for a graph whose input labels are transition-ids; entry 0 is epsilon,
        with column -1.
    """
    labels = np.zeros(model.num_transition_ids + 1, dtype=INPUT_LABEL_DTYPE)
    labels["column"] = model.pdf_id
    labels["phone"] = model.phone
    labels["hmm_state"] = model.hmm_state
    labels["self_loop"] = model.is_self_loop
    return labels


def write_graph_dir(
    folder: str | os.PathLike[str],
    hclg: pynini.Fst | ArcTable,
    *,
    words: SymbolTable,
    phones: SymbolTable,
    input_labels: NDArray[np.void],
    manifest: Manifest,
    align_lexicon: Iterable[tuple[str, Sequence[str]]] | None = None,
) -> None:
    """Write a graph folder; without its manifest, which comes last, a folder counts as not written.

    An interrupted or failed call leaves no half-written file, and no folder where there was none before.

    Args:
        folder: the folder, made if it is missing.
        hclg: the graph, written as a const FST.
        words: names of its output labels.
        phones: names of the phones in `input_labels`.
        input_labels: records of INPUT_LABEL_DTYPE, indexed by input label.
        manifest: see `fst/manifest.py`.
        align_lexicon: (word, phones) of every pronunciation, with the phones as in `phones`.

    Raises:
        WfstAsrError: the folder cannot be written, the graph is empty, or has an input label without a record.
    """
    table = hclg if isinstance(hclg, ArcTable) else from_pynini(hclg)
    if table.num_states == 0:
        raise WfstAsrError("the graph is empty; no word sequence of G is in the lexicon, or the machines do not fit")
    if input_labels.dtype != INPUT_LABEL_DTYPE or int(table.arcs["ilabel"].max(initial=0)) >= len(input_labels):
        raise WfstAsrError(
            f"the graph has input label {table.arcs['ilabel'].max(initial=0)}, but only {len(input_labels) - 1} labels "
            "are described; take the transition model that the graph was compiled with"
        )
    target = Path(folder)
    made = not target.exists()
    manifest_file = target / MANIFEST_NAME
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            manifest_file.unlink()
        write_const_fst(table, target / HCLG_NAME)
        write_symbols(words, target / "words.txt")
        write_symbols(phones, target / "phones.txt")
        with written_aside(target / INPUT_LABELS_NAME) as aside, aside.open("wb") as file:
            np.save(file, input_labels)
        if align_lexicon is not None:
            with written_aside(target / "align_lexicon.txt") as aside:
                lines = (f"{word} {' '.join(phones)}\n" for word, phones in align_lexicon)
                aside.write_text("".join(lines), encoding="utf-8")
        write_manifest(target, manifest)
    except BaseException as error:
        if made and target.is_dir():
            for name in (HCLG_NAME, "words.txt", "phones.txt", INPUT_LABELS_NAME, "align_lexicon.txt", MANIFEST_NAME):
                (target / name).unlink(missing_ok=True)
            with suppress(OSError):
                target.rmdir()
        if isinstance(error, OSError):
            raise WfstAsrError(f"{target}: cannot be written ({error.strerror}); choose another folder") from error
        raise


def read_input_labels(folder: str | os.PathLike[str]) -> NDArray[np.void]:
    """Read `input_labels.npy` of a graph folder.

    Raises:
        WfstAsrError: no such file, or another array than expected.
    """
    path = Path(folder) / INPUT_LABELS_NAME
    try:
        labels: NDArray[np.void] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WfstAsrError(f"{path}: cannot be read ({error}); compile the graph again") from error
    if labels.dtype != INPUT_LABEL_DTYPE:
        raise WfstAsrError(f"{path}: records of {labels.dtype}, expected {INPUT_LABEL_DTYPE}; compile the graph again")
    return labels
