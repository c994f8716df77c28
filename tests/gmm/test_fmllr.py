"""fMLLR against loops, a general optimiser, and speakers whose distortion is known."""

import numpy as np
import pytest

from tests.gmm.transform_world import drawn, naive_entries, random_model, total_log_likelihood
from tests.reference import fmllr as naive
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.fmllr import (
    FmllrStatistics,
    accumulate_fmllr,
    apply_transform,
    compose,
    estimate_fmllr,
    expected_statistics,
    identity_transform,
)
from wfst_asr.gmm.row_updates import best_rows

DIM = 3
SIZES = (1, 4, 2)
KINDS = ("full", "diagonal", "offset")


def distortion(rng: np.random.Generator, *, strength: float = 0.1) -> np.ndarray:
    """A transform (DIM, DIM + 1) not far from the identity."""
    return np.column_stack([np.eye(DIM) + strength * rng.normal(size=(DIM, DIM)), 0.5 * rng.normal(size=DIM)])


def speaker(seed: int, *, num_frames: int = 700) -> tuple[AcousticModel, np.ndarray, np.ndarray, np.ndarray]:
    """A model, the features of a speaker, the pdfs, and the transform that makes the features the model's."""
    rng = np.random.default_rng(seed)
    model = random_model(rng, dim=DIM, sizes=SIZES)
    pdf_ids = rng.integers(0, len(SIZES), num_frames)
    transform = distortion(rng)
    clean = drawn(rng, model, pdf_ids)
    return model, np.linalg.solve(transform[:, :DIM], (clean - transform[:, DIM]).T).T, pdf_ids, transform


