"""Transforms of speakers whose words are not known, from a first decoding (Kaldi `decode_fmllr.sh`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.fmllr import FmllrStatistics, accumulate_fmllr, estimate_fmllr, expected_statistics
from wfst_asr.lattice.posteriors import FramePosteriors
from wfst_asr.recipe.model_dir import TrainedModel


@dataclass(frozen=True)
class AdaptationOptions:
    """How speakers are adapted to.

    Attributes:
        passes: decodings whose words the next one's transforms are estimated from; 0 adapts to nobody.
        prior_frames: weight of a prior that draws the transform to the identity, in frames; 0 for none.
        silence_weight: weight of frames of silence.
    """

    passes: int = 3
    prior_frames: float = 100.0
    silence_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.passes < 0 or not self.prior_frames >= 0 or not 0 <= self.silence_weight <= 1:
            raise WfstAsrError(
                f"adaptation with {self.passes} passes, a prior of {self.prior_frames} frames and silence weighed by "
                f"{self.silence_weight}; expected 0 or more, 0 or more, and 0 to 1"
            )


class SpeakerStatistics:
    """Collects what every speaker's transform is estimated from, an utterance at a time.

    Args:
        model: adapted to speakers.
        silence: ids of its phones of silence.
        options: weights.
        transforms: those that the decoded features had, empty in the first pass; they decide which Gaussians the
            frames are of, the new ones are estimated for features without any.
    """

    def __init__(
        self,
        model: TrainedModel,
        silence: frozenset[int],
        options: AdaptationOptions,
        transforms: Mapping[str, NDArray[np.float64]],
    ) -> None:
        self._model, self._options, self._before = model, options, dict(transforms)
        self._weight_of_id = np.where(np.isin(model.transitions.phone, sorted(silence)), options.silence_weight, 1.0)
        self._stats: dict[str, FmllrStatistics] = {}
        self._occupancy: dict[str, NDArray[np.float64]] = {}

    def add(
        self, speaker: str, plain: NDArray[np.float32], decoded: NDArray[np.float32], found: FramePosteriors
    ) -> None:
        """Add an utterance.

        Args:
            speaker: whose.
            plain: (T, d) features without transform.
            decoded: (T, d) the features that were decoded.
            found: posteriors of transition-ids from that decoding.
        """
        model = self._model
        weights = found.posteriors * self._weight_of_id[found.labels]
        keep = weights > 0
        pdfs = model.transitions.pdf_id[found.labels[keep]]
        first = speaker not in self._before
        posterior_model: AcousticModel = model.si_gmm if first and model.si_gmm is not None else model.gmm
        stats = accumulate_fmllr(
            model.gmm,
            plain,
            pdfs,
            weights=weights[keep],
            frames=found.frames[keep],
            posterior_model=posterior_model,
            posterior_features=decoded,
        )
        occupancy = np.bincount(pdfs, weights=weights[keep], minlength=model.gmm.num_pdfs).astype(np.float64)
        if speaker in self._stats:
            self._stats[speaker] += stats
            self._occupancy[speaker] += occupancy
        else:
            self._stats[speaker], self._occupancy[speaker] = stats, occupancy

    def transforms(self) -> dict[str, NDArray[np.float64]]:
        """Return the (d, d + 1) transform of every speaker that had speech."""
        result = {}
        for speaker in sorted(self._stats):
            prior = None
            if self._options.prior_frames > 0 and self._occupancy[speaker].sum() > 0:
                share = self._occupancy[speaker] / self._occupancy[speaker].sum()
                prior = expected_statistics(self._model.gmm, share).scaled(self._options.prior_frames)
            found = estimate_fmllr(self._stats[speaker], start=self._before.get(speaker), prior=prior)
            result[speaker] = found.transform
        return result
