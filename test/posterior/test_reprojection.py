"""The reprojection likelihood: moments of match fields, Levenberg-Marquardt, robustness, and honest covariance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from i2p_calib_ros.engines.model_file import LikelihoodConfig
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.posterior.amis import sample_posterior
from i2p_calib_ros.posterior.dense import DenseLikelihood
from i2p_calib_ros.posterior.likelihood import make_likelihood
from i2p_calib_ros.posterior.match_field import MatchField
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.posterior.reprojection import GaussianMatches, ReprojectionLikelihood, UndeterminedPose

VIEW = PinholeView(256, 160, 180.0, 180.0, 127.5, 79.5)
STRIDE = 4
T_TRUE = se3.exp(np.array([0.1, -0.2, 0.3, 0.02, -0.03, 0.01]))
BEHIND = np.diag([1.0, -1.0, -1.0, 1.0]) @ T_TRUE


def scene(n, seed=0, margin=10):
    """Points in a source frame whose projections under T_TRUE spread over the view."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(4, 40, n)
    uv = rng.uniform([margin, margin], [VIEW.width - margin, VIEW.height - margin], (n, 2))
    xyz = np.column_stack([(uv - [VIEW.cx, VIEW.cy]) / VIEW.fx * depth[:, None], depth])
    return se3.transform_points(se3.inverse(T_TRUE), xyz), uv


