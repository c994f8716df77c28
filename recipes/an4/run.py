"""AN4: CMU's census data, spelled letters, digits, names and commands, 74 speakers to train on and 10 to test on."""

from dataclasses import replace
from importlib.util import find_spec

from wfst_asr.cli.recipe_run import run_recipe
from wfst_asr.recipe.feature_stage import extract_features
from wfst_asr.recipe.given import Given
from wfst_asr.recipe.language import make_lang, make_language_model
from wfst_asr.recipe.model_stages import ModelStages
from wfst_asr.recipe.prepare_an4 import AN4_HOME, prepare_an4
from wfst_asr.recipe.stages import Recipe
from wfst_asr.recipe.training import train_adaptive, train_deltas, train_mllt, train_mono
from wfst_asr.train.hybrid import HybridOptions
from wfst_asr.train.lda_mllt import LdaMlltOptions
from wfst_asr.train.monophone import MonophoneOptions
from wfst_asr.train.sat import SatOptions
from wfst_asr.train.triphone import TriphoneOptions


def page(recipe: Recipe, given: Given) -> None:
    """Recognise AN4: monophones, triphones, LDA+MLLT, speaker adaptation; the trigram is counted on the transcripts.

    Where PyTorch is installed, a hybrid network is trained from the triphones' alignments and decoded over their graph.
    """
    mono = MonophoneOptions(seed=given.seed)
    deltas = TriphoneOptions(seed=given.seed)
    lda_mllt = LdaMlltOptions(seed=given.seed)
    sat = SatOptions(seed=given.seed)

    corpus = given.corpus_of(recipe, AN4_HOME)
    data = recipe.stage("prepare", prepare_an4, {"corpus": corpus, "lexicon": given.lexicon}, output="data")
    words = {"lexicon": data / "lexicon.txt"}
    choices = {"entries": (("<UNK>", "SIL"),), "oov": "<UNK>", "position_dependent": True}
    lang = recipe.stage("lang", make_lang, words, choices)
    transcripts = {"data_dir": data / "train", "lang_dir": lang, "lm": given.lm}
    lm = recipe.stage("lm", make_language_model, transcripts, {"order": 3, "smoothing": "modified-kneser-ney"})
    sounds = {"data_dir": data, "recordings": corpus}
    features = recipe.stage("features", extract_features, sounds, {"mfcc": mono.pipeline.mfcc})

    models = ModelStages(recipe, features / "train", features / "test", lang, lm)
    first = models.add("mono", train_mono, mono)
    second = models.add("deltas", train_deltas, deltas, alignments=first, aliases=("triphone",))
    third = models.add("lda-mllt", train_mllt, lda_mllt, alignments=second)
    models.add("sat", train_adaptive, sat, alignments=third)
    if find_spec("torch") is not None:
        hybrid = HybridOptions(fit=replace(HybridOptions().fit, seed=given.seed))
        models.add_hybrid("hybrid", hybrid, gaussians=second)


if __name__ == "__main__":
    run_recipe("an4", page)
