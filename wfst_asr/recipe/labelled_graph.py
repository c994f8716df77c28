"""Graphs with the meaning of their input labels, which for a graph of Kaldi's the model tells, and of silent words."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.parts_file import HCL_NAME
from wfst_asr.decoder.search_graph import GRAPH_NAME, LABEL_DTYPE, LABELS_NAME, SearchGraph, load_graph
from wfst_asr.errors import WfstAsrError

Folder = str | os.PathLike[str]

TRANSITIONS_NAME = "final.mdl"


def load_graph_with_labels(
    graph: Folder, *, transitions: Folder | None = None, model: Folder | None = None
) -> SearchGraph:
    """Load a graph, one of Kaldi's too, whose labels are told by the model.

    Args:
        graph: folder, or const FST.
        transitions: Kaldi's final.mdl; not needed where the folder tells the meaning of its labels.
        model: folder with a `final.mdl`, taken for `transitions` where these are needed.

    Raises:
        WfstAsrError: a file is missing or bad.
    """
    folder = Path(graph)
    if transitions is None and model is not None and folder.is_dir() and not (folder / LABELS_NAME).exists():
        trained = Path(model) / TRANSITIONS_NAME
        transitions = trained if trained.exists() else None
    return load_graph(folder, columns=None if transitions is None else labels_of_transitions(transitions))


def labels_of_transitions(path: Folder) -> NDArray[np.void]:
    """Return pdf-id, phone, HMM state and self-loop of each transition-id of a model (final.mdl).

    Raises:
        WfstAsrError: the file is missing or bad.
    """
    from wfst_asr.kaldi.transition_model import read_transition_model

    model = read_transition_model(path)
    labels = np.zeros(len(model.pdf_id), dtype=LABEL_DTYPE)
    labels["column"], labels["phone"], labels["hmm_state"] = model.pdf_id, model.phone, model.hmm_state
    labels["self_loop"] = model.is_self_loop
    return labels


def load_alignment_graph(folder: Folder, *, transitions: Folder | None = None) -> SearchGraph:
    """Load what the words of lattices are aligned with: a graph folder, or a lang directory and the model.

    Args:
        folder: of a graph; or of a lang directory, for which a graph without arcs is returned.
        transitions: final.mdl, needed with a lang directory and with a graph of Kaldi's.

    Raises:
        WfstAsrError: a file is missing or bad, or a lang directory without `transitions`.
    """
    given = Path(folder)
    if not given.is_dir() or (given / GRAPH_NAME).exists() or (given / HCL_NAME).exists():
        return load_graph_with_labels(given, transitions=transitions)
    for name in ("phones.txt", "words.txt"):
        if not (given / name).is_file():
            raise WfstAsrError(f"{given}: has neither {GRAPH_NAME} nor {name}; expected a graph or a lang directory")
    if transitions is None:
        raise WfstAsrError(
            f"{given}: is a lang directory, which does not tell the phones of transition-ids; give the model's "
            f"{TRANSITIONS_NAME} with --transitions"
        )
    from dataclasses import replace

    from wfst_asr.decoder.search_graph import make_search_graph
    from wfst_asr.fst.arcs import arc_table

    labels = labels_of_transitions(transitions)
    bare = make_search_graph(arc_table(1, [], finals={0: 0.0}), labels["column"], input_labels=labels)
    return replace(bare, name=str(given), word_source=given / "words.txt")


def silent_words(graph: SearchGraph) -> frozenset[str]:
    """Return the words of the graph of a trained model that are only spoken as silence or noise; else none."""
    if graph.manifest is None or "model" not in graph.manifest.inputs:
        return frozenset()
    return words_of_silence(Path(graph.name) / "align_lexicon.txt", graph.manifest.silence_phones)


def words_of_silence(align_lexicon: Path, silence: tuple[str, ...]) -> frozenset[str]:
    """Return the words that are only spoken as silence or noise (such as <UNK> or !SIL), which scoring leaves out."""
    if not align_lexicon.exists():
        return frozenset()
    spoken: dict[str, bool] = {}
    for line in align_lexicon.read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        spoken[word] = spoken.get(word, False) or any(phone not in silence for phone in phones)
    return frozenset(word for word, speech in spoken.items() if not speech)
