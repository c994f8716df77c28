"""Kill the graph compiler (SIGKILL) at random moments: the next run takes up the finished steps and ends in the same bytes.

    python tests/benchmarks/graph_kill.py --toy [--method openfst] [--kills 10] [--seed 0] [--json]
    python tests/benchmarks/graph_kill.py --lang DIR --lm FILE --model DIR
    python tests/benchmarks/graph_kill.py --english

The compiler runs in forked processes, whose kernels were loaded before, so that the moments fall into the compilation and
not into Python's start.  A line a kill: when, in which step, what the next run took over, its CPU seconds beside those of
an uninterrupted run, and whether all files are the same; of the manifest all but times and memory.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
TIMES = ("seconds", "cpu_seconds", "peak_mb")
Compile = Callable[[Path, Callable[[str, Any], None]], tuple[str, ...]]


def toy_compiler(folder: Path, method: Any, num_words: int = 300) -> Compile:
    """Write a lang directory, a language model and a model of random words; return what compiles them."""
    import numpy as np

    from tests.graph.toy_graph import arpa_text, toy_tree
    from wfst_asr.graph.lang_dir import make_lang_dir
    from wfst_asr.hmm.transition_model import transition_model_from_tree
    from wfst_asr.lexicon.lexicon import Lexicon
    from wfst_asr.lexicon.phone_set import PhoneSet
    from wfst_asr.recipe.trained_graph import TrainedGraphOptions, compile_trained_graph

    rng = np.random.default_rng(5)
    phones = ["AH", "B", "D", "EH", "IY", "K", "L", "N", "S", "T"]
    spoken = [" ".join(rng.choice(phones, size=rng.integers(2, 6))) for _ in range(num_words)]
    lexicon = Lexicon.from_pairs([(f"w{number}", text) for number, text in enumerate(spoken)])
    lang = make_lang_dir(lexicon, folder / "lang", PhoneSet.of_lexicon(lexicon, silence=("SIL",)))
    words = [str(word) for word in lexicon.words]
    (folder / "lm.arpa").write_text(arpa_text(words[: 40 if method == "openfst" else 100], rng))
    topology = lang.topology()
    tree = toy_tree(topology, lang.phones["SIL"], rng, width=3, central=1)
    model = tree, transition_model_from_tree(tree, topology)

    def compiled(out: Path, report: Callable[[str, Any], None]) -> tuple[str, ...]:
        options = TrainedGraphOptions(method)
        made = compile_trained_graph(folder / "lang", folder / "lm.arpa", model, out, options=options, report=report)
        return made.taken_over

    return compiled


def trained_compiler(lang: Path, lm: Path, model: Path, method: Any) -> Compile:
    from wfst_asr.recipe.trained_graph import TrainedGraphOptions, compile_trained_graph

    def compiled(out: Path, report: Callable[[str, Any], None]) -> tuple[str, ...]:
        options = TrainedGraphOptions(method)
        return compile_trained_graph(lang, lm, model, out, options=options, report=report).taken_over

    return compiled


def english_compiler() -> Compile:
    from wfst_asr.recipe.english_graph import EnglishGraphOptions, compile_english_graph, english_files

    def compiled(out: Path, report: Callable[[str, Any], None]) -> tuple[str, ...]:
        ended = set()

        def tell(name: str, step: Any) -> None:
            ended.add(name)
            report(name, step)

        manifest = compile_english_graph(english_files(), out, EnglishGraphOptions(), tell)
        return tuple(step.name for step in manifest.steps if step.name not in ended)

    return compiled


def in_child(compiled: Compile, out: Path, log: Path) -> int:
    """Compile in a forked process; return its id.  The log has a line a step that began, and one at the end."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        with log.open("w", buffering=1) as file:
            taken = compiled(out, lambda name, step: None if step else print(name, file=file))
            print(json.dumps(taken), file=file)
        status = 0
    finally:
        os._exit(status)