def test_statistics_equal_the_loop_over_weighted_entries() -> None:
    rng = np.random.default_rng(9)
    model, features, _, _ = speaker(0, num_frames=40)
    features = features.astype(np.float32)
    frames, pdf_ids = rng.integers(0, 40, 700), rng.integers(0, 3, 700)
    weights = rng.random(700) * (rng.random(700) < 0.8)
    found = accumulate_fmllr(model, features, pdf_ids, weights=weights, frames=frames)
    expected = naive.statistics(features, naive_entries(model, features, pdf_ids, weights, frames))
    for one, other in zip((found.count, found.linear, found.quadratic), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_posteriors_may_come_from_another_model_and_other_features() -> None:
    rng = np.random.default_rng(9)
    model, features, pdf_ids, transform = speaker(0, num_frames=40)
    features = features.astype(np.float32)
    seen = apply_transform(features, transform)
    source = random_model(rng, dim=DIM, sizes=SIZES)
    found = accumulate_fmllr(model, features, pdf_ids, posterior_model=source, posterior_features=seen)
    entries = naive_entries(model, seen, pdf_ids, np.ones(40), np.arange(40), posterior_model=source)
    expected = naive.statistics(features, entries)
    for one, other in zip((found.count, found.linear, found.quadratic), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_parts_add_up_to_the_whole() -> None:
    model, features, pdf_ids, _ = speaker(1)
    whole = accumulate_fmllr(model, features, pdf_ids)
    parts = sum(
        (accumulate_fmllr(model, features[at], pdf_ids[at]) for at in np.array_split(np.arange(700), 3)),
        start=FmllrStatistics.zeros(DIM),
    )
    assert parts.count == pytest.approx(whole.count)
    np.testing.assert_allclose(parts.linear, whole.linear, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(parts.quadratic, whole.quadratic, rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_objective_rises_to_where_a_general_optimiser_ends(seed: int) -> None:
    model, features, pdf_ids, _ = speaker(seed)
    statistics = accumulate_fmllr(model, features, pdf_ids)
    triple = (statistics.count, statistics.linear, statistics.quadratic)
    for start in (None, distortion(np.random.default_rng(seed + 50), strength=0.1)):
        begin = identity_transform(DIM) if start is None else start
        before = previous = naive.objective(begin, *triple)
        assert statistics.objective(begin) == pytest.approx(before, rel=1e-10)
        for iterations in (1, 2, 5, 400):
            found = estimate_fmllr(statistics, start=start, iterations=iterations)
            after = naive.objective(found.transform, *triple)
            assert after >= previous
            assert found.objective_change * statistics.count == pytest.approx(after - before, rel=1e-6)
            previous = after
        assert previous == pytest.approx(naive.maximum(begin, *triple)[1], abs=1e-4 * statistics.count)


@pytest.mark.parametrize("bias", [0, 1])
def test_sweeps_with_rank_one_updates_equal_sweeps_with_whole_inverses(bias: int) -> None:
    rng = np.random.default_rng(7)
    dim, count = 30, 800.0
    z = rng.normal(size=(800, dim + bias)) @ rng.normal(size=(dim + bias, dim + bias))
    quadratic = np.stack([(z * rng.uniform(0.5, 2.0, 800)[:, None]).T @ z for _ in range(dim)])
    linear = rng.normal(size=(dim, dim + bias)) @ z.T @ z
    start = np.eye(dim, dim + bias)
    found, _ = best_rows(start, quadratic, linear, count, sweeps=3)
    for _ in range(3):
        start = naive.one_sweep(start, count, linear, quadratic)
    np.testing.assert_allclose(found, start, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_the_likelihood_with_its_determinant_rises_by_at_least_the_objective(seed: int) -> None:
    model, features, pdf_ids, _ = speaker(seed)
    transform = identity_transform(DIM)
    before = total_log_likelihood(model, features, pdf_ids)
    for _ in range(3):
        statistics = accumulate_fmllr(model, features, pdf_ids, posterior_features=apply_transform(features, transform))
        found = estimate_fmllr(statistics, start=transform)
        transform = found.transform
        after = total_log_likelihood(model, apply_transform(features, transform).astype(np.float64), pdf_ids)
        after += len(features) * np.linalg.slogdet(transform[:, :DIM])[1]
        assert after - before >= found.objective_change * len(features) - 0.05
        before = after


@pytest.mark.parametrize("seed", range(3))
def test_a_known_distortion_is_recovered(seed: int) -> None:
    model, features, pdf_ids, expected = speaker(seed, num_frames=20000)
    transform = identity_transform(DIM)
    for _ in range(6):
        seen = apply_transform(features, transform)
        transform = estimate_fmllr(
            accumulate_fmllr(model, features, pdf_ids, posterior_features=seen), start=transform
        ).transform
    np.testing.assert_allclose(transform, expected, atol=0.05)


def test_statistics_of_adapted_features_give_the_transform_to_put_behind() -> None:
    model, features, pdf_ids, _ = speaker(2)
    first = estimate_fmllr(accumulate_fmllr(model, features, pdf_ids)).transform
    seen = apply_transform(features, first)
    together = estimate_fmllr(
        accumulate_fmllr(model, features, pdf_ids, posterior_features=seen), start=first, iterations=300
    )
    behind = estimate_fmllr(accumulate_fmllr(model, seen, pdf_ids), iterations=300)
    np.testing.assert_allclose(compose(behind.transform, first), together.transform, atol=1e-3)


@pytest.mark.parametrize("kind", ["diagonal", "offset"])
def test_closed_forms_are_the_best_of_their_kind(kind: str) -> None:
    model, features, pdf_ids, _ = speaker(3)
    statistics = accumulate_fmllr(model, features, pdf_ids)
    found = estimate_fmllr(statistics, kind=kind)  # type: ignore[arg-type]
    assert found.kind == kind
    best = statistics.objective(found.transform)
    square = found.transform[:, :DIM]
    np.testing.assert_array_equal(square, np.eye(DIM) if kind == "offset" else np.diag(np.diag(square)))
    for i in range(DIM):
        for column in (DIM,) if kind == "offset" else (i, DIM):
            for step in (-1e-3, 1e-3):
                moved = found.transform.copy()
                moved[i, column] += step
                assert statistics.objective(moved) < best
    assert best - statistics.objective(identity_transform(DIM)) == pytest.approx(found.objective_change * found.count)


def test_richer_kinds_reach_higher() -> None:
    model, features, pdf_ids, _ = speaker(3)
    statistics = accumulate_fmllr(model, features, pdf_ids)
    changes = [estimate_fmllr(statistics, kind=kind).objective_change for kind in KINDS]  # type: ignore[arg-type]
    assert changes[0] > changes[1] > changes[2] > 0.0


@pytest.mark.parametrize(("num_frames", "kind"), [(0, "none"), (499, "none"), (500, "diagonal"), (1000, "full")])
def test_the_kind_follows_the_count(num_frames: int, kind: str) -> None:
    model, features, pdf_ids, _ = speaker(4, num_frames=1000)
    statistics = accumulate_fmllr(model, features[:num_frames], pdf_ids[:num_frames])
    found = estimate_fmllr(statistics, kind="auto")
    assert found.kind == kind
    assert found.count == pytest.approx(num_frames)
    full = estimate_fmllr(statistics)
    assert full.kind == ("full" if num_frames >= 500 else "none")
    if num_frames < 500:
        np.testing.assert_array_equal(full.transform, identity_transform(DIM))
        assert full.objective_change == 0.0


def test_the_best_transform_of_expected_frames_is_the_identity() -> None:
    model, _, _, transform = speaker(4)
    expected = expected_statistics(model, np.array([5.0, 1.0, 0.0]))
    assert expected.count == 1.0
    for kind in KINDS:
        found = estimate_fmllr(expected, start=transform, min_count=0.0, kind=kind, iterations=500)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.transform, identity_transform(DIM), atol=1e-3)


def test_expected_statistics_are_what_many_drawn_frames_give() -> None:
    rng = np.random.default_rng(3)
    model = AcousticModel(np.array([0, 1, 3]), np.array([1.0, 0.3, 0.7]), 9.0 * np.eye(3), rng.uniform(0.5, 2, (3, 3)))
    pdf_ids = np.repeat([0, 1], [15000, 5000])
    many = accumulate_fmllr(model, drawn(rng, model, pdf_ids), pdf_ids).scaled(1 / 20000)
    expected = expected_statistics(model, np.array([3.0, 1.0]))
    np.testing.assert_allclose(many.linear, expected.linear, atol=0.4)
    np.testing.assert_allclose(many.quadratic, expected.quadratic, rtol=0.05, atol=0.4)
    with pytest.raises(WfstAsrError, match="occupancy has 3 values for 2 pdfs"):
        expected_statistics(model, np.ones(3))


def test_a_prior_leads_from_the_identity_to_the_own_transform_as_frames_come() -> None:
    model, features, pdf_ids, expected = speaker(2, num_frames=20000)
    prior = expected_statistics(model, np.ones(len(SIZES))).scaled(500.0)
    distances = []
    for count in (0, 20, 200, 2000, 20000):
        statistics = accumulate_fmllr(model, features[:count], pdf_ids[:count])
        found = estimate_fmllr(statistics, prior=prior)
        assert found.kind == ("full" if count else "none")
        assert statistics.objective(found.transform) >= statistics.objective(identity_transform(DIM))
        distances.append(np.abs(found.transform - expected).max())
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.6 * distances[0]


def test_too_few_frames_leave_the_start() -> None:
    model, features, pdf_ids, transform = speaker(4)
    statistics = accumulate_fmllr(model, features[:100], pdf_ids[:100])
    np.testing.assert_array_equal(estimate_fmllr(statistics, start=transform).transform, transform)


def test_copies_of_one_frame_give_no_full_transform() -> None:
    model, features, pdf_ids, _ = speaker(4)
    statistics = accumulate_fmllr(model, np.repeat(features[:1], 700, axis=0), pdf_ids)
    assert estimate_fmllr(statistics).kind == "none"
    assert estimate_fmllr(statistics, kind="auto").kind == "offset"
    prior = expected_statistics(model, np.ones(len(SIZES))).scaled(100.0)
    assert estimate_fmllr(statistics, kind="auto", prior=prior).kind == "full"


def test_transforms_compose_and_apply() -> None:
    rng = np.random.default_rng(0)
    first, second, matrix = distortion(rng), distortion(rng), rng.normal(size=(2, DIM))
    x = rng.normal(size=(50, DIM))
    expected = (x @ first[:, :DIM].T + first[:, DIM]) @ second[:, :DIM].T + second[:, DIM]
    found = apply_transform(x, compose(second, first))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(
        apply_transform(x, compose(matrix, first)), apply_transform(x, first) @ matrix.T, atol=1e-5
    )
    np.testing.assert_allclose(apply_transform(x, matrix), x @ matrix.T, atol=1e-5)


def test_what_does_not_fit_is_named() -> None:
    model, features, pdf_ids, _ = speaker(0)
    statistics = accumulate_fmllr(model, features, pdf_ids)
    with pytest.raises(WfstAsrError, match=r"the start is .* singular"):
        estimate_fmllr(statistics, start=np.zeros((DIM, DIM + 1)))
    with pytest.raises(WfstAsrError, match="kind is 'best'"):
        estimate_fmllr(statistics, kind="best")  # type: ignore[arg-type]
    with pytest.raises(WfstAsrError, match="posterior_features have 699 frames, features 700"):
        accumulate_fmllr(model, features, pdf_ids, posterior_features=features[1:])
    other = random_model(np.random.default_rng(0), dim=DIM, sizes=(2, 3, 2))
    with pytest.raises(WfstAsrError, match="both need the same Gaussians a pdf"):
        accumulate_fmllr(model, features, pdf_ids, posterior_model=other)
    with pytest.raises(WfstAsrError, match="10 weights for 700 classes"):
        accumulate_fmllr(model, features, pdf_ids, weights=np.ones(10))
    with pytest.raises(WfstAsrError, match="frame 700 is out of range"):
        accumulate_fmllr(model, features, pdf_ids, frames=np.arange(700) + 1)
    with pytest.raises(WfstAsrError, match="does not fit features"):
        apply_transform(features, np.eye(2))
    with pytest.raises(WfstAsrError, match="cannot follow"):
        compose(np.eye(2), identity_transform(DIM))
