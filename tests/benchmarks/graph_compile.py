"""What compiling graphs takes, beside Kaldi's own code where the pip packages kaldifst and kaldi-hmm-gmm reach.

    python tests/benchmarks/graph_compile.py [--corpora DIR] [--part NAME ...] [--keep DIR] [--json]

Every measurement is a process of its own, so that CPU seconds and peak memory are its own; kernels are compiled before,
on a toy graph.  Parts:

    whole_english     PocketSphinx's model, dictionary and binary trigram to a const FST on disk (needs the extra english)
    lg_5k, lg_20k     min(det(L o G)) of the so many commonest words: directly, by our general operations, and by
                      kaldifst's compose, determinize_star and minimize_encoded, all with disambiguation symbols; and
                      without symbols, as the compiler of graphs needs it
    librispeech       books20k.arpa.gz over a model of recipes/librispeech_mini (--model DIR --lang DIR)
    hclg_5k           HCLG of 5,000 words and the same model, against Kaldi's steps
    kaldi_an4         HCLG of Kaldi's model of an4, against Kaldi's own (DIR/kaldi_an4)

The language model of lg_* and hclg_5k is DIR/lm/books20k.arpa.gz with DIR/lm/librispeech_mini_lexicon.txt where --corpora
is given (or WFST_ASR_CORPORA set), else PocketSphinx's with its dictionary.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
PARTS = ("whole_english", "lg_5k", "lg_20k", "librispeech", "hclg_5k", "kaldi_an4")
LG_PROGRAM = """
import json, sys, time, resource, kaldifst
folder = sys.argv[1]
began = time.process_time()
L, G = (kaldifst.StdVectorFst.read(f"{folder}/{name}.fst") for name in ("L_disambig", "G"))
steps, clock = {}, time.process_time()
kaldifst.arcsort(L, "olabel"); kaldifst.arcsort(G, "ilabel")
fst = kaldifst.compose(L, G)
def done(name):
    global clock
    arcs = sum(fst.num_arcs(s) for s in range(fst.num_states))
    now = time.process_time()
    steps[name] = {"states": fst.num_states, "arcs": arcs, "cpu_seconds": round(now - clock, 2)}
    clock = time.process_time()
done("L o G")
kaldifst.determinize_star(fst, use_log=True)
done("det")
kaldifst.minimize_encoded(fst)
done("min")
fst.write(f"{folder}/LG.fst")
total = sum(step["cpu_seconds"] for step in steps.values())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"cpu_seconds": round(total, 2), "peak_bytes": peak, **{k: steps["min"][k] for k in ("states", "arcs")}}))
"""


class Clock:
    """CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self._began = time.process_time()

    def record(self, states: int, arcs: int, **more: Any) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        seconds = round(time.process_time() - self._began, 2)
        return {"cpu_seconds": seconds, "peak_bytes": peak, "states": states, "arcs": arcs, **more}


def whole_english(folder: Path) -> dict[str, Any]:
    """Compile the graph of `wfst-asr demo`."""
    from wfst_asr.recipe.english_graph import EnglishGraphOptions, compile_english_graph, english_files

    clock = Clock()
    manifest = compile_english_graph(english_files(), folder / "graph", EnglishGraphOptions())
    made = clock.record(manifest.steps[-1].states, manifest.steps[-1].arcs)
    made["bytes"] = (folder / "graph" / "HCLG.fst").stat().st_size
    made["steps"] = [[s.name, s.states, s.arcs, s.cpu_seconds, s.peak_mb] for s in manifest.steps]
    return made


def language(corpora: Path | None, num_words: int) -> Any:
    """Return the language model, and the lexicon of its so many commonest words with optional silence."""
    from wfst_asr.lexicon.files import read_lexicon
    from wfst_asr.lexicon.lexicon import Lexicon
    from wfst_asr.lm.model_files import read_model
    from wfst_asr.recipe.english_graph import english_files
    from wfst_asr.sphinx.dictionary import read_dictionary
    from wfst_asr.sphinx.lm import read_lm

    if corpora is not None:
        lm = read_model(corpora / "lm" / "books20k.arpa.gz")
        lexicon = read_lexicon(corpora / "lm" / "librispeech_mini_lexicon.txt")
    else:
        files = english_files()
        lm, lexicon = read_lm(files.language_model), read_dictionary(files.dictionary)
    spoken = set(lexicon.words)
    log_prob = lm.levels[0].log_prob
    known = sorted((word for word in lm.words if word in spoken), key=lambda word: -log_prob[lm.word_ids[word]])
    chosen = set(known[:num_words])
    return lm, Lexicon(tuple(entry for entry in lexicon.entries if entry.word in chosen))


