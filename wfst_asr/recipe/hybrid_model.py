"""The network of a hybrid model, in the folder of the Gaussian mixtures whose states it tells.

| file | content |
|---|---|
| `final.mdl`, `tree`, ... | the model that aligned: states, transitions; the graph is compiled with it |
| `hybrid.json` | sizes, features, counts of the states (for priors), SHA-256 of the weights, training figures |
| `hybrid.pt` | the weights, as PyTorch stores them |
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.posteriors import divide_by_priors, log_priors
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.pipeline import FeaturePipeline, pipeline_of_record
from wfst_asr.neural.tdnn_options import TdnnOptions

if TYPE_CHECKING:
    from wfst_asr.neural.tdnn import TdnnNetwork

HYBRID_NAME, WEIGHTS_NAME = "hybrid.json", "hybrid.pt"
USUAL_LM_WEIGHT = 10.0  # as in Kaldi's recipes of networks; likelihoods of Gaussians vary more
FORMAT = 1


@dataclass(frozen=True)
class HybridNetwork:
    """A network that scores frames in place of Gaussians.

    Attributes:
        network: in evaluation mode.
        pipeline: its features, normalised by speaker.
        counts: (P,) frames of each pdf that it was trained on.
        training: figures of the training.
        prior_scale: power of the priors.
    """

    network: "TdnnNetwork"
    pipeline: FeaturePipeline
    counts: NDArray[np.int64]
    training: Mapping[str, Any]
    prior_scale: float = 1.0

    @property
    def num_pdfs(self) -> int:
        """Columns of the scores."""
        return len(self.counts)

    @cached_property
    def log_priors(self) -> NDArray[np.float64]:
        """(P,) natural-log priors, see `wfst_asr.decoder.posteriors.log_priors`."""
        return log_priors(self.counts)

    def log_posteriors(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (T, P) natural-log posteriors of features (T, D) of `pipeline`."""
        import torch

        with torch.inference_mode():
            found = self.network(
                torch.from_numpy(np.ascontiguousarray(features)).unsqueeze(0), torch.tensor([len(features)])
            )
        scores: NDArray[np.float32] = found[0].numpy()
        return scores

    def log_likelihoods(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (T, P) log posteriors less log priors: scores for the search."""
        return divide_by_priors(self.log_posteriors(features), self.log_priors, prior_scale=self.prior_scale)


def write_hybrid_files(hybrid: HybridNetwork, folder: Path) -> None:
    """Write hybrid.pt and hybrid.json."""
    import torch

    weights = io.BytesIO()
    torch.save(hybrid.network.state_dict(), weights)
    told = {
        "format": FORMAT,
        "features": hybrid.pipeline.record(),
        "network": asdict(hybrid.network.options),
        "counts": hybrid.counts.tolist(),
        "prior_scale": hybrid.prior_scale,
        "weights_sha256": hashlib.sha256(weights.getbuffer()).hexdigest(),
        "training": dict(hybrid.training),
    }
    (folder / WEIGHTS_NAME).write_bytes(weights.getbuffer())
    (folder / HYBRID_NAME).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_hybrid(model_dir: str | os.PathLike[str]) -> HybridNetwork | None:
    """Read the network of a model's folder; None where it has none.

    Raises:
        WfstAsrError: PyTorch is not installed, or the files are damaged or do not fit each other.
    """
    folder = Path(model_dir)
    path = folder / HYBRID_NAME
    if not path.is_file():
        return None
    try:
        import torch
    except ImportError as error:
        raise WfstAsrError(
            f"{folder}: networks need PyTorch; install it with: pip install 'wfst-asr[neural]'"
        ) from error
    from wfst_asr.neural.tdnn import TdnnNetwork

    try:
        told = json.loads(path.read_text("utf-8"))
        sizes: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in told["network"].items()
        }
        options, counts = TdnnOptions(**sizes), np.array(told["counts"], dtype=np.int64)
        pipeline, wanted = pipeline_of_record(told["features"], None), str(told["weights_sha256"])
        scale, training = float(told["prior_scale"]), dict(told["training"])
        if told["format"] != FORMAT or options.num_pdfs != len(counts) or options.num_features != pipeline.dim:
            raise ValueError("sizes or format do not fit each other")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WfstAsrError(
            f"{path}: cannot be read ({error}); train the network again: wfst-asr train hybrid"
        ) from error
    weights = folder / WEIGHTS_NAME
    content = weights.read_bytes() if weights.is_file() else b""
    if hashlib.sha256(content).hexdigest() != wanted:
        raise WfstAsrError(
            f"{weights}: {len(content)} bytes that are not the weights that {HYBRID_NAME} was written with; copy the "
            "whole folder again"
        )
    network = TdnnNetwork(options)
    network.load_state_dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    return HybridNetwork(network.eval(), pipeline, counts, training, scale)
