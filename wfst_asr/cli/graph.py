"""`wfst-asr graph`: compile HCLG from a lang directory and a model, and tell what a graph holds."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from wfst_asr.errors import WfstAsrError


@click.group()
def graph() -> None:
    """Compile and inspect HCLG graphs."""


@graph.command("compile")
@click.argument("lang_dir", metavar="LANG_DIR", type=click.Path(path_type=Path))
@click.argument("model_dir", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.argument("out_dir", metavar="OUT_DIR", type=click.Path(path_type=Path))
@click.option("--g", "--G", "grammar", metavar="FST", type=click.Path(path_type=Path), help="G  [LANG_DIR/G.fst]")
@click.option("--transition-scale", default=1.0, show_default=True, help="Scale of transition log probabilities.")
@click.option("--self-loop-scale", default=0.1, show_default=True, help="Scale of self-loop log probabilities.")
@click.option("--acoustic-scale", default=1 / 12, help="Scale of acoustic scores in decoding, for the manifest  [1/12]")
@click.option("--frame-shift-ms", default=10.0, show_default=True, help="Time between frames, for the manifest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compile_graph(
    lang_dir: Path,
    model_dir: Path,
    out_dir: Path,
    grammar: Path | None,
    transition_scale: float,
    self_loop_scale: float,
    acoustic_scale: float,
    frame_shift_ms: float,
    as_json: bool,
) -> None:
    """Compile HCLG into the graph folder OUT_DIR.

    LANG_DIR has L_disambig.fst, G.fst, words.txt, phones.txt; MODEL_DIR has Kaldi's tree and final.mdl.
    """
    from wfst_asr.atomic_files import check_writable_folder
    from wfst_asr.cli.step_progress import print_steps, progress_of_steps
    from wfst_asr.fst.manifest import Manifest
    from wfst_asr.fst.ops import read_fst
    from wfst_asr.fst.symbols import EPSILON, read_symbols
    from wfst_asr.graph.graph_dir import transition_input_labels, write_graph_dir
    from wfst_asr.graph.hclg import HclgOptions, compile_hclg
    from wfst_asr.graph.lang_validation import check_lexicon_labels
    from wfst_asr.kaldi.transition_model import read_transition_model
    from wfst_asr.kaldi.tree import read_tree

    check_writable_folder(out_dir)
    inputs = {
        "L": lang_dir / "L_disambig.fst",
        "G": grammar or lang_dir / "G.fst",
        "tree": model_dir / "tree",
        "model": model_dir / "final.mdl",
    }
    options = HclgOptions(transition_scale=transition_scale, self_loop_scale=self_loop_scale)
    words, phones = read_symbols(lang_dir / "words.txt"), read_symbols(lang_dir / "phones.txt")
    tree, model = read_tree(inputs["tree"]), read_transition_model(inputs["model"])
    for phone in model.topology.phones:
        if phone not in phones.names:
            raise WfstAsrError(
                f"{lang_dir / 'phones.txt'}: phone {phone} of the model is missing; take the model's own"
            )
    lexicon = read_fst(inputs["L"], remedy=f"make it with: wfst-asr lang make lexicon.txt {lang_dir}")
    check_lexicon_labels(lexicon, words, phones, model_phones=model.topology.phones)
    g = read_fst(inputs["G"], remedy=f"make it with: wfst-asr lm compile lm.arpa {lang_dir}")
    with progress_of_steps() as report:
        result = compile_hclg(
            lexicon,
            g,
            tree,
            model,
            phone_disambig=phones.disambiguation_ids,
            options=options,
            report=report,
            phone_name=lambda label: phones.names.get(label, str(label)),
            word_name=lambda label: words.names.get(label, str(label)),
        )
    manifest = Manifest(
        label_kind="transition-id",
        num_columns=model.num_pdfs,
        column_names="pdf-id of final.mdl",
        frame_shift_s=frame_shift_ms / 1000,
        acoustic_scale=acoustic_scale,
        self_loop_scale=self_loop_scale,
        transition_scale=transition_scale,
        silence_phones=tuple(line.strip() for line in _lines(lang_dir / "phones" / "silence.txt")),
        inputs={name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in inputs.items()},
        options=asdict(options),
        steps=result.steps,
    )
    # "word word phones", where the first column names the word to show and the second the one in the graph
    rows = [line.split() for line in _lines(lang_dir / "phones" / "align_lexicon.txt")]
    write_graph_dir(
        out_dir,
        result.fst,
        words=words,
        phones=phones,
        input_labels=transition_input_labels(model),
        manifest=manifest,
        align_lexicon=[(row[1], row[2:]) for row in rows if len(row) > 2 and row[1] != EPSILON] if rows else None,
    )
    if as_json:
        click.echo(json.dumps({"graph": str(out_dir), "steps": [asdict(step) for step in result.steps]}))
        return
    print_steps(result.steps)
    click.echo(f"{out_dir}: {result.fst.num_states:,} states, {result.fst.num_arcs:,} arcs")


@graph.command("info")
@click.argument("path", metavar="GRAPH", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(path: Path, as_json: bool) -> None:
    """Tell the sizes and properties of GRAPH, a graph folder or a const FST file."""
    from wfst_asr.cli.step_progress import print_steps
    from wfst_asr.fst.arcs import read_const_fst
    from wfst_asr.fst.manifest import MANIFEST_NAME, read_manifest
    from wfst_asr.fst.properties import describe
    from wfst_asr.graph.graph_dir import HCLG_NAME

    manifest = None
    if path.is_dir():
        file = path / HCLG_NAME
        manifest = read_manifest(path) if (path / MANIFEST_NAME).exists() else None
    else:
        file = path
    facts = asdict(describe(read_const_fst(file)))
    if as_json:
        told = {"file": str(file), **{name: _finite(value) for name, value in facts.items()}}
        click.echo(json.dumps({**told, "manifest": asdict(manifest) if manifest else None}))
        return
    click.echo(f"{file}")
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        click.echo(f"  {name.replace('_', ' '):<20} {shown}")
    if manifest:
        click.echo(f"  {'input labels':<20} {manifest.label_kind}; {manifest.num_columns} {manifest.column_names}")
        click.echo(f"  {'scales':<20} transitions {manifest.transition_scale}, self-loops {manifest.self_loop_scale}")
        click.echo(f"  {'made by':<20} {manifest.made_by}")
        print_steps(manifest.steps)


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise WfstAsrError(f"{path}: not UTF-8 text; make the lang directory again") from error
        yield from (line for line in text.splitlines() if line.strip())


def _finite(value: float) -> float | None:
    return value if value not in (float("inf"), float("-inf")) else None
