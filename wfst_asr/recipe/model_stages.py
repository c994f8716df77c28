"""The stages that every model of a recipe goes through: train, compile its graph, decode and score."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.recipe.evaluation import evaluate
from wfst_asr.recipe.hybrid_training import train_hybrid
from wfst_asr.recipe.language import LM_NAME
from wfst_asr.recipe.stages import Recipe
from wfst_asr.recipe.trained_graph import compile_trained_graph
from wfst_asr.train.hybrid import HybridOptions


@dataclass(frozen=True)
class ModelStages:
    """What the models of a recipe have in common.

    Attributes:
        recipe: that gets the stages.
        train: data directory with features and transcripts, to train on.
        test: data directory with features and transcripts, to decode.
        lang: lexicon directory.
        lm: folder of the language model.
    """

    recipe: Recipe
    train: Path
    test: Path
    lang: Path
    lm: Path

    def add(
        self,
        name: str,
        function: Callable[..., object],
        options: object,
        *,
        alignments: Path | None = None,
        aliases: tuple[str, ...] = (),
        decoding: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Path:
        """Add the stages train-NAME, graph-NAME and decode-NAME; return the folder of the model.

        Args:
            name: of the model.
            function: that trains it.
            options: of the training.
            alignments: folder of the model whose alignments it begins with; None for a flat start.
            aliases: other names of the model: train-ALIAS and so on name the stages too.
            decoding: options of decoding by the name of the model in the report; None: one decoding, without any.
        """
        inputs = {"data_dir": self.train, "lang_dir": self.lang}
        if alignments is not None:
            inputs["alignments"] = alignments

        def others(kind: str) -> tuple[str, ...]:
            return tuple(f"{kind}-{alias}" for alias in aliases)

        model = self.recipe.stage(
            f"train-{name}",
            function,
            inputs,
            {"options": options},
            output=name,
            aliases=others("train"),
            resumable=True,
        )
        graph = self.recipe.stage(
            f"graph-{name}",
            compile_trained_graph,
            {"lang_dir": self.lang, "grammar": self.lm / LM_NAME, "model": model},
            output=f"{name}-graph",
            aliases=others("graph"),
            resumable=True,
        )
        for called, choices in (decoding or {name: {}}).items():
            self.recipe.stage(
                f"decode-{called}",
                evaluate,
                {"model_dir": model, "graph_dir": graph, "data_dir": self.test},
                choices,
                output=f"{called}-decode",
                aliases=others("decode") if called == name else (),
            )
        return model

    def add_hybrid(self, name: str, options: HybridOptions, *, gaussians: Path) -> Path:
        """Add the stages train-NAME and decode-NAME of a network for the states of a model; return its folder.

        Args:
            name: of the network.
            options: of the training.
            gaussians: folder of the model, which `add` returned; its graph is the network's.
        """
        model = self.recipe.stage(
            f"train-{name}",
            train_hybrid,
            {"gmm_dir": gaussians, "data_dir": self.train, "alignments": gaussians},
            {"options": options},
            output=name,
            resumable=True,
        )
        graph = gaussians.with_name(f"{gaussians.name}-graph")
        self.recipe.stage(
            f"decode-{name}",
            evaluate,
            {"model_dir": model, "graph_dir": graph, "data_dir": self.test},
            {},
            output=f"{name}-decode",
        )
        return model
