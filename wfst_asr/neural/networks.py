"""The recurrent network of letters: a convolution over frames, layers that read both ways, log probabilities.

    (T, D) features -> (x - mean) / deviation -> convolution -> recurrent layers -> (T', V) log softmax

Both directions of a layer are plain recurrences over padded batches: the backward one reads each row turned around
within its own length.  So an utterance has the same scores alone and beside longer ones.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from wfst_asr.neural.options import RecurrentOptions


class Normalise(nn.Module):
    """Features less their mean, over their deviation: stored with the weights, not trained.

    Args:
        num_features: columns.
        centred: take the mean of each utterance off before.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_features: int, *, centred: bool = False) -> None:
        super().__init__()
        self.centred = centred
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("deviation", torch.ones(num_features))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, T, D) features normalised; padding becomes 0."""
        inside = frames_inside(lengths, features.shape[1]).unsqueeze(2)
        if self.centred:
            total = (features * inside).sum(dim=1, keepdim=True)
            features = features - total / lengths.clamp(min=1).reshape(-1, 1, 1)
        return (features - self.mean) / self.deviation * inside

    def set_from(self, mean: Tensor, variance: Tensor) -> None:
        """Store mean and variance (D,) of the training data; variances next to nothing count as 1."""
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(variance > 1e-8, variance, torch.ones_like(variance)).sqrt())


class BothWays(nn.Module):
    """A recurrent layer that reads forwards and one that reads backwards, side by side."""

    def __init__(self, inputs: int, hidden: int, *, cell: str) -> None:
        super().__init__()
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.forwards = kind(inputs, hidden, batch_first=False)
        self.backwards = kind(inputs, hidden, batch_first=False)

    def forward(self, inputs: Tensor, turned: Tensor) -> Tensor:
        """Return (T, B, 2 H) of (T, B, D); `turned` (T, B) has the frame that is read in place of each frame."""
        ahead: Tensor = self.forwards(inputs)[0]
        back: Tensor = self.backwards(_gathered(inputs, turned))[0]
        return torch.cat([ahead, _gathered(back, turned)], dim=2)


class RecurrentNetwork(nn.Module):
    """The network; `options` tells its sizes.

    >>> network = RecurrentNetwork(RecurrentOptions(num_features=3, num_tokens=4, hidden=8))
    >>> logprobs, lengths = network(torch.zeros(2, 5, 3), torch.tensor([5, 4]))
    >>> logprobs.shape, lengths.tolist()
    (torch.Size([2, 3, 4]), [3, 2])
    """

    def __init__(self, options: RecurrentOptions) -> None:
        super().__init__()
        self.options = options
        self.normalise = Normalise(options.num_features, centred=options.centred)
        sizes = [options.hidden] + [2 * options.hidden] * options.num_layers
        self.convolution = nn.Conv1d(
            options.num_features, options.hidden, options.kernel, stride=options.subsample, padding=options.kernel // 2
        )
        self.layers = nn.ModuleList(
            BothWays(inputs, options.hidden, cell=options.cell) for inputs, _ in pairwise(sizes)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for size in sizes)
        self.dropout = nn.Dropout(options.dropout)
        self.output = nn.Linear(sizes[-1], options.num_tokens)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return natural-log probabilities of the tokens, and the frames that count.

        Args:
            features: (B, T, D), padded at the end with anything finite.
            lengths: (B,) frames of each, 1 or more.

        Returns:
            (B, T', V), and (B,) frames of each, see `RecurrentOptions.output_frames`.
        """
        frames = -(-lengths // self.options.subsample)
        hidden = self.normalise(features, lengths).transpose(1, 2)
        hidden = torch.relu(self.convolution(hidden)).permute(2, 0, 1)
        turned = turned_frames(frames.to(hidden.device), hidden.shape[0])
        hidden = self.norms[0](hidden)
        for layer, norm in zip(self.layers, list(self.norms)[1:], strict=True):
            hidden = norm(layer(self.dropout(hidden), turned))
        scores = self.output(self.dropout(hidden)).transpose(0, 1)
        return torch.log_softmax(scores, dim=2), frames


def frames_inside(lengths: Tensor, frames: int) -> Tensor:
    """Return (B, T) 1 where a frame is of the utterance, 0 where it is padding, as float32.

    >>> frames_inside(torch.tensor([1, 3]), 3).tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    return (torch.arange(frames, device=lengths.device).unsqueeze(0) < lengths.unsqueeze(1)).float()


def turned_frames(lengths: Tensor, frames: int) -> Tensor:
    """Return (T, B) frames in reverse within each length; padding keeps its place.

    >>> turned_frames(torch.tensor([2, 3]), 3).T.tolist()
    [[1, 0, 2], [2, 1, 0]]
    """
    place = torch.arange(frames, device=lengths.device).unsqueeze(1)
    return torch.where(place < lengths, lengths - 1 - place, place)


def _gathered(inputs: Tensor, places: Tensor) -> Tensor:
    return inputs.gather(0, places.unsqueeze(2).expand(-1, -1, inputs.shape[2]))
