"""Sizes of a time-delay network; without PyTorch."""

from dataclasses import dataclass

from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class TdnnOptions:
    """Sizes of a `TdnnNetwork`.

    Attributes:
        num_features: columns of the features.
        num_pdfs: columns of the scores.
        hidden: units of a layer.
        kernels: frames that each layer sees of the one below, odd numbers.
        dilations: frames from one of these to the next.
        dropout: share of the values that are set to 0 after each layer, in training.

    >>> TdnnOptions().context
    11
    """

    num_features: int = 1
    num_pdfs: int = 2
    hidden: int = 256
    kernels: tuple[int, ...] = (5, 3, 3, 3)
    dilations: tuple[int, ...] = (1, 2, 3, 4)
    dropout: float = 0.2

    def __post_init__(self) -> None:
        for name in ("num_features", "num_pdfs", "hidden"):
            if getattr(self, name) < 1:
                raise WfstAsrError(f"{name} is {getattr(self, name)!r}; expected a whole number of at least 1")
        if not self.kernels or len(self.kernels) != len(self.dilations):
            raise WfstAsrError(f"{len(self.kernels)} kernels and {len(self.dilations)} dilations; expected one of each")
        if any(kernel < 1 or kernel % 2 == 0 for kernel in self.kernels) or min(self.dilations) < 1:
            raise WfstAsrError(
                f"kernels {self.kernels}, dilations {self.dilations}; expected odd kernels, none below 1"
            )
        if not 0 <= self.dropout < 1:
            raise WfstAsrError(f"dropout is {self.dropout}; expected 0 or more and less than 1")

    @property
    def context(self) -> int:
        """Frames to each side that a score depends on."""
        return sum(kernel // 2 * dilation for kernel, dilation in zip(self.kernels, self.dilations, strict=True))
