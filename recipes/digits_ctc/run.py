"""digits_ctc: English digits, spelled letter by letter by a network, alone and in strings."""

from wfst_asr.cli.recipe_run import run_recipe
from wfst_asr.features.network_features import NetworkFeatures
from wfst_asr.neural.options import AugmentOptions, FitOptions, RecurrentOptions
from wfst_asr.recipe.ctc_evaluation import evaluate_greedy, evaluate_with_graph
from wfst_asr.recipe.ctc_language import compile_spelling_graph, make_spelling_lang
from wfst_asr.recipe.ctc_training import train_ctc
from wfst_asr.recipe.fetch import PublicFile
from wfst_asr.recipe.given import Given
from wfst_asr.recipe.language import LM_NAME, make_language_model
from wfst_asr.recipe.prepare_fsdd import WORDS, join_digits, prepare_fsdd
from wfst_asr.recipe.stages import Recipe
from wfst_asr.train.ctc import CtcOptions

HOME = (
    PublicFile(  # GitHub packs its archives anew now and then: no checksum lasts, the one found is recorded
        "free-spoken-digit-dataset-1.0.10.tar.gz",
        ("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",),
    ),
)


def page(recipe: Recipe, given: Given) -> None:
    """Recognise English digits, spelled letter by letter by a network, alone and in strings."""
    options = CtcOptions(
        features=NetworkFeatures(sample_rate_hz=8000, num_bins=30, padding_s=0.05),
        network=RecurrentOptions(num_layers=2, hidden=128, dropout=0.3, centred=False),
        augment=AugmentOptions(
            band_masks=1, band_width=5, frame_masks=1.0, frame_width=5, tempo=0.15, warp=0.1, noise=0.1
        ),
        fit=FitOptions(epochs=25, batch_frames=4000, learning_rate=3e-3, average=0.99, seed=given.seed),
    )

    corpus = given.corpus_of(recipe, HOME)
    data = recipe.stage("prepare", prepare_fsdd, {"corpus": corpus}, output="data")
    strings = {}
    for number, part in enumerate(("train", "valid", "test")):
        inputs = {"data_dir": data / part, "recordings": corpus}
        choices = {"times": 2 if part == "train" else 1, "seed": given.seed + number}
        strings[part] = recipe.stage(f"join-{part}", join_digits, inputs, choices, output=f"strings-{part}")

    sets = {"data_dir": (data / "train", strings["train"]), "valid_dir": (data / "valid", strings["valid"])}
    model = recipe.stage(
        "train-letters",
        train_ctc,
        {**sets, "recordings": corpus},
        {"options": options},
        output="letters",
        resumable=True,
    )
    lang = recipe.stage("lang", make_spelling_lang, {"model_dir": model}, {"words": WORDS})
    lm = recipe.stage("lm", make_language_model, {"data_dir": strings["train"], "lang_dir": lang}, {"order": 1})
    graph = recipe.stage(
        "graph-words", compile_spelling_graph, {"lang_dir": lang, "grammar": lm / LM_NAME, "model_dir": model}
    )
    for name, part in (("", data / "test"), ("-strings", strings["test"])):
        heard = {"model_dir": model, "data_dir": part, "recordings": corpus}
        recipe.stage(f"decode-letters{name}", evaluate_greedy, heard)
        recipe.stage(f"decode-words{name}", evaluate_with_graph, {**heard, "graph_dir": graph})


if __name__ == "__main__":
    run_recipe("digits_ctc", page)
