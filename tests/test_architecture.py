"""The import table of docs/architecture.md, the length of modules, and a command line that starts fast."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wfst_asr"
MAX_LINES = 400
FORBIDDEN_NAMES = {"utils", "base", "core", "common", "helpers", "misc", "manager"}

EVERYBODY = {"errors", "logmath", "atomic_files"}
MODELS = {"io", "tree", "hmm", "gmm", "lattice", "fst", "lexicon", "lm"}
TRAINING = {"features", "gmm", "tree", "hmm", "graph", "align", "neural"}
BELOW_RECIPE = MODELS | TRAINING | {"ctc", "score", "decoder", "train", "sphinx", "kaldi"}

# Package -> what it may import of ours: packages, or modules ("fst.arcs") where only these are meant.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "logmath": set(),
    "atomic_files": set(),
    "io": set(),
    "features": set(),
    "lexicon": set(),
    "lm": set(),
    "tree": set(),
    "gmm": set(),
    "ctc": set(),
    "score": set(),
    "hmm": {"tree"},
    "fst": set(),
    "lattice": {"fst"},
    "graph": {"fst", "lexicon", "lm", "tree", "hmm"},
    "decoder": {"fst.arcs", "fst.manifest", "lattice"},
    "align": {"graph", "decoder", "hmm"},
    "neural": {"ctc"},
    "train": TRAINING | {"fst"},
    "sphinx": MODELS | {"features"},
    "kaldi": MODELS,
    "recipe": BELOW_RECIPE,
    "plots": BELOW_RECIPE,
    "cli": BELOW_RECIPE | {"recipe", "plots"},
    "": {"decoder", "fst.arcs", "fst.manifest"},  # wfst_asr/__init__.py
}
IMPORTS_PYNINI = ("wfst_asr.fst", "wfst_asr.graph", "grammars")
NEVER_PYNINI = ("wfst_asr.fst.arcs", "wfst_asr.fst.manifest")
PYNINI = {"pynini", "pywrapfst", "_pywrapfst", "_pynini"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write it from wfst_asr on"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def starts_with(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def tracked_python_files() -> list[Path]:
    """All Python files of the repository: those git knows, or (in an unpacked archive) those that are there."""
    listing = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode == 0 and listing.stdout:
        return [path for path in (ROOT / name for name in listing.stdout.splitlines()) if path.exists()]
    return [path for folder in ("wfst_asr", "grammars", "tests", "docs") for path in (ROOT / folder).rglob("*.py")]


FILES = tracked_python_files()
PACKAGE_FILES = sorted(PACKAGE.rglob("*.py"))
LIBRARY_FILES = PACKAGE_FILES + sorted((ROOT / "grammars").rglob("*.py"))


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=module_name)
def test_modules_import_what_the_table_allows(path: Path) -> None:
    own = module_name(path).split(".")[1:]
    package = own[0] if own else ""
    assert package in MAY_IMPORT, f"package '{package}' has no row in the import table; add one with its reason"
    allowed = MAY_IMPORT[package] | EVERYBODY | ({package} if package else set())
    for name in imported_names(path):
        target = name.removeprefix("wfst_asr").lstrip(".") if name.split(".")[0] == "wfst_asr" else ""
        if target:
            prefixes = tuple(sorted(allowed))
            assert starts_with(target, prefixes), f"{path.relative_to(ROOT)} imports {name}; allowed: {prefixes}"


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=module_name)
def test_only_fst_graph_and_grammars_import_pynini(path: Path) -> None:
    name = module_name(path)
    if not starts_with(name, IMPORTS_PYNINI) or name in NEVER_PYNINI:
        found = {imported for imported in imported_names(path) if imported.split(".")[0] in PYNINI}
        assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_the_table_itself_has_no_cycles_and_nobody_may_import_the_command_line() -> None:
    done: set[str] = set()
    packages = {name: {entry.split(".")[0] for entry in entries} for name, entries in MAY_IMPORT.items()}
    while ready := {name for name, entries in packages.items() if name not in done and entries <= done | EVERYBODY}:
        done |= ready
    assert done == set(packages)
    assert not any("cli" in entries for entries in packages.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_short_and_named_for_what_they_do(path: Path) -> None:
    lines = path.read_text("utf-8").count("\n")
    assert lines <= MAX_LINES, f"{lines} lines; look for the noun that wants its own file"
    assert not FORBIDDEN_NAMES & {part.lstrip("_") for part in path.relative_to(ROOT).with_suffix("").parts}


def commands() -> dict[str, tuple[str, str, str]]:
    from wfst_asr.cli import main

    return main._COMMANDS


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_shows_its_help(name: str) -> None:
    module, attribute, _ = commands()[name]
    command = getattr(importlib.import_module(module), attribute)
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_command_line_starts_without_heavy_imports() -> None:
    script = "import sys, wfst_asr.cli.main; print(*sorted({'numba', 'pynini', 'scipy', 'torch'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
