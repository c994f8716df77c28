"""The words of a graph folder with their phones, and what its input labels say of phones."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.manifest import Manifest, read_manifest
from wfst_asr.fst.symbols import EPSILON, SymbolTable, read_symbols
from wfst_asr.graph.spoken_units import HmmUnits, PhoneUnits, TokenUnits
from wfst_asr.graph.window_hmms import WindowHmms
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.recipe.graph_inputs import hash_of_file, read_whole_graph, text_lines

ALIGN_LEXICON = "align_lexicon.txt"


@dataclass(frozen=True)
class GraphVocabulary:
    """A graph with its words, and the units of its phones.

    Attributes:
        folder: the graph folder.
        manifest: its manifest.
        table: the graph.
        words: names of its output labels.
        phones: names of phones, as in `align_lexicon.txt`.
        rows: (word, phones) of `align_lexicon.txt`.
        units: what input labels a phone is.
        ids: ids of the phones in `units`, which tell places in the word apart where the model does.
        positions: marks phones by their place in the word.
    """

    folder: Path
    manifest: Manifest
    table: ArcTable
    words: SymbolTable
    phones: SymbolTable
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    units: PhoneUnits
    ids: SymbolTable
    positions: PhoneSet

    def phone_ids(self, word: str, phones: tuple[str, ...]) -> tuple[int, ...]:
        """Return the phones of a word as the units know them.

        Raises:
            WfstAsrError: one is unknown, or does not stand at this place of words.
        """
        marked = phones if all(phone in self.ids for phone in phones) else self.positions.in_word(phones)
        for phone, name in zip(phones, marked, strict=True):
            if name not in self.ids or not self._is_unit(self.ids[name]):
                known = " ".join(name for name in self.phones if name != EPSILON and not name.startswith("#"))
                raise WfstAsrError(
                    f"word '{word}' has the phone '{phone}', which the model of {self.folder} has not; its phones: "
                    f"{known[:300]}"
                )
        return tuple(self.ids[name] for name in marked)

    def _is_unit(self, phone: int) -> bool:
        if isinstance(self.units, TokenUnits):
            return phone in self.units.label_of
        return 0 < phone < len(self.units.hmms.right_class)

    @cached_property
    def lexicon(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """(word id, phone ids) of every pronunciation."""
        found = []
        for word, phones in self.rows:
            if word in self.words:
                found.append((self.words[word], self.phone_ids(word, phones)))
        return tuple(found)

    @property
    def silences(self) -> list[int]:
        """Ids of the phones that may be the optional silence."""
        return [self.ids[name] for name in self.manifest.silence_phones if name in self.ids]


def read_graph_vocabulary(
    graph_dir: str | os.PathLike[str], model_dir: str | os.PathLike[str] | None = None
) -> GraphVocabulary:
    """Read a graph folder, and the model that it was compiled for.

    Args:
        graph_dir: the folder.
        model_dir: folder of the model: `tree` and `final.mdl`, or PocketSphinx's (default: that of the pip package).
            Graphs of CTC need none.

    Raises:
        WfstAsrError: a file is missing or bad, or the model is not the graph's.
    """
    folder = Path(graph_dir)
    manifest = read_manifest(folder)
    words, phones = read_symbols(folder / "words.txt"), read_symbols(folder / "phones.txt")
    rows = tuple((row[0], tuple(row[1:])) for row in map(str.split, text_lines(folder / ALIGN_LEXICON)) if len(row) > 1)
    if not rows:
        raise WfstAsrError(f"{folder / ALIGN_LEXICON}: missing or empty; compile the graph again, with its lexicon")
    table = read_whole_graph(folder)
    plain = PhoneSet((), (), None, position_dependent=False)
    ids, positions = phones, plain
    units: PhoneUnits
    if manifest.label_kind == "token+1":
        units = _token_units(folder, manifest)
    elif manifest.label_kind == "pdf-id+1":
        units, ids, positions = _sphinx_units(folder, manifest, model_dir)
    else:
        units = _trained_units(folder, manifest, model_dir)
        marked = any(name.endswith("_B") and name[:-2] not in phones for name in phones)
        positions = PhoneSet((), (), None, position_dependent=True) if marked else plain
    return GraphVocabulary(folder, manifest, table, words, phones, rows, units, ids, positions)


def _token_units(folder: Path, manifest: Manifest) -> TokenUnits:
    from wfst_asr.graph.graph_dir import read_input_labels

    labels = read_input_labels(folder)["phone"].tolist()
    label_of = {phone: label for label, phone in enumerate(labels) if phone}
    return TokenUnits(label_of, manifest.blank_column + 1, manifest.options.get("topology", "standard"))


def _check_hashes(folder: Path, manifest: Manifest, model: Path, names: dict[str, str]) -> None:
    for name, file in names.items():
        known = manifest.inputs.get(name)
        if known and known != hash_of_file(model / file):
            raise WfstAsrError(
                f"{model / file}: not what {folder} was compiled with; take the folder of the graph's own model"
            )


def _sphinx_units(
    folder: Path, manifest: Manifest, model_dir: str | os.PathLike[str] | None
) -> tuple[HmmUnits, SymbolTable, PhoneSet]:
    from wfst_asr.recipe.english_graph import english_files, sphinx_window_hmms
    from wfst_asr.sphinx.acoustic_model import read_model

    path = Path(model_dir) if model_dir else english_files().model_dir
    _check_hashes(folder, manifest, path, {"mdef": "mdef", "transition_matrices": "transition_matrices"})
    model = read_model(path)
    hmms = sphinx_window_hmms(model, transition_scale=manifest.transition_scale)
    positions = PhoneSet((), model.mdef.ci_phones, None, position_dependent=True)
    return HmmUnits(hmms, late=True), SymbolTable({EPSILON: 0} | dict(model.context.phone_ids)), positions


def _trained_units(folder: Path, manifest: Manifest, model_dir: str | os.PathLike[str] | None) -> HmmUnits:
    from wfst_asr.graph.window_hmms import window_hmms
    from wfst_asr.kaldi.transition_model import read_transition_model
    from wfst_asr.kaldi.tree import read_tree

    if manifest.options.get("word_silence"):
        raise WfstAsrError(
            f"{folder}: silence depends on the word in this graph, and words cannot be added; compile it anew with "
            "the words in its lexicon"
        )
    if model_dir is None:
        raise WfstAsrError(
            f"{folder}: words are added with the HMMs of its model; name the model's folder: --model DIR"
        )
    model = Path(model_dir)
    tree, transitions = read_tree(model / "tree"), read_transition_model(model / "final.mdl")
    _check_hashes(folder, manifest, model, {"tree": "tree", "model": "final.mdl"})
    hmms = window_hmms(
        tree, transitions, transition_scale=manifest.transition_scale, self_loop_scale=manifest.self_loop_scale
    )
    late = _is_late(hmms, folder, manifest)
    return HmmUnits(hmms, late)


def _is_late(hmms: WindowHmms, folder: Path, manifest: Manifest) -> bool:
    """Tell whether the graph is a phone late; refuse graphs whose empty history cannot be found for certain."""
    left, right = int(hmms.hmm_of.shape[0]), int(hmms.hmm_of.shape[2])
    if left > 1 and right == 1:
        raise WfstAsrError(f"{folder}: a model with left context only; words can be added to monophones and triphones")
    late = right > 1
    if late and manifest.options.get("method") == "openfst":
        raise WfstAsrError(
            f"{folder}: a graph of triphones by the OpenFst path, in which the places for new words cannot be found; "
            "compile it with --method direct, or with the new words in its lexicon"
        )
    return late
