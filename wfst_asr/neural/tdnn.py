"""The time-delay network of hybrid recognition: log posteriors of tied states from spliced frames.

    (T, D) -> (x - mean) / deviation -> layers of dilated convolutions, ReLU, layer norm -> (T, P) log softmax

Waibel, Hanazawa, Hinton, Shikano and Lang, "Phoneme recognition using time-delay neural networks" (1989); Peddinti,
Povey and Khudanpur, "A time delay neural network architecture for efficient modeling of long temporal contexts" (2015).
"""

import torch
from torch import Tensor, nn

from wfst_asr.neural.networks import Normalise, frames_inside
from wfst_asr.neural.tdnn_options import TdnnOptions


class TdnnNetwork(nn.Module):
    """The network; `options` tells its sizes.  An utterance has the same scores alone and beside longer ones.

    >>> network = TdnnNetwork(TdnnOptions(num_features=3, num_pdfs=4, hidden=8))
    >>> network(torch.zeros(2, 5, 3), torch.tensor([5, 4])).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, options: TdnnOptions) -> None:
        super().__init__()
        self.options = options
        self.normalise = Normalise(options.num_features)
        sizes = [options.num_features] + [options.hidden] * len(options.kernels)
        self.layers = nn.ModuleList(
            nn.Conv1d(sizes[place], sizes[place + 1], kernel, dilation=dilation, padding=kernel // 2 * dilation)
            for place, (kernel, dilation) in enumerate(zip(options.kernels, options.dilations, strict=True))
        )
        self.norms = nn.ModuleList(nn.LayerNorm(options.hidden) for _ in options.kernels)
        self.dropout = nn.Dropout(options.dropout)
        self.output = nn.Linear(options.hidden, options.num_pdfs)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, T, P) natural-log posteriors.

        Args:
            features: (B, T, D), padded at the end with anything finite.
            lengths: (B,) frames of each.
        """
        inside = frames_inside(lengths.to(features.device), features.shape[1]).unsqueeze(2)
        hidden = self.normalise(features, lengths.to(features.device))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            above = norm(torch.relu(layer(hidden.transpose(1, 2)).transpose(1, 2)))
            if above.shape == hidden.shape:
                above = above + hidden
            hidden = self.dropout(above) * inside
        return torch.log_softmax(self.output(hidden), dim=2)