def write_language(corpora: Path | None, num_words: int, folder: Path) -> None:
    """Write a lang directory and G.fst of the so many commonest words."""
    from wfst_asr.fst.ops import write_fst
    from wfst_asr.graph.grammar_fst import grammar_fst
    from wfst_asr.graph.lang_dir import make_lang_dir
    from wfst_asr.lexicon.phone_set import PhoneSet

    lm, lexicon = language(corpora, num_words)
    lang = make_lang_dir(lexicon, folder / "lang", PhoneSet.of_lexicon(lexicon, silence=("SIL",)))
    write_fst(grammar_fst(lm, lang.words), folder / "G.fst")
    (folder / "L_disambig.fst").write_bytes((folder / "lang" / "L_disambig.fst").read_bytes())


def direct_lg(folder: Path) -> dict[str, Any]:
    """Build min(det(L o G)) directly, with disambiguation symbols as Kaldi's."""
    from wfst_asr.graph.symbol_trees import lg_with_symbols

    words, phones, lexicon, grammar = parts_of(folder)
    clock = Clock()
    lg = lg_with_symbols(
        lexicon, grammar, disambig=phones.disambiguation_ids, backoff_phone=phones["#0"], backoff_word=words["#0"]
    )
    return clock.record(lg.num_states, lg.num_arcs)


def plain_lg(folder: Path) -> dict[str, Any]:
    """Build it without symbols, as the compiler of graphs does."""
    from wfst_asr.graph.direct import merge_equal_states
    from wfst_asr.graph.lexical_tree import lexical_tree_lg, pronunciation_arrays_of_rows
    from wfst_asr.graph.lexicon_parts import lexicon_parts

    words, phones, lexicon, grammar = parts_of(folder)
    clock = Clock()
    parts = lexicon_parts(lexicon, phones.disambiguation_ids)
    lg = lexical_tree_lg(
        pronunciation_arrays_of_rows(parts.pronunciations),
        grammar,
        backoff_label=words["#0"],
        silence_phone=parts.silence_phone,
        silence_prob=parts.silence_prob,
    )
    lg = merge_equal_states(lg, rounds=1)
    return clock.record(lg.num_states, lg.num_arcs)


def parts_of(folder: Path) -> tuple[Any, Any, Any, Any]:
    """Return words, phones, L and G."""
    from wfst_asr.fst.ops import as_table, read_fst
    from wfst_asr.fst.symbols import read_symbols

    words, phones = read_symbols(folder / "lang" / "words.txt"), read_symbols(folder / "lang" / "phones.txt")
    lexicon, grammar = (as_table(read_fst(folder / f"{name}.fst")) for name in ("L_disambig", "G"))
    return words, phones, lexicon, grammar


def general_lg(folder: Path) -> dict[str, Any]:
    """Build min(det(L o G)) by our general operations, as the OpenFst path does."""
    from wfst_asr.fst.determinize import determinize_star
    from wfst_asr.fst.ops import as_table, compose, minimize_encoded, read_fst

    lexicon, grammar = (as_table(read_fst(folder / f"{name}.fst")) for name in ("L_disambig", "G"))
    clock = Clock()
    lg = minimize_encoded(determinize_star(compose(lexicon, grammar)))
    return clock.record(lg.num_states, lg.num_arcs)


def trained(lang: Path, grammar: Path, model: Path, folder: Path) -> dict[str, Any]:
    """Compile HCLG of a trained model."""
    from wfst_asr.recipe.trained_graph import compile_trained_graph

    clock = Clock()
    made = compile_trained_graph(lang, grammar, model, folder / "graph")
    steps = [[s.name, s.states, s.arcs, s.cpu_seconds, s.peak_mb] for s in made.manifest.steps]
    return clock.record(made.num_states, made.num_arcs, method=made.method, steps=steps)


