import numpy as np
import pytest
import torch

from wfst_asr.errors import WfstAsrError
from wfst_asr.neural.fit import seeded
from wfst_asr.neural.networks import Normalise, RecurrentNetwork
from wfst_asr.neural.options import RecurrentOptions


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("centred", [True, False])
def test_an_utterance_has_the_same_scores_alone_and_padded(cell: str, centred: bool) -> None:
    options = RecurrentOptions(5, 4, hidden=7, cell=cell, centred=centred)
    network = seeded(1, lambda: RecurrentNetwork(options)).eval()
    rng = np.random.default_rng(0)
    lengths = [9, 4, 1, 8]
    rows = [torch.from_numpy(rng.standard_normal((length, 5)).astype(np.float32)) for length in lengths]
    batch = torch.full((4, 9, 5), 1e3)
    for place, row in enumerate(rows):
        batch[place, : len(row)] = row
    with torch.no_grad():
        together, frames = network(batch, torch.tensor(lengths))
        assert frames.tolist() == [options.output_frames(length) for length in lengths]
        for place, row in enumerate(rows):
            alone, _ = network(row.unsqueeze(0), torch.tensor([len(row)]))
            torch.testing.assert_close(together[place, : frames[place]], alone[0])


def test_rows_are_log_probabilities() -> None:
    network = RecurrentNetwork(RecurrentOptions(3, 6, hidden=4)).eval()
    with torch.no_grad():
        scores, _ = network(torch.randn(2, 7, 3), torch.tensor([7, 5]))
    torch.testing.assert_close(scores.exp().sum(dim=2), torch.ones(2, 4))


def test_both_directions_are_read() -> None:
    network = seeded(0, lambda: RecurrentNetwork(RecurrentOptions(3, 6, hidden=4, subsample=1, kernel=1))).eval()
    features = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, _ = network(features, torch.tensor([9]))
        changed = features.clone()
        changed[0, 4] += 1
        after, _ = network(changed, torch.tensor([9]))
    assert (before != after).any(dim=2)[0].tolist() == [True] * 9


def test_normalised_features_have_mean_zero_and_deviation_one() -> None:
    features = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (1, 500, 2)).astype(np.float32))
    normalise = Normalise(2)
    normalise.set_from(features[0].mean(dim=0), features[0].var(dim=0, correction=0))
    made = normalise(features, torch.tensor([500]))
    torch.testing.assert_close(made.mean(dim=1), torch.zeros(1, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.var(dim=1, correction=0), torch.ones(1, 2), atol=1e-4, rtol=0)


def test_a_band_that_never_changes_is_left_as_it_is() -> None:
    normalise = Normalise(1)
    normalise.set_from(torch.tensor([2.0]), torch.tensor([0.0]))
    assert normalise(torch.full((1, 3, 1), 5.0), torch.tensor([3])).flatten().tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": 4}, "kernel is 4; expected an odd number"),
        ({"cell": "rnn"}, "cell is 'rnn'; expected one of: lstm, gru"),
        ({"hidden": 0}, "hidden is 0; expected a whole number"),
        ({"dropout": 1.0}, "dropout is 1.0; expected 0 or more and less than 1"),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        RecurrentOptions(**changes)  # type: ignore[arg-type]
