"""The graph folder: HCLG, its symbols, what its input labels mean, and the manifest, written last."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pynini
from numpy.typing import NDArray

from wfst_asr.atomic_files import files_together
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, write_const_fst
from wfst_asr.fst.content_hash import file_sha256
from wfst_asr.fst.convert import from_pynini
from wfst_asr.fst.manifest import MANIFEST_NAME, Manifest, write_manifest
from wfst_asr.fst.symbols import SymbolTable, write_symbols
from wfst_asr.graph.extended_graph import ExtendedGraph
from wfst_asr.hmm.transition_model import TransitionModel

HCLG_NAME = "HCLG.fst"
HCL_NAMES = ("HCL.fst", "HCL.ahead", "G.entries")  # of a graph that is composed while it is searched
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
    hclg: pynini.Fst | ArcTable | ExtendedGraph,
    *,
    words: SymbolTable,
    phones: SymbolTable,
    input_labels: NDArray[np.void],
    manifest: Manifest,
    align_lexicon: Iterable[tuple[str, Sequence[str]]] | None = None,
    more_files: Mapping[str, bytes] | None = None,
    hcl_files: Callable[[Path], None] | None = None,
    inside: str = "",
) -> Manifest:
    """Write a graph folder; without its manifest, which comes last, a folder counts as not written.

    The files are written inside a hidden folder and moved up together, so that an interrupted or failed call leaves an
    older graph as it was, no half-written file, and no folder where there was none before.

    Args:
        folder: the folder, made if it is missing.
        hclg: the graph, written as a const FST.
        words: names of its output labels.
        phones: names of the phones in `input_labels`.
        input_labels: records of INPUT_LABEL_DTYPE, indexed by input label.
        manifest: see `fst/manifest.py`.
        align_lexicon: (word, phones) of every pronunciation, with the phones as in `phones`.
        more_files: other files of the folder, by name.
        hcl_files: for a graph that is composed while it is searched, of which `hclg` is HCL: writes the other files.
        inside: name of the hidden folder; by default one that no other process takes.

    Returns:
        The manifest as it was written, with the hashes of the files.

    Raises:
        WfstAsrError: the folder cannot be written, the graph is empty, or has an input label without a record.
    """
    graph = hclg if isinstance(hclg, ArcTable | ExtendedGraph) else from_pynini(hclg)
    largest = int(graph.arcs["ilabel"].max(initial=0)) if isinstance(graph, ArcTable) else graph.largest_ilabel
    if graph.num_states == 0:
        raise WfstAsrError("the graph is empty; no word sequence of G is in the lexicon, or the machines do not fit")
    if input_labels.dtype != INPUT_LABEL_DTYPE or largest >= len(input_labels):
        raise WfstAsrError(
            f"the graph has input label {largest}, but only {len(input_labels) - 1} labels "
            "are described; take the transition model that the graph was compiled with"
        )
    others = ("align_lexicon.txt", HCLG_NAME, *HCL_NAMES)
    with files_together(folder, last=MANIFEST_NAME, others=others, inside=inside) as aside:
        file_of_graph = aside / (HCL_NAMES[0] if hcl_files else HCLG_NAME)
        if isinstance(graph, ArcTable):
            write_const_fst(graph, file_of_graph)
        else:
            graph.write(file_of_graph)
        if hcl_files:
            hcl_files(aside)
        write_symbols(words, aside / "words.txt")
        write_symbols(phones, aside / "phones.txt")
        with (aside / INPUT_LABELS_NAME).open("wb") as file:
            np.save(file, input_labels)
        if align_lexicon is not None:
            lines = (f"{word} {' '.join(phones)}\n" for word, phones in align_lexicon)
            (aside / "align_lexicon.txt").write_text("".join(lines), encoding="utf-8")
        for name, content in (more_files or {}).items():
            (aside / name).write_bytes(content)
        outputs = {path.name: file_sha256(path) for path in sorted(aside.iterdir())}
        manifest = replace(manifest, outputs=outputs)
        write_manifest(aside, manifest)
    return manifest


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
