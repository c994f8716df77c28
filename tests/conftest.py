"""What all tests share: hypothesis without deadlines, and the corpora of recordings where a machine has them."""

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.synthetic_speech import Spoken

CORPORA_VARIABLE = "WFST_ASR_CORPORA"

hypothesis.settings.register_profile("wfst_asr", deadline=None, print_blob=True)
hypothesis.settings.load_profile("wfst_asr")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Return the folder of corpora that the environment variable names; skip the test where it names none."""
    folder = os.environ.get(CORPORA_VARIABLE)
    if not folder:
        pytest.skip(f"{CORPORA_VARIABLE} is not set; it names the folder of corpora")
    return Path(folder)


@pytest.fixture(scope="session")
def toy_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that `tests/toy_world.py` makes; not to be changed."""
    from tests.toy_world import make_world

    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> "Spoken":
    """Return the corpus and the lexicon that `tests/synthetic_speech.py` makes; not to be changed."""
    from tests.synthetic_speech import make_speech

    return make_speech(tmp_path_factory.mktemp("spoken"))


@pytest.fixture(scope="session")
def trained_on_spoken(spoken: "Spoken", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the models mono/ and deltas/ of the made-up speech; not to be changed."""
    from tests.synthetic_speech import DIALS
    from tests.toy_world import status_of

    root = tmp_path_factory.mktemp("trained")
    assert status_of("train", "mono", spoken.data, spoken.lang, root / "mono", *DIALS) == 0
    mono = root / "mono"
    assert status_of("train", "deltas", spoken.data, spoken.lang, mono, root / "deltas", *DIALS, "--num-leaves", 9) == 0
    return root


@pytest.fixture
def here(spoken: "Spoken", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with a copy of the data/ and lang/ of the made-up speech."""
    shutil.copytree(spoken.data, tmp_path / "data")
    shutil.copytree(spoken.lang, tmp_path / "lang")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
    return tmp_path


@pytest.fixture
def world(toy_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the toy world, which is the working folder."""
    shutil.copytree(toy_world, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
    return tmp_path / "world"


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Return a check that a command ends with status 1 and one sentence that has a message in it."""
    from tests.toy_world import status_of

    def check(message: str, *arguments: object) -> None:
        capsys.readouterr()
        assert status_of(*arguments) == 1
        told = capsys.readouterr().err
        assert message in told
        assert told.startswith("wfst-asr: ")
        assert told.count("\n") == 1, told

    return check


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Look for tests and doctests in test modules only.

    The others are naive twins, programs that tests run in a process of their own (Kaldi's code and pynini must not meet
    in one), and benchmarks; `--doctest-modules` would import them all.
    """
    name = collection_path.name
    if collection_path.suffix == ".py" and not name.startswith("test_") and name not in ("__init__.py", "conftest.py"):
        return True
    return None
