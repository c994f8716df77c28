"""Schedule: how many iterations, when to align again, and how the number of Gaussians grows."""

from dataclasses import dataclass, field

from wfst_asr.align.options import AlignOptions
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.estimate import EstimateOptions


@dataclass(frozen=True)
class Schedule:
    """The iterations of one training stage (the loop of Kaldi's `train_mono.sh`, `train_deltas.sh` and their like).

    Attributes:
        num_iterations: passes over the data.
        realign: iterations (from 1) that begin with a new alignment.
        num_gaussians: Gaussians of the whole model at the end; None: one for `frames_per_gaussian` frames of speech.
        frames_per_gaussian: see there.
        last_increase: the last iteration that adds Gaussians; before it their number grows by equal steps.
        power: Gaussians of a pdf go with the power of its frames.
        min_count: fewer frames than this a Gaussian, and a pdf's Gaussians are not split.
        align: beams and scales of the alignment.
        first_beam: beam of the first alignment, where alignments were only spread evenly before; None: as others.
        estimate: floors of variances and counts.
        soft: weigh all paths by their posteriors (forward-backward) in place of the best one.

    Raises:
        WfstAsrError: a number out of range.
    """

    num_iterations: int = 35
    realign: frozenset[int] = frozenset({10, 20, 30})
    num_gaussians: int | None = None
    frames_per_gaussian: float = 85.0
    last_increase: int = 25
    power: float = 0.25
    min_count: float = 20.0
    align: AlignOptions = field(default_factory=AlignOptions)
    first_beam: float | None = None
    estimate: EstimateOptions = field(default_factory=EstimateOptions)
    soft: bool = False

    def __post_init__(self) -> None:
        if self.num_iterations < 1:
            raise WfstAsrError(f"{self.num_iterations} iterations; expected at least 1")
        if self.num_gaussians is not None and self.num_gaussians < 1:
            raise WfstAsrError(f"num_gaussians is {self.num_gaussians}; expected at least 1")
        if not self.frames_per_gaussian > 0:
            raise WfstAsrError(f"frames_per_gaussian is {self.frames_per_gaussian}; expected more than 0")
        if not 1 <= self.last_increase <= self.num_iterations:
            raise WfstAsrError(
                f"last_increase is {self.last_increase}; expected 1 to the number of iterations, {self.num_iterations}"
            )

    def target(self, iteration: int, first: int, final: int) -> int:
        """Return the number of Gaussians after an iteration, on the way from `first` to `final`.

        >>> Schedule(num_iterations=10, last_increase=5).target(3, 100, 200)
        160
        """
        if final <= first or iteration >= self.last_increase:
            return max(first, final)
        return first + (final - first) * iteration // self.last_increase


MONOPHONE_REALIGN = frozenset({*range(1, 11), 12, 14, 16, 18, 20, 23, 26, 29, 32, 35, 38})
