"""an4_ctc: AN4 by a network of letters that knows no dictionary: how far 0.7 hours of speech go."""

from wfst_asr.cli.recipe_run import run_recipe
from wfst_asr.features.network_features import NetworkFeatures
from wfst_asr.neural.options import AugmentOptions, FitOptions, RecurrentOptions
from wfst_asr.recipe.ctc_evaluation import evaluate_greedy, evaluate_with_graph
from wfst_asr.recipe.ctc_language import compile_spelling_graph, make_spelling_lang
from wfst_asr.recipe.ctc_training import hold_out, train_ctc
from wfst_asr.recipe.given import Given
from wfst_asr.recipe.language import LM_NAME, make_language_model
from wfst_asr.recipe.prepare_an4 import AN4_HOME, prepare_an4
from wfst_asr.recipe.stages import Recipe
from wfst_asr.train.ctc import CtcOptions


def page(recipe: Recipe, given: Given) -> None:
    """Recognise AN4 by a network of letters, without and with a language model.

    Words are those of the corpus's dictionary or of --lexicon, whose pronunciations are not looked at.
    """
    options = CtcOptions(
        features=NetworkFeatures(sample_rate_hz=16000, num_bins=40, padding_s=0.05),
        network=RecurrentOptions(num_layers=2, hidden=160, dropout=0.3),
        augment=AugmentOptions(
            band_masks=2, band_width=8, frame_masks=1.5, frame_width=10, tempo=0.15, warp=0.12, noise=0.2
        ),
        fit=FitOptions(
            epochs=60, batch_frames=6000, learning_rate=3e-3, average=0.995, warmup_epochs=2, seed=given.seed
        ),
    )

    corpus = given.corpus_of(recipe, AN4_HOME)
    data = recipe.stage("prepare", prepare_an4, {"corpus": corpus, "lexicon": given.lexicon}, output="data")
    split = recipe.stage("hold-out", hold_out, {"data_dir": data / "train"}, output="split")

    sets = {"data_dir": split / "train", "valid_dir": split / "valid", "recordings": corpus}
    model = recipe.stage("train-letters", train_ctc, sets, {"options": options}, output="letters", resumable=True)
    lang = recipe.stage("lang", make_spelling_lang, {"model_dir": model, "lexicon": data / "lexicon.txt"})
    heard = {"model_dir": model, "recordings": corpus}
    recipe.stage("decode-letters", evaluate_greedy, {**heard, "data_dir": data / "test"})
    for name, order in (("given", 0),) if given.lm else (("unigram", 1), ("trigram", 3)):
        transcripts = {"data_dir": split / "train", "lang_dir": lang, "lm": given.lm}
        lm = recipe.stage(f"lm-{name}", make_language_model, transcripts, {"order": order})
        parts = {"lang_dir": lang, "grammar": lm / LM_NAME, "model_dir": model}
        graph = recipe.stage(f"graph-{name}", compile_spelling_graph, parts)
        # a language model that is given may have seen what is said in the data to choose with: it gets a usual weight
        sets = {"graph_dir": graph, "data_dir": data / "test", "valid_dir": None if given.lm else split / "valid"}
        recipe.stage(f"decode-{name}", evaluate_with_graph, {**heard, **sets}, {"fixed": (0.5, 0.0)})


if __name__ == "__main__":
    run_recipe("an4_ctc", page)
