"""yesno: two words of Hebrew, yes and no, eight a recording, from one speaker."""

from wfst_asr.cli.recipe_run import run_recipe
from wfst_asr.recipe.feature_stage import extract_features
from wfst_asr.recipe.fetch import PublicFile
from wfst_asr.recipe.given import Given
from wfst_asr.recipe.language import make_lang, make_language_model
from wfst_asr.recipe.model_stages import ModelStages
from wfst_asr.recipe.prepare_yesno import prepare_yesno
from wfst_asr.recipe.stages import Recipe
from wfst_asr.recipe.training import train_mono
from wfst_asr.train.monophone import MonophoneOptions

HOME = (
    PublicFile(
        "waves_yesno.tar.gz",
        (
            "https://www.openslr.org/resources/1/waves_yesno.tar.gz",
            "https://openslr.elda.org/resources/1/waves_yesno.tar.gz",
        ),
        sha256="c3f49e0cca421f96b75b41640749167b52118f232498667ca7a5f9416aef8e73",
    ),
)
LEXICON = (("NO", "N"), ("YES", "Y"), ("<SIL>", "SIL"))


def page(recipe: Recipe, given: Given) -> None:
    """Recognise yes and no in Hebrew: monophones from the first 31 recordings by name, tested on the others."""
    mono = MonophoneOptions(seed=given.seed)

    corpus = given.corpus_of(recipe, HOME)
    data = recipe.stage("prepare", prepare_yesno, {"corpus": corpus}, {"num_train": 31}, output="data")
    entries = () if given.lexicon else LEXICON
    lang = recipe.stage("lang", make_lang, {"lexicon": given.lexicon}, {"entries": entries, "oov": "<SIL>"})
    transcripts = {"data_dir": data / "train", "lang_dir": lang, "lm": given.lm}
    lm = recipe.stage("lm", make_language_model, transcripts, {"order": 1})
    sounds = {"data_dir": data, "recordings": corpus}
    features = recipe.stage("features", extract_features, sounds, {"mfcc": mono.pipeline.mfcc})

    models = ModelStages(recipe, features / "train", features / "test", lang, lm)
    models.add("mono", train_mono, mono)


if __name__ == "__main__":
    run_recipe("yesno", page)