def finished(process: int) -> float:
    """Wait for a process; return its CPU seconds."""
    _, status, usage = os.wait4(process, 0)
    if status:
        raise click.ClickException(f"the compiler ended with status {status}")
    return usage.ru_utime + usage.ru_stime


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a graph folder, the manifest without times and memory."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    manifest = json.loads(found["manifest.json"])
    for step in manifest["steps"]:
        for name in TIMES:
            del step[name]
    return found | {"manifest.json": json.dumps(manifest).encode()}


def kill_at(compiled: Compile, out: Path, log: Path, after_s: float) -> tuple[str, float]:
    """Kill a compilation; return the step that it was in, and when it was killed."""
    began = time.monotonic()
    process = in_child(compiled, out, log)
    time.sleep(max(after_s, 0.0))
    os.kill(process, signal.SIGKILL)
    killed = time.monotonic() - began
    _, status, _ = os.wait4(process, 0)
    if not os.WIFSIGNALED(status):
        return "", killed
    begun = log.read_text().split("\n")[:-1] if log.exists() else []
    return begun[-1] if begun else "before the first step", killed


@click.command()
@click.option("--toy", is_flag=True, help="A graph of random words.")
@click.option("--english", is_flag=True, help="The graph of wfst-asr demo (needs the extra english).")
@click.option("--lang", type=click.Path(path_type=Path), help="Lang directory.")
@click.option("--lm", type=click.Path(path_type=Path), help="Language model.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder with tree and final.mdl.")
@click.option("--method", type=click.Choice(["auto", "direct", "openfst"]), default="auto", show_default=True)
@click.option("--kills", default=10, show_default=True, help="How often.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
@click.option("--work", type=click.Path(path_type=Path), help="Folder for the graphs.  [default: a temporary one]")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(
    toy: bool,
    english: bool,
    lang: Path | None,
    lm: Path | None,
    model: Path | None,
    method: str,
    kills: int,
    seed: int,
    work: Path | None,
    as_json: bool,
) -> None:
    """Kill the compiler again and again."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=work) as temporary:
        folder = Path(temporary)
        small = toy_compiler(folder, method if toy else "direct")
        small(folder / "warm", lambda *_: None)
        if toy:
            compiled = small
        elif english:
            compiled = english_compiler()
        elif lang and lm and model:
            compiled = trained_compiler(lang, lm, model, method)
        else:
            raise click.UsageError("give --toy, --english, or --lang, --lm and --model")
        told = measured(compiled, folder, kills, random.Random(seed))
    if as_json:
        click.echo(json.dumps(told))
    if not all(row["identical"] for row in told["kills"]):
        sys.exit(1)


def measured(compiled: Compile, folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    began = time.monotonic()
    whole_cpu = finished(in_child(compiled, folder / "whole", folder / "log"))
    whole = time.monotonic() - began
    expected = contents(folder / "whole")
    shutil.rmtree(folder / "whole")
    click.echo(f"uninterrupted: {whole:.2f} s, {whole_cpu:.2f} CPU seconds")
    rows: list[dict[str, Any]] = []
    while len(rows) < kills:
        out = folder / "killed"
        shutil.rmtree(out, ignore_errors=True)
        step, killed = kill_at(compiled, out, folder / "log", rng.uniform(0.0, 1.0) * whole)
        if not step:  # it was faster than the signal
            continue
        cpu = finished(in_child(compiled, out, folder / "log"))
        taken = json.loads((folder / "log").read_text().splitlines()[-1])
        row = {
            "killed_at_s": round(killed, 3),
            "in_step": step,
            "taken_over": taken,
            "cpu_seconds": round(cpu, 2),
            "identical": contents(out) == expected and not (out / ".steps").exists(),
        }
        rows.append(row)
        click.echo(
            f"killed at {killed:6.2f} s in {step}; the next run took over {', '.join(taken) or 'nothing'}; "
            f"{cpu:.2f} CPU seconds; {'identical' if row['identical'] else 'DIFFERENT'}"
        )
    return {"seconds": round(whole, 2), "cpu_seconds": round(whole_cpu, 2), "kills": rows}


if __name__ == "__main__":
    main()
