"""The HCLG graph of the English model that the pip package pocketsphinx ships."""

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.manifest import Manifest, Step, read_manifest
from wfst_asr.graph.step_clock import StepClock
from wfst_asr.recipe.graph_work import GraphRun, GraphWork, finished_graph, graph_key, graph_work, package_versions

if TYPE_CHECKING:
    from wfst_asr.graph.lexical_tree import PronunciationArrays
    from wfst_asr.graph.window_hmms import WindowHmms
    from wfst_asr.lexicon.lexicon import Lexicon
    from wfst_asr.lm.backoff import NGramModel
    from wfst_asr.sphinx.acoustic_model import SphinxModel

Report = Callable[[str, Step | None], None]


@dataclass(frozen=True)
class EnglishFiles:
    """Where the parts of a PocketSphinx model lie.

    Attributes:
        model_dir: folder of the acoustic model.
        dictionary: pronunciations.
        language_model: binary trie language model.
    """

    model_dir: Path
    dictionary: Path
    language_model: Path


@dataclass(frozen=True)
class EnglishGraphOptions:
    """How the English graph is compiled.

    Attributes:
        max_words: the so many commonest words of the language model (by unigram probability) with all their n-grams;
            0 for all words that have a pronunciation.
        silence_prob: probability of the optional silence between two words, in (0, 1).
        word_insertion_penalty: cost added to every word, in nats beside the language model's; more of it gives fewer
            and longer words.
        transition_scale: factor on the log transition probabilities of the HMMs, self-loops included; at the inverse
            of the language model weight they keep the weight that they were trained with.
        acoustic_scale: default factor on the acoustic scores in decoding, written into the manifest.
    """

    max_words: int = 0
    silence_prob: float = 0.5
    word_insertion_penalty: float = 0.5
    transition_scale: float = 0.13
    acoustic_scale: float = 0.13

    def __post_init__(self) -> None:
        if self.max_words < 0:
            raise WfstAsrError(f"max_words is {self.max_words}; expected 0 (all words) or a positive number")
        if not 0.0 < self.silence_prob < 1.0:
            raise WfstAsrError(f"silence_prob is {self.silence_prob}; expected a probability between 0 and 1")
        if not np.isfinite(self.word_insertion_penalty):
            raise WfstAsrError(f"word_insertion_penalty is {self.word_insertion_penalty}; expected a number")
        for name in ("transition_scale", "acoustic_scale"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected a positive number")


def english_files() -> EnglishFiles:
    """Return the files inside the installed package pocketsphinx, found without importing it.

    Raises:
        WfstAsrError: the package, or its model, is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec("pocketsphinx")
    if spec is None or spec.origin is None:
        raise WfstAsrError("the English model is not installed; install it with: pip install 'wfst-asr[english]'")
    folder = Path(spec.origin).parent / "model" / "en-us"
    files = EnglishFiles(folder / "en-us", folder / "cmudict-en-us.dict", folder / "en-us.lm.bin")
    for path in (files.model_dir, files.dictionary, files.language_model):
        if not path.exists():
            raise WfstAsrError(f"{path}: no such file; reinstall with: pip install --force-reinstall pocketsphinx")
    return files


def input_hashes(files: EnglishFiles) -> dict[str, str]:
    """Return the SHA-256 of every file that the graph depends on, by name."""
    paths = [files.model_dir / "mdef", files.model_dir / "transition_matrices", files.dictionary, files.language_model]
    result = {}
    for path in paths:
        with path.open("rb") as file:
            result[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return result


def is_current(graph_dir: str | os.PathLike[str], files: EnglishFiles, options: EnglishGraphOptions) -> bool:
    """Tell whether a graph folder holds the graph of these files and options."""
    try:
        manifest = read_manifest(graph_dir)
    except WfstAsrError:
        return False
    return dict(manifest.options) == asdict(options) and dict(manifest.inputs) == input_hashes(files)


def sphinx_window_hmms(model: "SphinxModel", *, transition_scale: float) -> "WindowHmms":
    """Describe a Sphinx model's triphones for the direct compiler; input labels are senone + 1.

    A unit is a senone with its transition probabilities.

    Raises:
        WfstAsrError: an HMM can skip a state.
    """
    from wfst_asr.graph.window_hmms import WindowHmms

    context, mdef = model.context, model.mdef
    num_classes, num_phones, num_states = context.num_classes, len(context.phones), mdef.num_states
    forward = np.diagonal(model.transitions, offset=1, axis1=1, axis2=2)
    stay = np.diagonal(model.transitions, axis1=1, axis2=2)
    if not np.allclose(forward + stay, 1.0, atol=1e-3):
        raise WfstAsrError(
            f"{model.path / 'transition_matrices'}: an HMM skips a state; the direct compiler takes left-to-right HMMs "
            "without skips"
        )
    example = np.zeros(num_classes, dtype=np.int64)  # a phone of each class; class 0 is also "no phone"
    for phone in range(num_phones, 0, -1):
        example[context.left_class[phone]] = phone
    example[0] = 0
    lefts, phones, rights = np.meshgrid(example, np.arange(1, num_phones + 1), example, indexing="ij")
    ssid, tmat = context.window_hmms(np.stack([lefts, phones, rights], axis=-1).reshape(-1, 3))
    codes, which = np.unique(ssid.astype(np.int64) * mdef.num_tmats + tmat, return_inverse=True)
    senones, matrices = context.senones(codes // mdef.num_tmats), codes % mdef.num_tmats
    unit_codes = (senones.astype(np.int64) * mdef.num_tmats + matrices[:, None]) * num_states + np.arange(num_states)
    units, unit_of = np.unique(unit_codes, return_inverse=True)
    unit_of = unit_of.reshape(unit_codes.shape)
    order = np.lexsort(unit_of.T[::-1])
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    hmm_of = np.zeros((num_classes, num_phones + 1, num_classes), dtype=np.int32)
    hmm_of[:, 1:] = rank[which].reshape(num_classes, num_phones, num_classes)
    unit_state, unit_matrix = units % num_states, units // num_states % mdef.num_tmats
    return WindowHmms(
        hmm_of=hmm_of,
        left_class=context.left_class,
        right_class=context.right_class,
        hmm_first=np.arange(len(order) + 1, dtype=np.int64) * num_states,
        hmm_unit=unit_of[order].reshape(-1).astype(np.int32),
        unit_label=(units // num_states // mdef.num_tmats + 1).astype(np.int32),
        unit_enter_cost=-transition_scale * np.log(forward[unit_matrix, unit_state]),
        unit_loop_cost=-transition_scale * np.log(stay[unit_matrix, unit_state]),
    )


def senone_input_labels(model: "SphinxModel") -> NDArray[np.void]:
    """Return the records of `input_labels.npy` for labels senone + 1; phones are base phones + 1."""
    from wfst_asr.graph.graph_dir import INPUT_LABEL_DTYPE

    mdef = model.mdef
    labels = np.zeros(mdef.num_senones + 1, dtype=INPUT_LABEL_DTYPE)
    labels["column"] = np.arange(-1, mdef.num_senones)
    labels["phone"][1:] = mdef.senone_base + 1
    for state in range(mdef.num_states - 1, -1, -1):
        labels["hmm_state"][mdef.sequences[:, state] + 1] = state
    labels["self_loop"] = -1
    return labels


def advise_fewer_words(ngrams: int) -> str:
    """Return what to do where the graph is too large for its limits."""
    number = f" so that about {ngrams:,} n-grams are left" if ngrams else ""
    return f"take fewer words (--max-words){number}"


def advise_fewer_words_or_parts(ngrams: int) -> str:
    """Return the same for the model of PocketSphinx."""
    return f"{advise_fewer_words(ngrams)}, or decode without composing G (wfst-asr transcribe --on-the-fly)"


def graph_words(model: "NGramModel", pronounced: set[str], max_words: int) -> list[str]:
    """Return the words of the graph in the order of the language model's vocabulary.

    Words without pronunciation are left out and told once; the commonest are those of the highest unigram probability.
    """
    words = [word for word in model.words if word not in ("<s>", "</s>")]
    known = [word for word in words if word in pronounced]
    if not known:
        raise WfstAsrError("no word of the language model is in the dictionary; check that both spell words alike")
    if len(known) < len(words):
        missing = [word for word in words if word not in pronounced]
        warnings.warn(
            f"{len(missing)} words of the language model have no pronunciation and are left out, such as "
            f"{', '.join(missing[:3])}",
            WfstAsrWarning,
            stacklevel=2,
        )
    if max_words and max_words < len(known):
        log_prob = model.levels[0].log_prob
        known.sort(key=lambda word: -log_prob[model.word_ids[word]])
        chosen = set(known[:max_words])
        known = [word for word in words if word in chosen]
    return known


def compile_english_graph(
    files: EnglishFiles,
    graph_dir: str | os.PathLike[str],
    options: EnglishGraphOptions,
    report: Report | None = None,
    *,
    run: GraphRun | None = None,
) -> Manifest:
    """Compile the graph and write it as a graph folder, whose manifest comes last; see also `compile_trained_graph`.

    Args:
        files: the model.
        graph_dir: folder to write.
        options: see EnglishGraphOptions.
        report: called with (step, None) when a step begins and with its record when it ends.
        run: limits, and whether to compile anew or to keep steps.

    Raises:
        WfstAsrError: a file of the model is bad, or the folder cannot be written.
    """
    run = run or GraphRun()
    check_writable_folder(graph_dir)
    inputs = input_hashes(files)
    key = graph_key("english", inputs, asdict(options))
    if finished := finished_graph(graph_dir, key, run):
        return finished
    with graph_work(graph_dir, run, report) as work:
        return _compiled(work, files, Path(graph_dir), options, inputs, key)


def _compiled(
    work: GraphWork, files: EnglishFiles, target: Path, options: EnglishGraphOptions, inputs: dict[str, str], key: str
) -> Manifest:
    from wfst_asr.fst.symbols import SymbolTable
    from wfst_asr.graph.direct import direct_hclg
    from wfst_asr.graph.forecast import count_lg, forecast_hclg
    from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
    from wfst_asr.graph.graph_dir import write_graph_dir

    clock = work.clock
    parts = read_english_parts(files, options, clock)
    model, pronunciations, grammar, backoff = parts.model, parts.pronunciations, parts.grammar, parts.backoff_label
    with clock.step("H and C: triphones") as size:
        hmms = sphinx_window_hmms(model, transition_scale=options.transition_scale)
        size.set(len(hmms.hmm_unit), len(hmms.hmm_first) - 1, hmms)
    silence = model.context.phone_ids["SIL"]
    work.foresee(
        lambda: forecast_hclg(
            count_lg(pronunciations, grammar, backoff_label=backoff, silence_phone=silence),
            pronunciations,
            hmms,
            silence_phone=silence,
        ),
        advise=advise_fewer_words_or_parts,
    )
    hclg = direct_hclg(
        pronunciations,
        grammar,
        hmms,
        backoff_label=backoff,
        silence_phone=silence,
        silence_prob=options.silence_prob,
        clock=clock,
    )
    with clock.step("write") as size:
        size.set(hclg.num_states, hclg.num_arcs)
        manifest = Manifest(
            label_kind="pdf-id+1",
            num_columns=model.num_senones,
            column_names=f"senone of {files.model_dir.name}",
            frame_shift_s=1.0 / model.feature_options.frate,
            acoustic_scale=options.acoustic_scale,
            self_loop_scale=options.transition_scale,
            transition_scale=options.transition_scale,
            silence_phones=tuple(np.array(model.mdef.ci_phones)[model.mdef.is_filler].tolist()),
            inputs=inputs,
            options=asdict(options),
            steps=tuple(clock.done),
            key=key,
            versions=package_versions(),
        )
        phones = {phone: i for i, phone in enumerate(model.mdef.ci_phones, start=1)}
        manifest = work.write(
            lambda: write_graph_dir(
                target,
                hclg,
                words=SymbolTable({"<eps>": 0} | parts.word_ids | {BACKOFF_SYMBOL: backoff}),
                phones=SymbolTable({"<eps>": 0} | phones),
                input_labels=senone_input_labels(model),
                manifest=manifest,
                align_lexicon=((entry.word, entry.phones) for entry in parts.lexicon.entries),
                inside=work.inside,
            )
        )
    return manifest


@dataclass(frozen=True)
class EnglishParts:
    """What graphs of the English model are compiled of.

    Attributes:
        model: the acoustic model.
        word_ids: number of each word of the graph, from 1 on.
        lexicon: their pronunciations.
        pronunciations: the same as arrays.
        grammar: G, with the word insertion penalty.
        backoff_label: label of its back-off arcs.
    """

    model: "SphinxModel"
    word_ids: dict[str, int]
    lexicon: "Lexicon"
    pronunciations: "PronunciationArrays"
    grammar: ArcTable
    backoff_label: int


def read_english_parts(files: EnglishFiles, options: EnglishGraphOptions, clock: StepClock) -> EnglishParts:
    """Read the acoustic model, L and G, a step each of L, G and the language model.

    Raises:
        WfstAsrError: a file of the model is bad, or no word has a pronunciation.
    """
    from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL, grammar_arcs
    from wfst_asr.graph.lexical_tree import pronunciation_arrays
    from wfst_asr.lexicon.lexicon import Lexicon
    from wfst_asr.sphinx.acoustic_model import read_model
    from wfst_asr.sphinx.dictionary import read_dictionary
    from wfst_asr.sphinx.lm import read_lm

    with clock.step("language model") as size:
        lm = read_lm(files.language_model)
        size.set(0, sum(lm.num_ngrams))
    with clock.step("L: lexicon") as size:
        model = read_model(files.model_dir)
        lexicon = read_dictionary(files.dictionary, phones=model.mdef.ci_phones)
        names = graph_words(lm, set(lexicon.words), options.max_words)
        word_ids = {word: i for i, word in enumerate(names, start=1)}
        chosen = Lexicon(tuple(entry for entry in lexicon.entries if entry.word in word_ids))
        pronunciations = pronunciation_arrays(
            with_word_positions(chosen, model), word_ids=word_ids, phone_ids=model.context.phone_ids
        )
        size.set(len(pronunciations.tail_end), len(pronunciations.phone), pronunciations)
    with clock.step("G: grammar") as size:
        backoff = len(names) + 1
        with warnings.catch_warnings():
            if len(names) < len(lm.words) - 2:
                warnings.simplefilter("ignore", WfstAsrWarning)  # the words left out were told above
            grammar = grammar_arcs(lm, word_ids | {BACKOFF_SYMBOL: backoff}).table
        grammar.arcs["cost"][grammar.arcs["ilabel"] != backoff] += np.float32(options.word_insertion_penalty)
        size.set(grammar.num_states, grammar.num_arcs, grammar)
    return EnglishParts(model, word_ids, chosen, pronunciations, grammar, backoff)


def with_word_positions(lexicon: "Lexicon", model: "SphinxModel") -> "Lexicon":
    """Mark every phone by its place in the word, as the model's triphones tell them apart."""
    from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
    from wfst_asr.lexicon.phone_set import PhoneSet

    phones = PhoneSet((), model.mdef.ci_phones, None, position_dependent=True)
    return Lexicon(tuple(Pronunciation(e.word, phones.in_word(e.phones), e.prob) for e in lexicon.entries))
