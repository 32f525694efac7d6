"""The losses on outputs and fields made by hand: what they ask for, and what the best answer costs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.network.network import NetworkOutputs
from i2p_calib_ros.posterior.match_field import make_match_field
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.posterior.reprojection import GaussianMatches, ReprojectionLikelihood
from i2p_calib_ros.training import losses

STRIDE = 4
VIEW = PinholeView(64, 48, 50.0, 50.0, 31.5, 23.5)
H, W = VIEW.height // STRIDE, VIEW.width // STRIDE
T_TRUE = se3.exp(np.array([0.1, -0.05, 0.1, 0.02, -0.03, 0.01]))


def outputs_of(points, pixels):
    """Outputs with the descriptors (q, d) and (d, h, w), scaled and with overlap as a network gives them."""
    return NetworkOutputs(
        point_descriptor=torch.cat([10.0 * points, torch.ones(len(points), 1)], dim=1),
        pixel_descriptor=torch.cat([pixels, -torch.ones(1, *pixels.shape[1:])]),
        outside=torch.zeros(len(points)),
        pixel_overlap=torch.zeros(pixels.shape[1:]),
        log_depth=torch.zeros(pixels.shape[1:]),
        fine=None,
    )


def sample_at(cells, visible=None):
    cells = torch.tensor(cells, dtype=torch.float32)
    visible = torch.ones(len(cells), dtype=torch.bool) if visible is None else torch.tensor(visible)
    return SimpleNamespace(true_cell=cells, visible=visible, outside=~visible)


def adaptive(points, pixels, sample):
    return losses.adaptive_weighted(outputs_of(points, pixels), sample, 100, torch.Generator().manual_seed(0))


def test_adaptive_weighted_loss_is_the_published_formula():
    pixels = F.normalize(torch.randn(8, H, W, generator=torch.Generator().manual_seed(1)), dim=0)
    points = F.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(2)), dim=1)
    cells = [(2, 3), (3, 3), (9, 9)]  # the first two are within a cell of each other
    similarity = (points @ torch.stack([pixels[:, r, c] for c, r in cells], dim=1)).numpy()
    total = 0.0
    for s in (similarity, similarity.T):
        for i in range(3):
            near = [j for j in range(3) if abs(cells[i][0] - cells[j][0]) <= 1 and abs(cells[i][1] - cells[j][1]) <= 1]
            far = [j for j in range(3) if j not in near]
            positive = sum(np.exp(-32 * max(0, 1.25 - s[i, j]) * (s[i, j] - 0.75)) for j in near)
            negative = sum(np.exp(32 * max(0, s[i, j] + 0.25) * (s[i, j] - 0.25)) for j in far)
            total += np.log1p(positive * negative) / 3
    assert float(adaptive(points, pixels, sample_at(cells))) == pytest.approx(float(total), rel=1e-4)


def test_adaptive_weighted_loss_is_small_for_distinct_descriptors_in_place_and_ignores_hidden_points():
    cells = [(1, 1), (5, 5), (9, 9)]
    pixels = torch.zeros(4, H, W)
    for i, (c, r) in enumerate(cells[:2]):
        pixels[i, r, c] = 1.0
    points = torch.eye(4)[:3].requires_grad_()
    loss = adaptive(points, pixels, sample_at(cells, [True, True, False]))
    loss.backward()
    assert loss.item() < 0.05 and (points.grad[2] == 0).all()
    assert adaptive(points.detach()[[1, 0, 2]], pixels, sample_at(cells, [True, True, False])) > 10.0


def test_point_overlap_asks_for_certainty_where_points_are_seen_or_outside():
    field = SimpleNamespace(overlap=torch.tensor([0.9, 0.2, 0.5]))
    sample = sample_at([(1, 1)] * 3, [True, False, True])
    sample.outside = torch.tensor([False, True, False])
    expected = -np.log([0.9, 0.8, 0.5]).mean()
    assert float(losses.point_overlap(field, sample)) == pytest.approx(expected, rel=1e-5)


def matches_at(shift_px, seed=0, points=60):
    """Sharp matches of points that are seen under T_TRUE, all off by `shift_px`."""
    rng = np.random.default_rng(seed)
    depth, uv = rng.uniform(3, 20, points), rng.uniform([8, 8], [VIEW.width - 9, VIEW.height - 9], (points, 2))
    xyz = np.column_stack([(uv - [VIEW.cx, VIEW.cy]) / VIEW.fx * depth[:, None], depth])
    rows, columns = np.mgrid[:H, :W]
    off = np.stack([columns, rows], axis=-1) * STRIDE + (STRIDE - 1) / 2 - (uv + shift_px)[:, None, None]
    field = make_match_field(
        torch.from_numpy(se3.transform_points(se3.inverse(T_TRUE), xyz)).float(),
        torch.from_numpy(-0.5 * (off**2).sum(-1) / 3.0**2).float(),
        torch.full((points,), -20.0),
        torch.from_numpy(uv).float(),
        torch.full((points, 2), 20.0),
        STRIDE,
        VIEW,
        torch.ones(H, W, dtype=torch.bool),
    )
    return GaussianMatches.from_field(field)


def test_the_pose_losses_of_matches_are_least_where_they_are_right():
    prior = PosePrior.from_spread(np.eye(4), 3.0, 0.2)
    kl, solved = [], []
    for shift_px in (0.0, 6.0):
        likelihood = ReprojectionLikelihood(matches_at(shift_px), 40.0)
        rng = np.random.default_rng(0)
        kl.append(float(losses.pose_kl(likelihood, T_TRUE, prior, poses=340, rng=rng)))
        solved.append(float(losses.solved_pose(likelihood, T_TRUE)))
    assert kl[0] < kl[1] - 5.0 and solved[0] < 0.02 < solved[1]


def test_matches_that_determine_no_pose_have_no_solved_pose():
    matches = matches_at(0.0, points=2)
    assert float(losses.solved_pose(ReprojectionLikelihood(matches, 2.0), T_TRUE)) == 0.0
