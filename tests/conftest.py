"""What all tests share: hypothesis without deadlines, and the corpora of recordings where a machine has them."""

import os
from pathlib import Path

import hypothesis
import pytest

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


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Look for tests and doctests in test modules only.

    The others are naive twins, programs that tests run in a process of their own (Kaldi's code and pynini must not meet
    in one), and benchmarks; `--doctest-modules` would import them all.
    """
    name = collection_path.name
    if collection_path.suffix == ".py" and not name.startswith("test_") and name not in ("__init__.py", "conftest.py"):
        return True
    return None