def gaussian_field(points, uv, covariance_px):
    """Scores that are the log density of a Gaussian at uv, with one covariance (2, 2) for all points."""
    rows, columns = np.mgrid[: VIEW.height // STRIDE, : VIEW.width // STRIDE]
    centres = np.stack([columns, rows], axis=-1) * STRIDE + (STRIDE - 1) / 2
    off = centres - uv[:, None, None]
    scores = -0.5 * np.einsum("nhwi,ij,nhwj->nhw", off, np.linalg.inv(covariance_px), off)
    n = len(uv)
    return MatchField(
        points=torch.from_numpy(points).float(),
        scores=torch.from_numpy(scores).float(),
        outside_score=torch.zeros(n),
        log_evidence=torch.zeros(n),
        overlap=torch.ones(n),
        stride=STRIDE,
        view=VIEW,
    )


def gaussian_matches(points, uv, covariance_px):
    return GaussianMatches.from_field(gaussian_field(points, uv, covariance_px))


def isotropic(sigma_px):
    return sigma_px**2 * np.eye(2)


def poses(*T):
    return torch.from_numpy(np.stack(T)).float()


def test_moments_are_those_of_the_match_distribution_plus_half_a_cell():
    points, uv = scene(40, margin=50)
    covariance = np.array([[80.0, 30.0], [30.0, 50.0]])
    matches = gaussian_matches(points, uv, covariance)
    np.testing.assert_allclose(matches.pixel, uv, atol=0.1)
    expected = np.linalg.inv(covariance + isotropic(STRIDE / 2))
    found = matches.whitening.mT @ matches.whitening
    np.testing.assert_allclose(found, np.broadcast_to(expected, (40, 2, 2)), rtol=0.02, atol=1e-5)


def test_a_point_without_evidence_gets_the_covariance_of_the_image():
    points, uv = scene(1)
    matches = gaussian_matches(points, uv, isotropic(1e5))
    np.testing.assert_allclose(matches.pixel[0], [VIEW.cx, VIEW.cy], atol=0.5)
    np.testing.assert_allclose(1.0 / np.diag(matches.whitening[0]), [256 / 12**0.5, 160 / 12**0.5], rtol=0.01)


def test_jacobian_is_that_of_finite_differences():
    points, uv = scene(30)
    matches = gaussian_matches(points, uv, np.array([[60.0, 20.0], [20.0, 30.0]])).double()
    T = se3.perturb(T_TRUE, [1.0, -2.0, 1.5], [0.1, 0.05, -0.1])
    _, jacobian = matches.linearized(torch.from_numpy(T))
    step = 1e-6
    for axis, xi in enumerate(step * np.eye(6)):
        plus, minus = (matches.linearized(torch.from_numpy(se3.exp(s * xi) @ T))[0] for s in (1, -1))
        np.testing.assert_allclose(jacobian[..., axis], (plus - minus) / (2 * step), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_levenberg_marquardt_finds_the_true_pose_of_sharp_matches(seed):
    points, uv = scene(200, seed)
    likelihood = ReprojectionLikelihood(gaussian_matches(points, uv, isotropic(4.0)), len(uv))
    rotation, translation = np.random.default_rng(seed).standard_normal((2, 3))
    start = se3.perturb(
        T_TRUE, 3.0 * rotation / np.linalg.norm(rotation), 0.2 * translation / np.linalg.norm(translation)
    )
    T, covariance = likelihood.solve(start)
    error = se3.pose_error(T, T_TRUE)
    assert error.rotation_deg < 0.02 and error.translation_m < 0.005
    # The cost is quadratic here: a step of one standard deviation along a principal axis costs half a nat.
    values, vectors = np.linalg.eigh(covariance)
    at = likelihood.log_likelihood(poses(T))
    off = likelihood.log_likelihood(poses(*(se3.exp((np.sqrt(values) * vectors).T) @ T)))
    np.testing.assert_allclose(at - off, 0.5, atol=0.05)


def test_a_gauss_newton_step_at_the_solution_has_the_gradient_of_the_solution():
    points, uv = scene(60)
    noisy = uv + np.random.default_rng(1).normal(0, 3.0, uv.shape)
    matches = gaussian_matches(points, noisy, isotropic(4.0))
    T, _ = ReprojectionLikelihood(matches, 60.0).solve(T_TRUE)
    shift = torch.from_numpy(np.random.default_rng(2).normal(0, 0.05, uv.shape)).float()
    moved, _ = ReprojectionLikelihood(replace(matches, pixel=matches.pixel + shift), 60.0).solve(T)

    pixel = matches.pixel.clone().requires_grad_()
    step = ReprojectionLikelihood(replace(matches, pixel=pixel), 60.0).gauss_newton_step(T)
    np.testing.assert_allclose(step.detach(), 0.0, atol=1e-5)
    predicted = [float((torch.autograd.grad(s, pixel, retain_graph=True)[0] * shift).sum()) for s in step]
    np.testing.assert_allclose(predicted, se3.log(moved @ se3.inverse(T)), rtol=0.1, atol=1e-5)


def test_drawn_pixels_are_cells_with_the_frequencies_of_the_scores_and_the_gradient_of_the_mean():
    scores = torch.full((2000, 3, 5), -30.0)
    scores[:, 1, 4], scores[:, 2, 0] = np.log(0.7), np.log(0.3)
    field = replace(gaussian_field(np.ones((2000, 3)), np.ones((2000, 2)), isotropic(4.0)), scores=scores)
    drawn = GaussianMatches.drawn_from_field(field, torch.Generator().manual_seed(0)).pixel
    right = (drawn == torch.tensor([4.0, 1.0]) * STRIDE + 1.5).all(dim=1)
    left = (drawn == torch.tensor([0.0, 2.0]) * STRIDE + 1.5).all(dim=1)
    assert (right | left).all() and float(right.float().mean()) == pytest.approx(0.7, abs=0.04)

    gradients = []
    for matches in (
        lambda field: GaussianMatches.from_field(field),
        lambda field: GaussianMatches.drawn_from_field(field, torch.Generator().manual_seed(0)),
    ):
        free = scores[:3].clone().requires_grad_()
        matches(replace(field, scores=free, points=field.points[:3], overlap=field.overlap[:3])).pixel.sum().backward()
        gradients.append(free.grad)
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().max() > 0.1


def test_huber_limits_gross_mismatches():
    points, uv = scene(200, seed=3)
    covariance = isotropic(4.0)
    wrong = uv.copy()
    wrong[:20] = [20.0, 140.0]
    start = se3.perturb(T_TRUE, [2.0, -1.0, 1.0], [0.1, 0.1, -0.1])
    errors = []
    for huber_px in (8.0, 1e4):
        likelihood = ReprojectionLikelihood(gaussian_matches(points, wrong, covariance), len(uv), huber_px)
        errors.append(se3.pose_error(likelihood.solve(start)[0], T_TRUE).rotation_deg)
    assert errors[0] < 0.5 < errors[1]


def test_the_cost_of_a_mismatch_grows_linearly_beyond_the_threshold():
    point = np.array([[(20.0 - VIEW.cx) / VIEW.fx, (80.0 - VIEW.cy) / VIEW.fy, 1.0]])
    costs = []
    for shift_px in (0.0, 50.0, 100.0, 150.0):
        field = gaussian_field(point, np.array([[20.0 + shift_px, 80.0]]), isotropic(6.0))
        likelihood = ReprojectionLikelihood(GaussianMatches.from_field(field), effective_points=1.0, huber_px=12.0)
        costs.append(-float(likelihood.log_likelihood(torch.eye(4)[None])))
    steps = np.diff(costs)
    assert costs[0] < 0.01 and steps[1] == pytest.approx(steps[2], rel=0.02)
    variance = 6.0**2 + (STRIDE / 2) ** 2
    assert steps[1] == pytest.approx(12.0 * 50.0 / variance, rel=0.02)


def test_points_behind_the_camera_cost_the_most_and_stay_finite():
    points, uv = scene(60)
    likelihood = ReprojectionLikelihood(gaussian_matches(points, uv, isotropic(6.0)), len(uv))
    at_camera = T_TRUE.copy()
    at_camera[:3, 3] -= se3.transform_points(T_TRUE, points[0])
    spread = PosePrior.from_spread(T_TRUE, 60.0, 20.0).sample(np.random.default_rng(0), 200)
    values = likelihood.log_likelihood(poses(BEHIND, at_camera, *spread))
    assert torch.isfinite(values).all()
    assert values[0] == values.min()
    with pytest.raises(UndeterminedPose):
        likelihood.solve(BEHIND)


def test_points_out_of_view_do_not_vote_and_thinning_keeps_the_information():
    points, uv = scene(300)
    field = gaussian_field(points, uv, isotropic(6.0))
    field.overlap[150:] = 0.0
    likelihood = ReprojectionLikelihood(GaussianMatches.from_field(field), 60.0)
    moved = poses(se3.perturb(T_TRUE, [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]))
    likely = poses(*PosePrior.from_spread(T_TRUE, 0.5, 0.02).sample(np.random.default_rng(0), 48))
    thinned = likelihood.thinned(200, likely)
    assert len(thinned.matches.points) == 200
    assert thinned.log_likelihood(moved) == pytest.approx(likelihood.log_likelihood(moved), rel=0.03)
    assert likelihood.thinned(300, likely) is likelihood


def test_posterior_finds_the_pose_with_an_honest_covariance():
    points, uv = scene(300, seed=4)
    rng = np.random.default_rng(7)
    sigma_px = 6.0
    squared = []
    for trial in range(12):
        seen = uv + rng.normal(0, sigma_px, uv.shape)
        likelihood = ReprojectionLikelihood(gaussian_matches(points, seen, isotropic(sigma_px)), len(uv))
        start = se3.perturb(T_TRUE, rng.uniform(-4, 4, 3), rng.uniform(-0.3, 0.3, 3))
        posterior = sample_posterior(
            likelihood.log_likelihood, PosePrior.from_spread(start, 2.5, 0.2), seed=trial
        )
        error = se3.pose_error(posterior.T_mean, T_TRUE)
        assert error.rotation_deg < 1.5 and error.translation_m < 0.4
        squared.append(float(posterior.mahalanobis(T_TRUE)) ** 2)
    # Chi-square with 6 degrees of freedom: mean 6, and the mean of 12 has standard deviation 1.
    assert 3.0 < np.mean(squared) < 9.5


def test_the_model_card_chooses_the_likelihood():
    points, uv = scene(20)
    field = gaussian_field(points, uv, isotropic(6.0))
    dense = make_likelihood(field, LikelihoodConfig(effective_points=10.0, floor=0.1))
    assert isinstance(dense, DenseLikelihood) and dense.floor == 0.1 and dense.temper == 0.5
    other = make_likelihood(field, LikelihoodConfig(kind="reprojection", effective_points=10.0))
    assert isinstance(other, ReprojectionLikelihood) and other.temper == 0.5
    with pytest.raises(ValidationError, match="reprojection"):
        LikelihoodConfig(kind="ransac", effective_points=10.0)


def test_points_that_were_drawn_repeatedly_count_once():
    points, uv = scene(20)
    field = gaussian_field(points, uv, isotropic(6.0))
    config = LikelihoodConfig(effective_points=10.0)  # of 20: a correlation of 1 / 19

    def counts_for(index):
        return make_likelihood(field.subset(index), config).temper * len(index)

    assert counts_for(torch.arange(20)) == pytest.approx(10.0)
    assert counts_for(torch.arange(4).repeat(5)) == pytest.approx(4 / (1 + 3 / 19))
    assert counts_for(torch.zeros(20, dtype=torch.long)) == pytest.approx(1.0)
