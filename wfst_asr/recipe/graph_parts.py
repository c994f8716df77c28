"""The parts that a graph folder is checked against: lang directory, G, and the model or the tokens of a network."""

import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.manifest import MANIFEST_NAME, Manifest, read_manifest
from wfst_asr.fst.symbols import SymbolTable, read_symbols
from wfst_asr.recipe.added_parts import added_rows, with_added_words, without_added
from wfst_asr.recipe.graph_inputs import hash_of, hash_of_file, read_grammar

if TYPE_CHECKING:
    from wfst_asr.graph.frame_labels import FrameLabels
    from wfst_asr.hmm.transition_model import TransitionModel
    from wfst_asr.tree.decision_tree import DecisionTree

Given = str | os.PathLike[str]


@dataclass(frozen=True)
class GraphParts:
    """A graph folder and what is known of its parts; None where something was not given.

    Attributes:
        folder: the graph folder.
        manifest: its manifest, if it has one.
        words: names of its output labels.
        phones: names of the phones.
        lexicon: L with disambiguation symbols.
        grammar: G.
        tree: pdf-ids of phones in context.
        transitions: the transition model.
        label_of: input label of each phone id, in graphs of CTC.
        input_labels: what the model, or the network's tokens, says of each input label.
        hashes: by the name that manifests use, the hashes that fit.
        differences: what the symbol tables of graph and lang directory do not agree in.
        num_added: pronunciations that were added to the compiled graph; `lexicon` and `grammar` have them too.
        unlike: why they have them not.
    """

    folder: Path
    manifest: Manifest | None
    words: SymbolTable
    phones: SymbolTable
    lexicon: ArcTable | None = None
    grammar: ArcTable | None = None
    tree: "DecisionTree | None" = None
    transitions: "TransitionModel | None" = None
    label_of: dict[int, int] = field(default_factory=dict)
    input_labels: NDArray[np.void] | None = None
    hashes: dict[str, set[str]] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    num_added: int = 0
    unlike: str = ""

    @property
    def label_kind(self) -> str:
        """What the input labels are; transition-ids where no manifest says otherwise."""
        return self.manifest.label_kind if self.manifest else "transition-id"

    @cached_property
    def blank_label(self) -> int:
        return self.manifest.blank_column + 1 if self.manifest else 0

    def frame_labels(self, self_loop_scale: float) -> "FrameLabels":
        """Return H o C or T of the parts.

        Raises:
            WfstAsrError: not enough parts are given, or the topology cannot be read back from labels.
        """
        from wfst_asr.graph.ctc_fst import check_topology
        from wfst_asr.graph.frame_labels import CtcLabels, HmmLabels

        if self.label_kind == "token+1":
            topology: Any = self.manifest.options.get("topology", "standard") if self.manifest else "standard"
            check_topology(topology)
            return CtcLabels(self.label_of, blank_label=self.blank_label, topology=topology)
        if self.tree is None or self.transitions is None:
            raise WfstAsrError("the model (tree and final.mdl) was not given")
        scale = self.manifest.transition_scale if self.manifest else 1.0
        return HmmLabels(
            self.tree,
            self.transitions,
            transition_scale=scale,
            self_loop_scale=self_loop_scale,
            phone_name=self.phones.names,
        )


def read_graph_parts(graph: Given, *, lang: Given | None, grammar: Given | None, model: Given | None) -> GraphParts:
    """Read a graph folder's symbols and manifest, and the parts that were given.

    Args:
        graph: the folder.
        lang: lang directory.
        grammar: G as an OpenFst file or a language model; None: G.fst of the lang directory, if it has one.
        model: folder with tree and final.mdl; for a graph of CTC a folder with tokens.txt or that file, or None for the
            tokens.txt of the graph.

    Raises:
        WfstAsrError: a file is missing or bad.
    """
    folder = Path(graph)
    manifest = read_manifest(folder) if (folder / MANIFEST_NAME).exists() else None
    words, phones = read_symbols(folder / "words.txt"), read_symbols(folder / "phones.txt")
    found: dict[str, Any] = {}
    hashes: dict[str, set[str]] = {}
    if lang is not None:
        found |= _lang_parts(Path(lang), grammar, without_added(words, manifest, Path(lang)), phones, hashes)
    elif grammar is not None:
        raise WfstAsrError(f"G {grammar} was given without the lang directory that names its words; give --lang too")
    if manifest is not None and manifest.label_kind == "token+1":
        found |= _token_parts(folder, model, manifest, phones, hashes)
    elif model is not None:
        found |= _model_parts(Path(model), hashes)
    rows = added_rows(manifest)
    if rows and manifest and {"lexicon", "grammar"} <= found.keys():
        try:
            found["lexicon"], found["grammar"], phones = with_added_words(
                found["lexicon"], found["grammar"], manifest, words=words, phones=phones
            )
        except WfstAsrError as error:
            found["unlike"] = str(error)
    return GraphParts(folder, manifest, words, phones, hashes=hashes, num_added=len(rows), **found)