def in_process(function: str, *arguments: Any) -> dict[str, Any]:
    """Run a function of this file in a fresh process; the last line that it prints is the result."""
    command = [sys.executable, str(Path(__file__)), "--run", json.dumps([function, *map(_told, arguments)])]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise click.ClickException(f"{function}: {run.stderr.strip().splitlines()[-1]}")
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def _told(value: Any) -> Any:
    return {"path": str(value)} if isinstance(value, Path) else value


def _meant(value: Any) -> Any:
    return Path(value["path"]) if isinstance(value, dict) else value


def kaldi_lg(folder: Path) -> dict[str, Any]:
    run = subprocess.run([sys.executable, "-c", LG_PROGRAM, str(folder)], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def measure_lg(corpora: Path | None, num_words: int, folder: Path) -> dict[str, Any]:
    """Compare the ways to min(det(L o G))."""
    in_process("write_language", corpora, num_words, folder)
    ours, plain, general = (in_process(name, folder) for name in ("direct_lg", "plain_lg", "general_lg"))
    theirs = kaldi_lg(folder)
    return {
        **ours,
        **{f"without_symbols_{key}": value for key, value in plain.items()},
        **{f"openfst_path_{key}": value for key, value in general.items()},
        **{f"kaldifst_{key}": value for key, value in theirs.items()},
        "times_faster": round(theirs["cpu_seconds"] / ours["cpu_seconds"], 2),
        "arcs_ratio": round(ours["arcs"] / theirs["arcs"], 5),
    }


def measure_hclg(lang: Path, grammar: Path, model: Path, folder: Path, golden: Path | None = None) -> dict[str, Any]:
    """Compare HCLG with the one that Kaldi's code makes of the same parts."""
    program = ROOT / "tests" / "reference" / "kaldi_graph.py"
    in_process("write_kaldi_parts", lang, grammar, model, folder)
    ours = in_process("trained", lang, grammar, model, folder)
    run = subprocess.run(
        [sys.executable, str(program), str(folder), str(folder), "1.0", "0.1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    steps = json.loads(run.stdout)["steps"]
    seconds = round(sum(step["cpu_seconds"] for step in steps.values()), 2)
    result = {
        **ours,
        "kaldi_cpu_seconds": seconds,
        "kaldi_states": steps["asl(HCLG)"]["states"],
        "kaldi_arcs": steps["asl(HCLG)"]["arcs"],
        "times_faster": round(seconds / ours["cpu_seconds"], 2),
        "states_ratio": round(ours["states"] / steps["asl(HCLG)"]["states"], 4),
    }
    if golden is not None:
        result["mkgraph"] = in_process("compare_graphs", folder / "graph" / "HCLG.fst", golden)
    return result


def write_kaldi_parts(lang: Path, grammar: Path, model: Path, folder: Path) -> None:
    """Write what tests/reference/kaldi_graph.py reads."""
    from wfst_asr.fst.symbols import read_symbols
    from wfst_asr.hmm.topology import write_topology
    from wfst_asr.kaldi.transition_model import read_transition_model
    from wfst_asr.kaldi.tree import read_tree, write_tree

    transitions = read_transition_model(model / "final.mdl")
    (folder / "L_disambig.fst").write_bytes((lang / "L_disambig.fst").read_bytes())
    (folder / "G.fst").write_bytes(grammar.read_bytes())
    write_tree(read_tree(model / "tree"), folder / "tree")
    write_topology(transitions.topology, folder / "topo")
    symbols = read_symbols(lang / "phones.txt").disambiguation_ids
    (folder / "disambig.int").write_text("\n".join(map(str, symbols)))
    (folder / "log_probs.json").write_text(json.dumps(transitions.log_prob.tolist()))


def compare_graphs(ours: Path, golden: Path) -> dict[str, Any]:
    """Compare random paths of two graphs."""
    import numpy as np

    from wfst_asr.fst.arcs import read_const_fst
    from wfst_asr.fst.paths import compare_paths

    first, second = read_const_fst(ours), read_const_fst(golden)
    told = compare_paths(first, second, rng=np.random.default_rng(0), num_paths=100, max_arcs=200)
    sizes = {"states": second.num_states, "arcs": second.num_arcs}
    return {**sizes, "paths": told.num_paths, "missing": told.num_missing, "worst_per_symbol": told.worst_per_symbol}


def grammar_of(lm: Path, lang: Path, out: Path) -> None:
    """Write G.fst of a language model."""
    from wfst_asr.fst.ops import write_fst
    from wfst_asr.fst.symbols import read_symbols
    from wfst_asr.graph.grammar_fst import grammar_fst
    from wfst_asr.lm.model_files import read_model

    write_fst(grammar_fst(read_model(lm), read_symbols(lang / "words.txt")), out)


def small_grammar(corpora: Path | None, num_words: int, lang: Path, out: Path) -> None:
    """Write G.fst of the so many commonest words of a lang directory."""
    from wfst_asr.fst.ops import write_fst
    from wfst_asr.fst.symbols import SymbolTable, read_symbols
    from wfst_asr.graph.grammar_fst import grammar_fst

    lm, lexicon = language(corpora, num_words)
    words, kept = read_symbols(lang / "words.txt"), set(lexicon.words)
    table = {name: n for name, n in words.items() if name in kept or n == 0 or name in ("#0", "<s>", "</s>")}
    write_fst(grammar_fst(lm, SymbolTable(table)), out)


@click.command()
@click.option("--corpora", type=click.Path(path_type=Path), envvar="WFST_ASR_CORPORA", help="Folder of corpora.")
@click.option("--model", type=click.Path(path_type=Path), help="Triphones of recipes/librispeech_mini.")
@click.option("--lang", type=click.Path(path_type=Path), help="Their lang directory.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the graphs, which are deleted otherwise.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
@click.option("--run", "call", hidden=True)
def main(
    corpora: Path | None,
    model: Path | None,
    lang: Path | None,
    keep: Path | None,
    parts: tuple[str, ...],
    as_json: bool,
    call: str | None,
) -> None:
    """Measure the compilation of graphs."""
    if call is not None:
        warnings.simplefilter("ignore")
        name, *arguments = json.loads(call)
        click.echo(json.dumps(globals()[name](*map(_meant, arguments)) or {}))
        return
    told: dict[str, Any] = {}
    wanted = parts or PARTS
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "warm").mkdir()
        in_process("write_language", None if corpora is None else corpora, 50, Path(work) / "warm")
        in_process("direct_lg", Path(work) / "warm")
        for part in wanted:
            folder = (keep or Path(work)) / part
            folder.mkdir(parents=True)
            result = _measured(part, corpora, model, lang, folder)
            if result is None:
                continue
            told[part] = result
            click.echo(f"{part}:")
            for key, value in result.items():
                if key != "steps":
                    click.echo(f"  {key:<28} {value:,}" if isinstance(value, int) else f"  {key:<28} {value}")
            for step in result.get("steps", ()):
                click.echo(f"    {step[0]:<28}{step[1]:>12,}{step[2]:>12,}{step[3]:>9.2f} s{step[4]:>9.0f} MB")
    if as_json:
        click.echo(json.dumps(told))


def _measured(
    part: str, corpora: Path | None, model: Path | None, lang: Path | None, folder: Path
) -> dict[str, Any] | None:
    if part == "whole_english":
        return in_process("whole_english", folder)
    if part.startswith("lg_"):
        return measure_lg(corpora, {"lg_5k": 5000, "lg_20k": 20000}[part], folder)
    if part == "kaldi_an4":
        if corpora is None:
            click.echo("kaldi_an4: left out; give --corpora")
            return None
        an4 = corpora / "kaldi_an4"
        whole = folder / "lang"  # the corpus has the symbol tables beside its graph
        shutil.copytree(an4 / "lang", whole)
        for name in ("words.txt", "phones.txt"):
            shutil.copy(an4 / "graph" / name, whole / name)
        return measure_hclg(whole, whole / "G.fst", an4 / "model", folder, an4 / "graph" / "HCLG.fst")
    if corpora is None or model is None or lang is None:
        click.echo(f"{part}: left out; give --corpora, --model and --lang")
        return None
    if part == "librispeech":
        return in_process("trained", lang, corpora / "lm" / "books20k.arpa.gz", model, folder)
    in_process("small_grammar", corpora, 5000, lang, folder / "G5k.fst")
    return measure_hclg(lang, folder / "G5k.fst", model, folder)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
