"""Match fields and the dense likelihood: Bayes' rule, the border, and a case with a known answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.posterior.amis import sample_posterior
from i2p_calib_ros.posterior.dense import DenseLikelihood
from i2p_calib_ros.posterior.match_field import make_match_field, prior_mass
from i2p_calib_ros.posterior.prior import PosePrior

VIEW = PinholeView(256, 160, 180.0, 180.0, 127.5, 79.5)
STRIDE = 4
T_TRUE = se3.exp(np.array([0.1, -0.2, 0.3, 0.02, -0.03, 0.01]))


def scene(n=200, seed=0):
    """Points in a source frame whose projections under T_TRUE spread over the view."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(4, 40, n)
    uv = rng.uniform([10, 10], [VIEW.width - 10, VIEW.height - 10], (n, 2))
    xyz = np.column_stack([(uv - [VIEW.cx, VIEW.cy]) / VIEW.fx * depth[:, None], depth])
    return se3.transform_points(se3.inverse(T_TRUE), xyz), uv


def gaussian_similarity(uv, sigma_cells):
    """A peak at uv for every point: the log density of a network that is sigma_cells sure."""
    centre = (uv - (STRIDE - 1) / 2) / STRIDE
    rows, columns = np.mgrid[: VIEW.height // STRIDE, : VIEW.width // STRIDE]
    squared = (columns - centre[:, 0, None, None]) ** 2 + (rows - centre[:, 1, None, None]) ** 2
    return torch.from_numpy(-0.5 * squared / sigma_cells**2).float()


ALL_VALID = torch.ones(VIEW.height // STRIDE, VIEW.width // STRIDE, dtype=torch.bool)


def field_of(similarity, uv, points, outside=0.0, sigma_px=40.0, view=VIEW, valid=ALL_VALID):
    n = len(uv)
    return make_match_field(
        torch.from_numpy(points).float(),
        similarity,
        torch.full((n,), outside),
        torch.from_numpy(uv).float(),
        torch.full((n, 2), sigma_px),
        STRIDE,
        view,
        valid,
    )


def test_prior_mass_inside_and_outside_adds_to_one():
    uv = torch.tensor([[128.0, 80.0], [2.0, 80.0], [-100.0, 300.0], [255.0, 159.0]])
    log_u, log_v, log_outside = prior_mass(uv, torch.full((4, 2), 12.0), (40, 64), STRIDE)
    inside = log_u.exp().sum(1) * log_v.exp().sum(1)
    np.testing.assert_allclose(inside + log_outside.exp(), 1.0, atol=2e-3)
    assert inside[0] > 0.99 and 0.4 < inside[1] < 0.7 and inside[2] < 1e-3 and 0.2 < inside[3] < 0.35


def test_an_uninformative_field_votes_for_no_pose_not_even_at_the_border():
    points, uv = scene()
    field = field_of(torch.zeros(len(uv), 40, 64), uv, points)
    poses = torch.from_numpy(
        PosePrior.from_spread(T_TRUE, 10.0, 1.0).sample(np.random.default_rng(0), 50)
    ).float()
    votes = DenseLikelihood(field, effective_points=40.0).log_likelihood(poses)
    assert votes.abs().max() < 0.05


def test_where_the_view_shows_no_image_is_outside_whatever_the_cells_there_say():
    points, uv = scene(200)
    margin, rng = 8, np.random.default_rng(1)
    whole = field_of(gaussian_similarity(uv, 2.0), uv, points, outside=-2.0)
    wider = replace(
        VIEW,
        width=VIEW.width + 2 * margin * STRIDE,
        height=VIEW.height + 2 * margin * STRIDE,
        cx=VIEW.cx + margin * STRIDE,
        cy=VIEW.cy + margin * STRIDE,
    )
    inner = slice(margin, -margin)
    similarity = torch.from_numpy(rng.normal(0.0, 9.0, (200, wider.height // STRIDE, wider.width // STRIDE))).float()
    similarity[:, inner, inner] = gaussian_similarity(uv, 2.0)
    valid = torch.zeros(similarity.shape[1:], dtype=torch.bool)
    valid[inner, inner] = True
    bordered = field_of(similarity, uv + margin * STRIDE, points, outside=-2.0, view=wider, valid=valid)
    torch.testing.assert_close(bordered.log_evidence, whole.log_evidence, atol=1e-3, rtol=0.0)
    torch.testing.assert_close(bordered.overlap, whole.overlap, atol=1e-3, rtol=0.0)

    poses = PosePrior.from_spread(T_TRUE, 10.0, 0.5).sample(rng, 40)
    votes, expected = (
        DenseLikelihood(f, 50.0).point_log_likelihoods(torch.from_numpy(poses).float()) for f in (bordered, whole)
    )
    cell = np.stack([VIEW.project(se3.transform_points(T, points))[0] / STRIDE for T in poses], axis=1)
    inside = ((cell > 1) & (cell < np.array(ALL_VALID.shape[::-1]) - 2)).all(axis=2)
    beyond = ((cell < -1) | (cell > np.array(ALL_VALID.shape[::-1]) + 1)).any(axis=2)
    assert inside.any() and beyond.any()
    clear = torch.from_numpy(inside | beyond)  # the border itself is interpolated
    torch.testing.assert_close(votes[clear], expected[clear], atol=2e-3, rtol=0.0)


def test_overlap_is_the_posterior_probability_of_being_in_the_image():
    points, uv = scene(2)
    uv = np.array([[128.0, 80.0], [0.0, 80.0]])
    flat = field_of(torch.zeros(2, 40, 64), uv, points, outside=0.0, sigma_px=20.0)
    assert flat.overlap[0] > 0.99 and flat.overlap[1] == pytest.approx(0.5, abs=0.05)
    gone = field_of(torch.zeros(2, 40, 64), uv, points, outside=4.0, sigma_px=20.0)
    assert gone.overlap[1] < 0.05


def test_scores_are_sampled_where_the_point_projects():
    points, uv = scene(50)
    similarity = gaussian_similarity(uv, 2.0)
    field = field_of(similarity, uv, points)
    score = DenseLikelihood(field, 1.0, floor=1e-6).point_log_likelihoods(
        torch.from_numpy(T_TRUE)[None].float()
    )[:, 0]
    # At the peak a bilinear sample misses at most the curvature over half a cell.
    torch.testing.assert_close(score, -field.log_evidence, atol=0.1, rtol=0.02)


def test_no_point_votes_by_more_than_the_floor_and_poses_behind_count_as_outside():
    points, uv = scene(50)
    field = field_of(gaussian_similarity(uv, 0.5), uv, points, outside=-50.0)
    behind = np.diag([1.0, -1.0, -1.0, 1.0]) @ T_TRUE
    votes = DenseLikelihood(field, 1.0, floor=0.02).point_log_likelihoods(
        torch.from_numpy(behind)[None].float()
    )
    torch.testing.assert_close(votes, torch.full_like(votes, float(np.log(0.02))))


def test_a_pose_that_shows_no_point_has_no_point_on_its_side():
    points, uv = scene(50)
    field = field_of(torch.zeros(50, 40, 64), uv, points, outside=6.0)
    behind = np.diag([1.0, -1.0, -1.0, 1.0]) @ T_TRUE
    votes = DenseLikelihood(field, 1.0).point_log_likelihoods(torch.from_numpy(behind)[None].float())
    torch.testing.assert_close(votes, torch.zeros_like(votes))


def test_posterior_finds_the_pose_with_an_honest_covariance():
    points, uv = scene(300, seed=4)
    rng = np.random.default_rng(7)
    sigma_cells = 1.5
    inside = []
    for trial in range(12):
        seen = uv + rng.normal(0, sigma_cells * STRIDE, uv.shape)
        likelihood = DenseLikelihood(
            field_of(gaussian_similarity(seen, sigma_cells), uv, points), len(uv), floor=1e-4
        )
        start = se3.perturb(T_TRUE, rng.uniform(-4, 4, 3), rng.uniform(-0.3, 0.3, 3))
        posterior = sample_posterior(
            likelihood.log_likelihood, PosePrior.from_spread(start, 2.5, 0.2), seed=trial
        )
        error = se3.pose_error(posterior.T_mean, T_TRUE)
        assert error.rotation_deg < 1.5 and error.translation_m < 0.4
        inside.append(float(posterior.mahalanobis(T_TRUE)) ** 2)
    # Chi-square with 6 degrees of freedom: mean 6, and the mean of 12 has standard deviation 1.
    assert 3.0 < np.mean(inside) < 9.5


@pytest.mark.parametrize("blank_columns", [0, 12])
def test_windows_cut_from_a_whole_field_vote_alike_and_say_outside_beyond_themselves(blank_columns):
    points, uv = scene(100)
    similarity = gaussian_similarity(uv, 2.0)
    valid = ALL_VALID.clone()
    valid[:, :blank_columns] = False
    whole = field_of(similarity.clone(), uv, points, sigma_px=6.0, valid=valid)
    size = 17
    origin = torch.from_numpy(np.round((uv - (STRIDE - 1) / 2) / STRIDE).astype(np.int64)) - size // 2
    padded = torch.nn.functional.pad(similarity[:, None], (size,) * 4, mode="replicate")[:, 0]
    cut = torch.stack([p[r + size : r + 2 * size, c + size : c + 2 * size] for p, (c, r) in zip(padded, origin)])
    expected, sigma_px = torch.from_numpy(uv).float(), torch.full((100, 2), 6.0)
    windows = make_match_field(whole.points, cut, whole.outside_score, expected, sigma_px, STRIDE, VIEW, valid, origin)
    near = torch.from_numpy(PosePrior.from_spread(T_TRUE, 0.5, 0.05).sample(np.random.default_rng(0), 20)).float()
    torch.testing.assert_close(
        DenseLikelihood(windows, 50.0).log_likelihood(near),
        DenseLikelihood(whole, 50.0).log_likelihood(near),
        atol=0.05,
        rtol=0.01,
    )
    far = torch.from_numpy(se3.perturb(T_TRUE, [0.0, 25.0, 0.0], np.zeros(3)))[None].float()
    votes = DenseLikelihood(windows, 1.0).point_log_likelihoods(far)[:, 0]
    ratio = (windows.outside_score - windows.log_evidence).exp()
    torch.testing.assert_close(votes, torch.log(0.98 * ratio.clamp(max=1.0) + 0.02))


def test_thinning_keeps_what_the_points_tell_between_likely_poses():
    points, uv = scene(800)
    sure = np.random.default_rng(1).random(800) < 0.25
    similarity = gaussian_similarity(uv, 1.5)
    similarity[~sure] *= 0.02
    likelihood = DenseLikelihood(field_of(similarity, uv, points), effective_points=60.0)

    def around(seed, count):
        return torch.from_numpy(
            PosePrior.from_spread(T_TRUE, 0.5, 0.05).sample(np.random.default_rng(seed), count)
        ).float()

    def off(thinned):
        votes, poses = likelihood.log_likelihood(around(3, 200)), around(3, 200)
        difference = thinned.log_likelihood(poses) - votes
        return float(difference.std() / votes.std())

    thinned = likelihood.thinned(200, around(2, 48))
    assert len(thinned.field.points) == 200
    assert float(thinned.counts.sum()) == pytest.approx(800, rel=0.15)
    any_200 = DenseLikelihood(likelihood.field.subset(torch.arange(200)), effective_points=60.0)
    assert off(thinned) < 0.5 * off(any_200) and off(thinned) < 0.06
    twice = likelihood.thinned(400, around(2, 48)).thinned(200, around(2, 48))
    assert off(twice) < 0.5 * off(any_200) and off(twice) < 0.08
    assert likelihood.thinned(800, around(2, 48)) is likelihood
