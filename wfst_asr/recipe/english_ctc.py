"""English by the CTC network of the pip package hama: T o L o G over PocketSphinx's vocabulary and language model."""

import os
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.decoder.decode import DecodeResult, decode
from wfst_asr.decoder.lattice_words import LatticeOptions, decode_words
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.manifest import Manifest, read_manifest
from wfst_asr.graph.ctc_fst import CtcTopology, check_topology
from wfst_asr.graph.step_clock import Report
from wfst_asr.io.wav import Audio, read_audio
from wfst_asr.neural.hama import (
    ASSET_NAMES,
    BOUNDARY,
    SAMPLE_RATE_HZ,
    HamaNetwork,
    hama_assets,
    hama_pronunciations,
    load_hama_network,
)
from wfst_asr.recipe.english_graph import EnglishFiles, advise_fewer_words, graph_words
from wfst_asr.recipe.graph_inputs import hash_of_file
from wfst_asr.recipe.graph_work import GraphRun, GraphWork, finished_graph, graph_key, graph_work, package_versions


@dataclass(frozen=True)
class EnglishCtcOptions:
    """How the graph is compiled.

    Attributes:
        max_words: the so many commonest words of the language model with all their n-grams; 0 for all words.
        boundary_prob: probability that the network writes its word boundary between two words, in (0, 1).
        topology: of T, see `graph.ctc_fst.ctc_fst`.
        acoustic_scale: default factor on the network's scores in decoding.
    """

    max_words: int = 0
    boundary_prob: float = 0.8
    topology: CtcTopology = "standard"
    acoustic_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.max_words < 0:
            raise WfstAsrError(f"max_words is {self.max_words}; expected 0 (all words) or a positive number")
        if not 0.0 < self.boundary_prob < 1.0:
            raise WfstAsrError(f"boundary_prob is {self.boundary_prob}; expected a probability between 0 and 1")
        check_topology(self.topology)


def input_hashes(files: EnglishFiles) -> dict[str, str]:
    """Return the SHA-256 of every file that the graph depends on, by name."""
    folder = hama_assets()
    paths = [files.dictionary, files.language_model, *(folder / name for name in ASSET_NAMES)]
    return {path.name: hash_of_file(path) for path in paths}


def is_current(graph_dir: str | os.PathLike[str], files: EnglishFiles, options: EnglishCtcOptions) -> bool:
    """Tell whether a graph folder holds the graph of these files and options."""
    try:
        manifest = read_manifest(graph_dir)
    except WfstAsrError:
        return False
    return dict(manifest.options) == asdict(options) and dict(manifest.inputs) == input_hashes(files)


def compile_english_ctc_graph(
    files: EnglishFiles,
    graph_dir: str | os.PathLike[str],
    options: EnglishCtcOptions,
    report: Report | None = None,
    *,
    run: GraphRun | None = None,
) -> Manifest:
    """Compile the graph and write it as a graph folder, whose manifest comes last; see also `compile_trained_graph`.

    The words are those of the dictionary that the language model knows, pronounced by the package's own
    grapheme-to-phoneme model.

    Args:
        files: dictionary and language model.
        graph_dir: folder to write.
        options: see EnglishCtcOptions.
        report: called with (step, None) when a step begins and with its record when it ends.
        run: limits, and whether to compile anew or to keep steps.

    Raises:
        WfstAsrError: a package is missing, a file is bad, or the folder cannot be written.
    """
    run = run or GraphRun()
    check_writable_folder(graph_dir)
    inputs = input_hashes(files)
    key = graph_key("english-ctc", inputs, asdict(options))
    if finished := finished_graph(graph_dir, key, run):
        return finished
    with graph_work(graph_dir, run, report) as work:
        return _compiled(work, files, Path(graph_dir), options, inputs, key)


