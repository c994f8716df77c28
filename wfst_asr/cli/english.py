"""What `demo` and `transcribe` share: the cache folder of the English graph, its compilation, the search options."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.recipe.english_ctc import CtcRecogniser
    from wfst_asr.recipe.english_graph import EnglishFiles, EnglishGraphOptions
    from wfst_asr.recipe.sphinx_recogniser import SphinxRecogniser

_Command = TypeVar("_Command", bound=Callable[..., Any])


def cache_dir() -> Path:
    """Return the user's cache folder for compiled graphs (`XDG_CACHE_HOME`, else `~/.cache`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wfst_asr"


def english_options(command: _Command) -> _Command:
    """Add the options of compiling the English graph and of searching it."""
    options = (
        click.option("--beam", default=12.0, show_default=True, help="Search beam, in scaled cost."),
        click.option("--max-active", default=7000, show_default=True, help="Tokens expanded a frame; 0: no limit."),
        click.option("--acoustic-scale", type=float, help="Factor on acoustic scores.  [default: the graph's]"),
        click.option(
            "--cmn",
            type=click.Choice(["smoothed", "batch", "live", "none"]),
            default="smoothed",
            show_default=True,
            help="Cepstral mean normalisation.",
        ),
        click.option(
            "--adapt/--no-adapt",
            default=True,
            show_default=True,
            help="Decode with features adapted to the recording by earlier, narrower passes.",
        ),
        click.option("--max-words", default=0, show_default=True, help="Vocabulary; 0 for the whole language model."),
        click.option("--cache", type=click.Path(path_type=Path), help="Folder for the compiled graph."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def english_recogniser(
    cache: Path | None, max_words: int, *, tell: bool, graph: Path | None = None, on_the_fly: bool = False
) -> "SphinxRecogniser":
    """Load the English recogniser; compile its graph first where the cache does not hold it.

    Args:
        cache: folder for graphs; None for the user's.
        max_words: vocabulary size, 0 for all.
        tell: print the sizes of all steps and say where the graph comes from (else only that it is being compiled).
        graph: a graph folder of the model, in place of the cached one.
        on_the_fly: keep HCL and G apart, to be composed in the search.
    """
    from wfst_asr.cli.graph_run import teller
    from wfst_asr.cli.step_progress import print_steps, progress_of_steps
    from wfst_asr.fst.manifest import read_manifest
    from wfst_asr.recipe.english_graph import EnglishGraphOptions, compile_english_graph, english_files, is_current
    from wfst_asr.recipe.graph_work import GraphRun
    from wfst_asr.recipe.sphinx_recogniser import SphinxRecogniser

    files = english_files()
    if graph is not None:
        return SphinxRecogniser.load(files.model_dir, graph)
    options = EnglishGraphOptions(max_words=max_words)
    if on_the_fly:
        return SphinxRecogniser.load(files.model_dir, _english_parts(cache or cache_dir(), files, options))
    folder = (cache or cache_dir()) / f"english-{_key(options)}"
    if is_current(folder, files, options):
        if tell:
            click.echo(f"graph: {folder} (compiled earlier)")
    else:
        click.echo(f"compiling the English graph into {folder} directly, on arrays (once; about two minutes)", err=True)
        with progress_of_steps() as report:
            compile_english_graph(files, folder, options, report, run=GraphRun(tell=teller(report)))
    if tell:
        print_steps(read_manifest(folder).steps)
    return SphinxRecogniser.load(files.model_dir, folder)


def _english_parts(cache: Path, files: "EnglishFiles", options: "EnglishGraphOptions") -> Path:
    """Return the folder of HCL and G, which is made if the cache does not hold it."""
    from wfst_asr.cli.step_progress import progress_of_steps
    from wfst_asr.recipe.on_the_fly_english import are_current, compile_english_on_the_fly

    folder = cache / f"english-parts-{_key(options)}"
    if not are_current(folder, files, options):
        click.echo(f"compiling HCL and G of English into {folder} (once; about half a minute)", err=True)
        with progress_of_steps() as report:
            compile_english_on_the_fly(files, folder, options, report)
    return folder


def english_ctc_recogniser(cache: Path | None, max_words: int, *, graph: Path | None = None) -> "CtcRecogniser":
    """Load the recogniser with the network of the pip package hama; compile its graph first where it is not cached.

    Args:
        cache: folder for graphs; None for the user's.
        max_words: vocabulary size, 0 for all.
        graph: a graph folder of the network, in place of the cached one.
    """
    from wfst_asr.cli.graph_run import teller
    from wfst_asr.cli.step_progress import progress_of_steps
    from wfst_asr.recipe.english_ctc import CtcRecogniser, EnglishCtcOptions, compile_english_ctc_graph, is_current
    from wfst_asr.recipe.english_graph import english_files
    from wfst_asr.recipe.graph_work import GraphRun

    if graph is not None:
        return CtcRecogniser.load(graph)
    files = english_files()
    options = EnglishCtcOptions(max_words=max_words)
    folder = (cache or cache_dir()) / f"english-ctc-{_key(options)}"
    if not is_current(folder, files, options):
        click.echo(
            f"compiling the graph of English phones into {folder} directly, on arrays (once; about a minute)", err=True
        )
        with progress_of_steps() as report:
            compile_english_ctc_graph(files, folder, options, report, run=GraphRun(tell=teller(report)))
    return CtcRecogniser.load(folder)


def _key(options: "DataclassInstance") -> str:
    text = json.dumps(asdict(options), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def check_recordings(paths: Iterable[Path]) -> None:
    """Read the beginning of each recording, so that a bad file is told before a graph is compiled.

    Raises:
        WfstAsrError: a file is missing, empty, or not audio.
    """
    from wfst_asr.io.wav import read_audio

    for path in paths:
        read_audio(path, end_s=0.1, warn=False)


def search_options(beam: float, max_active: int, acoustic_scale: float | None) -> "DecodeOptions":
    """Return the decoder's options."""
    from wfst_asr.decoder.options import DecodeOptions

    return DecodeOptions(
        beam=beam,
        max_active=max_active or None,
        min_active=min(200, max_active) if max_active else 200,
        acoustic_scale=acoustic_scale,
    )
