"""What the command line gives a recipe: files of a corpus, or what its page finds or fetches in their place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.recipe.corpus_layout import check_corpus
from wfst_asr.recipe.fetch import PublicFile, fetch_corpus
from wfst_asr.recipe.stages import Recipe


@dataclass(frozen=True)
class Given:
    """Options of a recipe's command.

    Attributes:
        corpus: folder of the corpus; None: fetch it.
        lexicon: file of pronunciations; None: the page's choice.
        lm: language model; None: the page's choice.
        seed: of everything random.
    """

    corpus: Path | None = None
    lexicon: Path | None = None
    lm: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.corpus is not None:
            check_corpus(self.corpus)
        for path, option in ((self.lexicon, "--lexicon"), (self.lm, "--lm")):
            if path is not None and not path.is_file():
                raise WfstAsrError(f"{path}: no such file; {option} names a file")

    def corpus_of(self, recipe: Recipe, files: Sequence[PublicFile]) -> Path:
        """Return the folder of the corpus; where none was given, the recipe gets a first stage that fetches it."""
        if self.corpus is not None:
            return self.corpus
        options = {"files": tuple(files)}
        return recipe.stage("fetch", fetch_corpus, {}, options, output="corpus", resumable=True)

    def lexicon_among(self, *places: Path) -> Path:
        """Return the lexicon given, or the first of the places where one is.

        Where the corpus is fetched it is not there yet; then the first place is where it will be.

        Raises:
            WfstAsrError: there is none.
        """
        return self._first(self.lexicon, places, "--lexicon", "a lexicon")

    def lm_among(self, *places: Path) -> Path:
        """Return the language model given, or the first of the places where one is, as `lexicon_among`.

        Raises:
            WfstAsrError: there is none.
        """
        return self._first(self.lm, places, "--lm", "a language model (ARPA)")

    def _first(self, given: Path | None, places: Sequence[Path], option: str, what: str) -> Path:
        if given is not None:
            return given
        if self.corpus is None:
            return places[0]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            looked = ", ".join(str(place) for place in places)
            raise WfstAsrError(f"{looked}: no such file; name {what} with {option}")
        return found
