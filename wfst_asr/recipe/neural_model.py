"""The folder of a network of letters: its weights, what its columns mean, the features it hears; and its scores.

| file | content |
|---|---|
| `model.json` | kind, tokens, blank, boundary, features, sizes, frame shift, SHA-256 of the weights, training figures |
| `weights.pt` | the weights, as PyTorch stores them |
| `tokens.txt` | symbol table: the tokens and their columns |
| `curves.json` | a record an epoch of the training |
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import files_together
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.network_features import NetworkFeatures
from wfst_asr.neural.options import RecurrentOptions

if TYPE_CHECKING:
    from wfst_asr.neural.networks import RecurrentNetwork

MODEL_NAME, WEIGHTS_NAME, TOKENS_NAME, CURVES_NAME = "model.json", "weights.pt", "tokens.txt", "curves.json"
FORMAT = 1
KIND = "ctc"
_Record = TypeVar("_Record", NetworkFeatures, RecurrentOptions)


@dataclass(frozen=True)
class NeuralModel:
    """A network of letters, ready to score.

    Attributes:
        network: in evaluation mode.
        tokens: names of its columns, blank among them.
        features: what it hears.
        blank: column of the blank.
        boundary: token between words; empty: none.
        training: figures of the training.
    """

    network: "RecurrentNetwork"
    tokens: tuple[str, ...]
    features: NetworkFeatures
    blank: int = 0
    boundary: str = "|"
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frame_shift_s(self) -> float:
        """Seconds from one row of scores to the next."""
        return self.features.frame_shift_s * self.network.options.subsample

    def scores(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (T, V) natural-log probabilities of a recording, samples (N,) in 16-bit scale; none for no frames.

        One thread computes them: a recording is so little work that more would mostly wait for one another.
        """
        import torch

        from wfst_asr.neural.fit import torch_threads

        features = self.features.of(samples)
        if len(features) == 0:
            return np.empty((0, len(self.tokens)), dtype=np.float32)
        with torch_threads(1), torch.inference_mode():
            log_probs, _ = self.network(torch.from_numpy(features).unsqueeze(0), torch.tensor([len(features)]))
        found: NDArray[np.float32] = log_probs[0].numpy()
        return found

    def greedy_words(self, log_probs: NDArray[np.float32]) -> list[str]:
        """Return the words that the best token of each frame spells, cut at the boundary."""
        from wfst_asr.ctc.greedy import greedy_search
        from wfst_asr.neural.ctc_task import words_of

        boundary = self.tokens.index(self.boundary) if self.boundary else None
        labels = greedy_search(log_probs, blank=self.blank).labels
        return ["".join(self.tokens[label] for label in word) for word in words_of(labels, boundary)]


def write_neural_model(
    model: NeuralModel, model_dir: str | os.PathLike[str], *, history: Sequence[Mapping[str, float]] = ()
) -> None:
    """Write the folder of a model; an older one in it stays until the new one is whole.

    Args:
        model: to write.
        model_dir: the folder.
        history: of its training, for curves.json.

    Raises:
        WfstAsrError: it cannot be written.
    """
    import torch

    weights = io.BytesIO()
    torch.save(model.network.state_dict(), weights)
    told = {
        "format": FORMAT,
        "kind": KIND,
        "tokens": list(model.tokens),
        "blank": model.blank,
        "boundary": model.boundary,
        "sample_rate_hz": model.features.sample_rate_hz,
        "frame_shift_s": model.frame_shift_s,
        "features": asdict(model.features),
        "network": asdict(model.network.options),
        "weights_sha256": hashlib.sha256(weights.getbuffer()).hexdigest(),
        "training": dict(model.training),
    }
    with files_together(model_dir, last=MODEL_NAME, others=("curves.svg",)) as aside:
        (aside / WEIGHTS_NAME).write_bytes(weights.getbuffer())
        (aside / TOKENS_NAME).write_text(
            "".join(f"{token} {column}\n" for column, token in enumerate(model.tokens)), encoding="utf-8"
        )
        (aside / CURVES_NAME).write_text(curves_text(history), encoding="utf-8")
        (aside / MODEL_NAME).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def curves_text(history: Sequence[Mapping[str, float]]) -> str:
    """Return the content of curves.json: a list of records, one a line."""
    return "[\n" + ",\n".join(json.dumps(dict(record)) for record in history) + "\n]\n"


def is_neural_model(model_dir: str | os.PathLike[str]) -> bool:
    """Tell whether a folder has a network's model.json."""
    return (Path(model_dir) / MODEL_NAME).is_file()


def read_neural_model(model_dir: str | os.PathLike[str]) -> NeuralModel:
    """Read a model.

    Raises:
        WfstAsrError: no such folder or file, another kind or version, or weights that are not those of model.json.
    """
    import torch

    from wfst_asr.neural.networks import RecurrentNetwork

    folder = Path(model_dir)
    told = read_model_record(folder)
    path = folder / MODEL_NAME
    try:
        tokens = tuple(str(token) for token in told["tokens"])
        blank, boundary = int(told["blank"]), str(told["boundary"])
        features = _record(NetworkFeatures, told["features"])
        options = _record(RecurrentOptions, told["network"])
        wanted = str(told["weights_sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise WfstAsrError(f"{path}: {_missing(error)}; expected what wfst-asr train ctc writes") from error
    if options.num_tokens != len(tokens) or options.num_features != features.num_features:
        raise WfstAsrError(
            f"{path}: {len(tokens)} tokens and {features.num_features} features for a network of "
            f"{options.num_tokens} and {options.num_features}; the file was changed, train the model again"
        )
    if not 0 <= blank < len(tokens) or (boundary and boundary not in tokens):
        raise WfstAsrError(f"{path}: blank {blank} or boundary '{boundary}' is none of its {len(tokens)} tokens")
    weights = folder / WEIGHTS_NAME
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise WfstAsrError(f"{weights}: {error.strerror}; copy the model's whole folder") from error
    if hashlib.sha256(content).hexdigest() != wanted:
        raise WfstAsrError(
            f"{weights}: {len(content)} bytes that are not the weights that {MODEL_NAME} was written with; the file is "
            "truncated or of another model, copy the whole folder again"
        )
    network = RecurrentNetwork(options)
    try:
        network.load_state_dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise WfstAsrError(f"{weights}: does not fit the sizes in {MODEL_NAME}; train the model again") from error
    return NeuralModel(network.eval(), tokens, features, blank, boundary, told.get("training", {}))


def read_model_record(folder: Path) -> dict[str, Any]:
    """Return the content of model.json.

    Raises:
        WfstAsrError: there is none, it is damaged, or of another kind or version.
    """
    path = folder / MODEL_NAME
    try:
        told = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise WfstAsrError(f"{path}: {error.strerror}; give the folder of a model of wfst-asr train ctc") from error
    except ValueError as error:
        raise WfstAsrError(f"{path}: is no JSON ({error}); the file is truncated, copy the folder again") from error
    if not isinstance(told, dict) or told.get("kind") != KIND:
        raise WfstAsrError(f"{path}: is not of a network of letters (kind '{KIND}')")
    if told.get("format") != FORMAT:
        raise WfstAsrError(
            f"{path}: format {told.get('format')!r}, expected {FORMAT}; use the version of wfst_asr that wrote it, or "
            "train the model again"
        )
    return told


def _record(kind: type[_Record], values: Mapping[str, Any]) -> _Record:
    unknown = set(values) - {one.name for one in fields(kind)}
    if unknown:
        raise ValueError(f"'{sorted(unknown)[0]}' is unknown")
    return kind(**values)


def _missing(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