def _lang_parts(
    lang: Path, grammar: Given | None, words: SymbolTable, phones: SymbolTable, hashes: dict[str, set[str]]
) -> dict[str, object]:
    from wfst_asr.fst.ops import as_table, read_fst
    from wfst_asr.lm.model_files import read_model

    differences = []
    for name, own in (("words.txt", words), ("phones.txt", phones)):
        if not (lang / name).exists():
            continue
        theirs = read_symbols(lang / name)
        unlike = [number for number in own.names if own.names[number] != theirs.names.get(number)]
        if unlike:
            here, there = own.names[unlike[0]], theirs.names.get(unlike[0])
            differences.append(
                f"{name}: {len(unlike)} names differ from {lang / name}; {unlike[0]} is '{here}' in the graph and "
                f"{repr(there) if there is not None else 'missing'} there"
            )
    l_file = lang / "L_disambig.fst"
    lexicon = as_table(read_fst(l_file, remedy=f"make it with: wfst-asr lang make lexicon.txt {lang}"))
    hashes["L"] = {hash_of_file(l_file)}
    found: dict[str, object] = {"lexicon": lexicon, "differences": tuple(differences)}
    source = Path(grammar) if grammar is not None else lang / "G.fst"
    if grammar is not None or source.exists():
        with source.open("rb") if source.is_file() else nullcontext() as file:
            is_fst = source.suffix == ".fst" or (file is not None and file.read(4) == b"\xd6\xfd\xb2\x7e")
        table, kind, digest = read_grammar(source if is_fst else read_model(source), words, lang)
        found["grammar"] = table
        hashes[kind] = {digest, hash_of_file(source)}  # a manifest names a model that was in memory by its numbers
    return found


def _model_parts(folder: Path, hashes: dict[str, set[str]]) -> dict[str, object]:
    from wfst_asr.graph.graph_dir import transition_input_labels
    from wfst_asr.kaldi.transition_model import read_transition_model
    from wfst_asr.kaldi.tree import read_tree, tree_bytes
    from wfst_asr.recipe.trained_graph import transitions_hash

    tree, model = read_tree(folder / "tree"), read_transition_model(folder / "final.mdl")
    hashes["tree"] = {hash_of_file(folder / "tree"), hash_of(tree_bytes(tree))}
    hashes["model"] = {hash_of_file(folder / "final.mdl"), transitions_hash(model)}
    return {"tree": tree, "transitions": model, "input_labels": transition_input_labels(model)}


def _token_parts(
    folder: Path, model: Given | None, manifest: Manifest, phones: SymbolTable, hashes: dict[str, set[str]]
) -> dict[str, object]:
    from wfst_asr.ctc.tokens import read_tokens
    from wfst_asr.recipe.ctc_graph import TOKENS_NAME, token_input_labels

    path = folder / TOKENS_NAME if model is None else Path(model)
    path = path / TOKENS_NAME if path.is_dir() else path
    own = read_tokens(folder / TOKENS_NAME).names
    blank = own[manifest.blank_column] if manifest.blank_column < len(own) else None
    tokens = read_tokens(path, blank=blank)
    hashes["tokens"] = {hash_of("\n".join(tokens.names).encode())}
    column_of = {name: column for column, name in enumerate(tokens.names) if column != tokens.blank}
    label_of = {number: column_of[name] + 1 for name, number in phones.items() if name in column_of}
    return {"label_of": label_of, "input_labels": token_input_labels(tokens, label_of, tokens.blank + 1)}
