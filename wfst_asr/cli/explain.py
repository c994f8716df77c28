"""`wfst-asr explain GRAPH AUDIO REFERENCE`: whose error it is that a recording was not recognised."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.decoder.search_graph import SearchGraph

_ENGLISH = "english"


@click.command()
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("audio")
@click.argument("reference")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the acoustic model that scores AUDIO.")
@click.option(
    "--scores", type=click.Path(path_type=Path), help="Score matrices (ark or scp); AUDIO is an utterance of them."
)
@click.option(
    "--transitions", type=click.Path(path_type=Path), help="Kaldi's final.mdl: the meaning of the labels of its graph."
)
@click.option("--lm", type=click.Path(path_type=Path), help="The graph's language model (or G.fst), to tell its part.")
@click.option("--utterance", help="Utterance of the REFERENCE file, if it is not called like AUDIO.")
@click.option("--free-word", "free_words", multiple=True, help="Word that counts as silence.  Can be repeated.")
@click.option("--beam", type=float, help="Search beam.  [default: 13, for english 12]")
@click.option("--max-active", default=7000, show_default=True, help="Tokens expanded a frame at most; 0: no limit.")
@click.option("--min-active", default=200, show_default=True, help="Tokens expanded a frame at least.")
@click.option("--acoustic-scale", type=float, help="Factor on the scores.  [default: the graph's]")
@click.option("--insertion-penalty", default=0.0, show_default=True, help="Cost of every word.")
@click.option(
    "--adapt/--no-adapt", default=None, help="Adapt to the recording, as transcribe does.  [default: english]"
)
@click.option(
    "--widest-beam", default=25.0, show_default=True, help="Widest beam that is tried for what the search lost."
)
@click.option("--max-words", default=0, show_default=True, help="Vocabulary of english; 0 for all.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the compiled English graph.")
@click.option("--every-word", is_flag=True, help="Costs of all words, not only of those where the paths differ.")
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
def explain(
    graph: Path,
    audio: str,
    reference: str,
    model: Path | None,
    scores: Path | None,
    transitions: Path | None,
    lm: Path | None,
    utterance: str | None,
    free_words: tuple[str, ...],
    beam: float | None,
    max_active: int,
    min_active: int,
    acoustic_scale: float | None,
    insertion_penalty: float,
    adapt: bool | None,
    widest_beam: float,
    max_words: int,
    cache: Path | None,
    every_word: bool,
    as_json: bool,
) -> None:
    """Say whether an error is the search's, the model's or the lexicon's.

    \b
    wfst-asr explain GRAPH AUDIO "the words that were said" --model MODEL_DIR
    wfst-asr explain GRAPH UTTERANCE data/text --scores SCORES.ark
    wfst-asr explain english talk.flac "the words that were said"

    GRAPH is a graph folder, or 'english' for the graph of wfst-asr demo.  REFERENCE is the words, or a file of them: a
    Kaldi text file, or nothing but words.  The reference is forced through the same graph with the same scores.
    """  # noqa: D301
    if scores and model:
        raise click.UsageError("--model scores a recording; leave it out with --scores")
    from wfst_asr.cli.explanation_report import print_explanation
    from wfst_asr.decoder.explain import explain as explain_errors
    from wfst_asr.decoder.explanation_record import explanation_record
    from wfst_asr.decoder.insertion_penalty import with_insertion_penalty
    from wfst_asr.decoder.options import DecodeOptions
    from wfst_asr.recipe.explaining import lm_costs_of
    from wfst_asr.recipe.labelled_graph import silent_words

    english = str(graph) == _ENGLISH and not graph.exists()
    words = _words(reference, utterance or (audio if scores else Path(audio).stem), named=utterance is not None)
    options = DecodeOptions(
        beam=beam if beam is not None else 12.0 if english else 13.0,
        max_active=max_active or None,
        min_active=min(min_active, max_active) if max_active else min_active,
        acoustic_scale=acoustic_scale,
    )
    loaded, matrix, options = _load(
        graph, audio, scores, model, transitions, options, english=(cache, max_words) if english else None, adapt=adapt
    )
    loaded = with_insertion_penalty(loaded, insertion_penalty)
    ids = {word: number for number, word in enumerate(loaded.words)}
    told = explain_errors(
        loaded,
        matrix,
        words,
        options,
        lm_costs=lm_costs_of(lm, ids) if lm else None,
        free_words=frozenset(free_words) | silent_words(loaded),
        widest_beam=widest_beam,
    )
    if as_json:
        click.echo(json.dumps(explanation_record(told)))
    else:
        print_explanation(told, every_word=every_word)


def _load(
    graph: Path,
    audio: str,
    scores: Path | None,
    model: Path | None,
    transitions: Path | None,
    options: "DecodeOptions",
    *,
    english: tuple[Path | None, int] | None,
    adapt: bool | None,
) -> "tuple[SearchGraph, Any, DecodeOptions]":
    """Return the graph, the scores, and the options with their acoustic scale."""
    from dataclasses import replace

    from wfst_asr.recipe.explaining import scores_of_recording
    from wfst_asr.recipe.labelled_graph import load_graph_with_labels

    if scores is not None:
        return load_graph_with_labels(graph, transitions=transitions), _matrix(scores, audio), options
    if not Path(audio).exists():
        raise WfstAsrError(f"{audio}: no such file; expected a recording, or with --scores an utterance of them")
    if english is not None:
        from wfst_asr.cli.english import check_recordings, english_recogniser

        check_recordings([Path(audio)])
        loaded = english_recogniser(*english, tell=False).graph
    else:
        loaded = load_graph_with_labels(graph, transitions=transitions, model=model)
    if loaded.manifest is None and model is not None and options.acoustic_scale is None:
        from wfst_asr.recipe.model_dir import read_trained_model
        from wfst_asr.recipe.trained_graph import usual_acoustic_scale

        options = replace(options, acoustic_scale=usual_acoustic_scale(read_trained_model(model).tree))
    matrix = scores_of_recording(
        loaded, audio, options, model=model, adapt=english is not None if adapt is None else adapt
    )
    return loaded, matrix, options


def _matrix(scores: Path, utterance: str) -> Any:
    from wfst_asr.io.archives import read_matrices

    if not scores.exists():
        raise WfstAsrError(f"{scores}: no such file; expected score matrices in an ark or scp")
    for name, matrix in read_matrices(scores):
        if name == utterance:
            return matrix
    raise WfstAsrError(f"{scores}: has no utterance '{utterance}'; expected one of its ids in place of AUDIO")


def _words(reference: str, utterance: str, *, named: bool) -> list[str]:
    """Return the words of a reference: those given, or of a file that holds them."""
    path = Path(reference)
    try:
        is_file = path.is_file()
    except OSError:  # too long for a name
        is_file = False
    if not is_file:
        if named:
            raise WfstAsrError(f"{reference}: no such file; --utterance is of a REFERENCE file")
        return reference.split()
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    for line in lines:
        if line and line[0] == utterance:
            return line[1:]
    filled = [line for line in lines if line]
    if named or len(filled) > 1:
        raise WfstAsrError(f"{path}: has no line of '{utterance}'; name another with --utterance")
    return filled[0] if filled else []
