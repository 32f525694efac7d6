"""A pose from nearest matches alone: found from anywhere among wrong ones, and none where there are too few."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.posterior.amis import sample_posterior
from i2p_calib_ros.posterior.match_field import MatchField
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.posterior.ransac import ransac_poses
from i2p_calib_ros.posterior.reprojection import GaussianMatches, ReprojectionLikelihood

VIEW = PinholeView(256, 160, 180.0, 180.0, 127.5, 79.5)
STRIDE = 4
T_TRUE = se3.from_rotation_vector([4.0, 0.1, -7.0], [0.02, 2.5, -0.01])


def field_of(points, wrong, hidden):
    """Sharp matches under T_TRUE, the first `wrong` ones anywhere, and of `hidden` points that are not in view."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(4, 40, points)
    uv = rng.uniform([4, 4], [VIEW.width - 5, VIEW.height - 5], (points, 2))
    xyz = np.column_stack([(uv - [VIEW.cx, VIEW.cy]) / VIEW.fx * depth[:, None], depth])
    uv[:wrong] = rng.uniform([4, 4], [VIEW.width - 5, VIEW.height - 5], (wrong, 2))
    xyz = np.concatenate([xyz, rng.uniform(-30, 30, (hidden, 3))])
    uv = np.concatenate([uv, rng.uniform([4, 4], [VIEW.width - 5, VIEW.height - 5], (hidden, 2))])
    rows, columns = np.mgrid[: VIEW.height // STRIDE, : VIEW.width // STRIDE]
    off = np.stack([columns, rows], axis=-1) * STRIDE + (STRIDE - 1) / 2 - uv[:, None, None]
    n = points + hidden
    return MatchField(
        points=torch.from_numpy(se3.transform_points(se3.inverse(T_TRUE), xyz)).float(),
        scores=torch.from_numpy(-0.5 * (off**2).sum(-1) / 4.0**2).float(),
        outside_score=torch.zeros(n),
        log_evidence=torch.zeros(n),
        overlap=torch.cat([torch.ones(points), torch.zeros(hidden)]),
        stride=STRIDE,
        view=VIEW,
    )


def test_the_pose_is_found_among_wrong_matches_and_leads_the_posterior_to_it():
    field = field_of(300, wrong=120, hidden=200)
    (T,) = ransac_poses(field)
    assert se3.pose_error(T, T_TRUE).rotation_deg < 1.0
    prior = PosePrior.from_spread(np.eye(4), 100.0, 6.0)
    likelihood = ReprojectionLikelihood(GaussianMatches.from_field(field), 60.0)
    posterior = sample_posterior(likelihood.log_likelihood, prior, start_poses=np.stack([np.eye(4), T]))
    error = se3.pose_error(posterior.T_mean, T_TRUE)
    assert error.rotation_deg < 1.0 and error.translation_m < 1.5


def test_there_is_no_pose_of_a_few_matches():
    assert ransac_poses(field_of(5, wrong=0, hidden=50)).shape == (0, 4, 4)


@pytest.mark.parametrize("cells", [1, 3])
def test_there_is_no_pose_where_nearly_all_points_match_one_cell(cells):
    """As of a network that has hardly been trained: EPnP then puts the camera 1e15 m away, or further."""
    field, rng = field_of(100, wrong=0, hidden=0), np.random.default_rng(0)
    n, h, w = field.scores.shape
    scores = torch.zeros(n, h * w)
    matched = rng.choice(rng.integers(h * w, size=cells), n, p=[1.0] if cells == 1 else [0.9, 0.06, 0.04])
    scores[torch.arange(n), torch.from_numpy(matched)] = 20.0
    assert ransac_poses(replace(field, scores=scores.view(n, h, w))).shape == (0, 4, 4)