def _compiled(
    work: GraphWork, files: EnglishFiles, target: Path, options: EnglishCtcOptions, inputs: dict[str, str], key: str
) -> Manifest:
    from wfst_asr.fst.symbols import SymbolTable
    from wfst_asr.graph.forecast import count_lg, forecast_tlg
    from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL, grammar_arcs
    from wfst_asr.graph.graph_dir import write_graph_dir
    from wfst_asr.graph.lexical_tree import pronunciation_arrays
    from wfst_asr.graph.tlg import direct_tlg
    from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
    from wfst_asr.recipe.ctc_graph import TOKENS_NAME, token_input_labels, tokens_bytes
    from wfst_asr.sphinx.dictionary import read_dictionary
    from wfst_asr.sphinx.lm import read_lm

    tokens = load_hama_network().tokens
    # a phone's id is its token's column + 1, which is its input label as well
    phone_ids = {name: column + 1 for column, name in enumerate(tokens.names) if column != tokens.blank}
    blank_label = tokens.blank + 1
    clock = work.clock
    with clock.step("language model") as size:
        lm = read_lm(files.language_model)
        size.set(0, sum(lm.num_ngrams))
    with clock.step("pronunciations") as size:
        names = graph_words(lm, set(read_dictionary(files.dictionary).words), options.max_words)
        spoken = hama_pronunciations(names)
        size.set(len(spoken), sum(map(len, spoken.values())))
    names = [name for name in names if name in spoken]
    word_ids = {word: number for number, word in enumerate(names, start=1)}
    lexicon = Lexicon(tuple(Pronunciation(word, spoken[word]) for word in names))
    pronunciations = pronunciation_arrays(lexicon, word_ids=word_ids, phone_ids=phone_ids)
    backoff = len(names) + 1
    with clock.step("G: grammar") as size:
        with warnings.catch_warnings():
            if len(names) < len(lm.words) - 2:
                warnings.simplefilter("ignore", WfstAsrWarning)  # the words left out were told above
            grammar = grammar_arcs(lm, word_ids | {BACKOFF_SYMBOL: backoff}).table
        del lm
        size.set(grammar.num_states, grammar.num_arcs, grammar)
    label_of = {number: number for number in phone_ids.values()}
    work.foresee(
        lambda: forecast_tlg(
            count_lg(pronunciations, grammar, backoff_label=backoff, silence_phone=phone_ids[BOUNDARY]),
            topology=options.topology,
        ),
        advise=advise_fewer_words,
    )
    tlg = direct_tlg(
        pronunciations,
        grammar,
        label_of,
        blank_label=blank_label,
        backoff_label=backoff,
        silence_phone=phone_ids[BOUNDARY],
        silence_prob=options.boundary_prob,
        topology=options.topology,
        clock=clock,
    )
    with clock.step("write") as size:
        size.set(tlg.num_states, tlg.num_arcs)
        manifest = Manifest(
            label_kind="token+1",
            num_columns=tokens.num_columns,
            column_names="tokens of hama's network",
            frame_shift_s=0.02,
            acoustic_scale=options.acoustic_scale,
            blank_column=tokens.blank,
            silence_phones=(BOUNDARY,),
            inputs=inputs,
            options=asdict(options),
            steps=tuple(clock.done),
            key=key,
            versions=package_versions(),
        )
        manifest = work.write(
            lambda: write_graph_dir(
                target,
                tlg,
                words=SymbolTable({"<eps>": 0} | word_ids | {BACKOFF_SYMBOL: backoff}),
                phones=SymbolTable({"<eps>": 0} | phone_ids),
                input_labels=token_input_labels(tokens, label_of, blank_label),
                manifest=manifest,
                align_lexicon=((entry.word, entry.phones) for entry in lexicon.entries),
                more_files={TOKENS_NAME: tokens_bytes(tokens)},
                inside=work.inside,
            )
        )
    return manifest


@dataclass(frozen=True)
class CtcRecogniser:
    """The network with its graph.

    Attributes:
        network: hears.
        graph: T o L o G of its tokens.
    """

    network: HamaNetwork
    graph: SearchGraph

    @classmethod
    def load(cls, graph_dir: str | os.PathLike[str]) -> "CtcRecogniser":
        """Load both.

        Raises:
            WfstAsrError: one is missing or bad, or the graph was compiled for another network.
        """
        network, graph = load_hama_network(), load_graph(graph_dir)
        if graph.num_columns != network.tokens.num_columns:
            raise WfstAsrError(
                f"{graph_dir}: the graph needs scores of {graph.num_columns} columns, but hama's network has "
                f"{network.tokens.num_columns}; compile the graph anew"
            )
        return cls(network, graph)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate that recordings are converted to."""
        return SAMPLE_RATE_HZ

    def read(self, path: str | os.PathLike[str], *, warn: bool = True) -> Audio:
        """Read a recording at the network's sample rate."""
        return read_audio(Path(path), sample_rate_hz=SAMPLE_RATE_HZ, warn=warn)

    def recognise(
        self,
        samples: NDArray[np.float32],
        options: DecodeOptions | None = None,
        *,
        wanted: LatticeOptions | None = None,
    ) -> DecodeResult:
        """Return the words of a recording, with their times and costs.

        Args:
            samples: (N,) sound in 16-bit scale at 16 kHz.
            options: dials of the search.
            wanted: give the words confidences, with its calibration.

        Raises:
            WfstAsrError: the recording is too short.
        """
        scores = self.network.log_probs(samples)
        if wanted is None:
            return decode(self.graph, scores, options)
        return decode_words(self.graph, scores, options, wanted=wanted).best
