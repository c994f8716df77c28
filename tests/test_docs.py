"""The console examples of README.md and docs/ run and print what they show; links lead somewhere.

A fenced block `text file=NAME` (any language) is written to NAME in a temporary folder; a block `console` holds commands
after `$ ` and what they print.  The blocks of a page run in order, in one folder.  `...` stands for any text.  Python
examples with `>>>` are doctests, which pytest collects by itself.
"""

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "recipes")
PAGES = [ROOT / "README.md", *(page for name in FOLDERS for page in sorted((ROOT / name).rglob("*.md")))]
FENCE = re.compile(r"^```(\w+)[ ]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")

# Commands that are shown and not run: the first words, and why.
NOT_RUN = {
    "wfst-asr demo": "compiles the English graph, which takes minutes",
    "wfst-asr transcribe": "needs the English graph",
}


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Return language, the rest of the fence line, and content of every fenced block."""
    return FENCE.findall(page.read_text("utf-8"))


def commands(content: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block and what it prints; `> ` goes on with a command."""
    for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        count = 1
        while count < len(lines) and lines[count].startswith("> "):
            count += 1
        command = "\n".join([lines[0], *(line[2:] for line in lines[1:count])])
        yield command, "".join(line + "\n" for line in lines[count:])


def reason_not_to_run(command: str) -> str | None:
    return next((reason for start, reason in NOT_RUN.items() if command.startswith(start)), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_console_examples_print_what_they_show(page: Path, tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    checker = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for language, rest, content in blocks(page):
        if rest.startswith("file="):
            file = tmp_path / rest.removeprefix("file=").strip()
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, "utf-8")
        elif language == "console":
            for command, expected in commands(content):
                if reason_not_to_run(command):
                    continue
                bash = shutil.which("bash")
                assert bash is not None
                result = subprocess.run(
                    [bash, "-c", command],
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                shown = f"$ {command}\n{result.stdout}"
                assert checker.check_output(expected, result.stdout, flags), f"{shown}\nthe page shows:\n{expected}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}, which is not there"


def test_every_page_is_linked_from_the_readme_or_a_page() -> None:
    linked = {(page.parent / target).resolve() for page in PAGES for target in LINK.findall(page.read_text("utf-8"))}
    assert {page.resolve() for page in PAGES[1:]} <= linked


def test_the_readme_shows_each_command_once_between_its_markers() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in ("demo", "test"):
        found = re.findall(rf"<!-- {name} command -->\n```sh\n([^\n]+)\n```\n<!-- end of {name} command -->", readme)
        assert len(found) == 1
        assert found[0].startswith("python3.11 -m venv .venv && .venv/bin/pip install ")
