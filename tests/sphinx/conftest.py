"""The model files that the pip package pocketsphinx ships."""

from pathlib import Path

import pytest

from wfst_asr.sphinx.mdef import ModelDefinition, read_mdef


@pytest.fixture(scope="session")
def english() -> Path:
    """Folder with the English dictionary and language model; the acoustic model is its subfolder en-us."""
    pocketsphinx = pytest.importorskip("pocketsphinx")
    return Path(pocketsphinx.get_model_path()) / "en-us"


@pytest.fixture(scope="session")
def mdef(english: Path) -> ModelDefinition:
    return read_mdef(english / "en-us" / "mdef")
