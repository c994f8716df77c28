"""Mini LibriSpeech: read English books; a vocabulary of 20,000 words or more."""

from wfst_asr.cli.recipe_run import run_recipe
from wfst_asr.recipe.feature_stage import extract_features
from wfst_asr.recipe.fetch import PublicFile
from wfst_asr.recipe.given import Given
from wfst_asr.recipe.language import make_lang, make_language_model
from wfst_asr.recipe.model_stages import ModelStages
from wfst_asr.recipe.prepare_librispeech import prepare_librispeech
from wfst_asr.recipe.stages import Recipe
from wfst_asr.recipe.training import train_adaptive, train_deltas, train_mllt, train_mono
from wfst_asr.train.lda_mllt import LdaMlltOptions
from wfst_asr.train.monophone import MonophoneOptions
from wfst_asr.train.sat import SatOptions
from wfst_asr.train.triphone import TriphoneOptions


def public_file(place: str, md5: str, *, unpack: bool) -> PublicFile:
    """Return a file of OpenSLR with the checksum that OpenSLR publishes."""
    homes = ("https://www.openslr.org/resources", "https://openslr.elda.org/resources")
    return PublicFile(place.split("/")[-1], tuple(f"{home}/{place}" for home in homes), md5=md5, unpack=unpack)


HOME = (
    public_file("31/train-clean-5.tar.gz", "5df7d4e78065366204ca6845bb08f490", unpack=True),
    public_file("31/dev-clean-2.tar.gz", "6d7ab67ac6a1d2c993d050e16d61080d", unpack=True),
    public_file("11/librispeech-lexicon.txt", "28f72663f6bfed7cd346283c064c315b", unpack=False),
    public_file("11/3-gram.pruned.3e-7.arpa.gz", "8f67ec741827742eee05799ab7605b50", unpack=False),
)


def page(recipe: Recipe, given: Given) -> None:
    """Recognise read English: monophones, triphones, LDA+MLLT, speaker adaptation, with a trigram of many words.

    Lexicon and language model are those that --lexicon and --lm name; else librispeech_mini_lexicon.txt and
    books20k.arpa.gz in CORPUS/../lm, or OpenSLR's where the corpus is fetched.
    """
    mono = MonophoneOptions(seed=given.seed)
    deltas = TriphoneOptions(seed=given.seed)
    lda_mllt = LdaMlltOptions(seed=given.seed)
    sat = SatOptions(seed=given.seed)

    corpus = given.corpus_of(recipe, HOME)
    beside = corpus.absolute().parent / "lm"
    lexicon = given.lexicon_among(corpus / "librispeech-lexicon.txt", beside / "librispeech_mini_lexicon.txt")
    arpa = given.lm_among(corpus / "3-gram.pruned.3e-7.arpa.gz", beside / "books20k.arpa.gz")
    data = recipe.stage("prepare", prepare_librispeech, {"corpus": corpus}, output="data")
    choices = {"entries": (("<UNK>", "SPN"),), "oov": "<UNK>", "position_dependent": True}
    lang = recipe.stage("lang", make_lang, {"lexicon": lexicon}, choices)
    lm = recipe.stage("lm", make_language_model, {"data_dir": data / "train", "lang_dir": lang, "lm": arpa})
    sounds = {"data_dir": data, "recordings": corpus}
    features = recipe.stage("features", extract_features, sounds, {"mfcc": mono.pipeline.mfcc})

    models = ModelStages(recipe, features / "train", features / "test", lang, lm)
    first = models.add("mono", train_mono, mono)
    second = models.add("deltas", train_deltas, deltas, alignments=first, aliases=("triphone",))
    third = models.add("lda-mllt", train_mllt, lda_mllt, alignments=second)
    models.add("sat", train_adaptive, sat, alignments=third)


if __name__ == "__main__":
    run_recipe("librispeech_mini", page)
