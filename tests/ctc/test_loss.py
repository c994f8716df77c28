"""CTC loss and gradient: enumeration of all alignments, the definition in NumPy, PyTorch, and differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ctc.cases import log_softmax, small_scores
from tests.reference.ctc_enumeration import all_transcripts, label_shares
from wfst_asr.ctc.forward_backward import label_posteriors
from wfst_asr.ctc.loss import ctc_log_prob, ctc_loss, ctc_loss_batch, required_frames
from wfst_asr.errors import WfstAsrError


@given(small_scores())
def test_the_loss_of_every_transcript_equals_enumeration_and_the_probabilities_sum_to_one(case):
    log_probs, blank = case
    said = all_transcripts(log_probs.tolist(), blank)
    found = {labels: ctc_log_prob(log_probs, labels, blank=blank) for labels in said}
    assert found == pytest.approx(said, abs=1e-9)
    assert sum(np.exp(list(found.values()))) == pytest.approx(1)


@given(small_scores(max_frames=4), st.data())
def test_gradients_equal_enumeration(case, data):
    log_probs, blank = case
    labels = data.draw(st.sampled_from(sorted(all_transcripts(log_probs.tolist(), blank))))
    result = ctc_loss(log_probs, labels, blank=blank)
    shares = np.array(label_shares(log_probs.tolist(), labels, blank)).reshape(log_probs.shape)
    np.testing.assert_allclose(result.posteriors, shares, atol=1e-9)
    np.testing.assert_allclose(result.gradient, -shares, atol=1e-9)
    if result.loss < np.inf:
        np.testing.assert_allclose(result.logit_gradient, np.exp(log_probs) - shares, atol=1e-9)


def random_case(seed, *, num_frames=40, num_labels=7, length=12):
    rng = np.random.default_rng(seed)
    blank = int(rng.integers(num_labels))
    others = [label for label in range(num_labels) if label != blank]
    return log_softmax(rng.normal(0, 3, (num_frames, num_labels))), rng.choice(others, length), blank


@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_equals_the_definition(seed):
    log_probs, labels, blank = random_case(seed)
    result = ctc_loss(log_probs, labels, blank=blank)
    np.testing.assert_allclose(result.posteriors, label_posteriors(log_probs, labels, blank=blank), atol=1e-10)
    assert result.loss == pytest.approx(-ctc_log_prob(log_probs, labels, blank=blank), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_logit_gradient_is_the_difference_quotient(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (6, 4))
    labels = [1, 1, 2]
    gradient = ctc_loss(log_softmax(logits), labels).logit_gradient
    for t, k in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[t, k] = 1e-5
        ahead, behind = (ctc_loss(log_softmax(logits + sign * step), labels).loss for sign in (1, -1))
        assert gradient[t, k] == pytest.approx((ahead - behind) / 2e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_loss_and_gradient_equal_those_of_pytorch(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, 2, (30, 3, 6)), dtype=torch.float64, requires_grad=True)
    lengths, sizes = [30, 25, 12], [9, 0, 5]
    labels = [rng.integers(1, 6, size) for size in sizes]
    losses = torch.nn.functional.ctc_loss(
        torch.log_softmax(logits, dim=2), torch.tensor(np.concatenate(labels)), lengths, sizes, reduction="none"
    )
    losses.sum().backward()
    scores = [log_softmax(logits.detach().numpy()[:length, i]) for i, length in enumerate(lengths)]
    for i, result in enumerate(ctc_loss_batch(scores, labels)):
        assert result.loss == pytest.approx(losses[i].item(), rel=1e-9)
        np.testing.assert_allclose(result.logit_gradient, logits.grad.numpy()[: lengths[i], i], atol=1e-9)


def test_too_few_frames_are_an_infinite_loss_that_teaches_nothing():
    log_probs = log_softmax(np.zeros((5, 3)))
    assert required_frames([1, 1, 2, 2]) == 6
    result = ctc_loss(log_probs, [1, 1, 2, 2])
    assert result.loss == np.inf
    assert not result.gradient.any()
    assert not result.logit_gradient.any()
    assert ctc_loss(log_probs, [1, 1, 2]).loss < np.inf


def test_a_label_that_the_scores_rule_out_is_an_infinite_loss():
    with np.errstate(divide="ignore"):
        log_probs = np.log([[0.5, 0.5, 0.0]] * 4)
    assert ctc_loss(log_probs, [2]).loss == np.inf
    result = ctc_loss(log_probs, [1])
    assert np.isfinite(result.logit_gradient).all()


def test_no_frames_say_the_empty_transcript():
    empty = np.zeros((0, 3))
    assert ctc_loss(empty, []).loss == 0
    assert ctc_loss(empty, [1]).loss == np.inf
    assert ctc_loss(empty, [1]).gradient.shape == (0, 3)


def test_peaked_scores_do_not_underflow():
    rng = np.random.default_rng(3)
    log_probs = log_softmax(rng.normal(0, 200, (400, 5)))
    labels = rng.integers(1, 5, 60)
    result = ctc_loss(log_probs, labels)
    assert 1000 < result.loss < np.inf
    np.testing.assert_allclose(result.posteriors.sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize(
    ("scores", "labels", "blank", "message"),
    [
        ([0.0, 1.0], [1], 0, r"shape \(2,\), expected \(frames, labels\)"),
        ([[0.0, np.nan]], [1], 0, "frame 0, column 1: nan"),
        ([[0.5, 0.5]], [1], 0, "take their log"),
        (np.log10([[0.5, 0.5]]), [1], 0, "base 10"),
        (-np.log([[0.5, 0.5]]), [1], 0, "change their sign"),
        ([[3.0, -2.0]], [1], 0, "apply log_softmax"),
        (np.full((1, 2), -np.inf), [1], 0, "all minus infinity"),
        (np.log([[0.5, 0.5]]), [1], 2, "blank is column 2, but the scores have 2 columns"),
        (np.log([[0.5, 0.5]]), [0], 0, "blank .column 0. at place 0 of a transcript"),
        (np.log([[0.5, 0.5]]), [1, 7], 0, "label 7 at place 1"),
        (np.log([[0.5, 0.5]]), [1.0], 0, "a row of label ids"),
        ([["a", "b"]], [1], 0, "floating-point"),
    ],
)
def test_bad_input_is_told(scores, labels, blank, message):
    with pytest.raises(WfstAsrError, match=message):
        ctc_loss(scores, labels, blank=blank)


def test_a_bad_utterance_of_a_batch_is_named():
    good = np.log([[0.5, 0.5]])
    with pytest.raises(WfstAsrError, match="utterance 1: label 9"):
        ctc_loss_batch([good, good], [[1], [9]])
    with pytest.raises(WfstAsrError, match="1 score matrices and 0 transcripts"):
        ctc_loss_batch([good], [])
    with pytest.raises(WfstAsrError, match="utterance 1 has 4 columns"):
        ctc_loss_batch([good, np.log(np.full((2, 4), 0.25))], [[1], [1]])
    assert ctc_loss_batch([], []) == []
