"""The network: bad input, equal results for equal scenes, and what its outputs mean."""

import numpy as np
import pytest
import torch

from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.network.config import NetworkConfig
from i2p_calib_ros.network.inputs import TooFewPoints, prepare_vpp_inputs, prior_sigma_px
from i2p_calib_ros.network.network import VoxelPointPixelNet
from i2p_calib_ros.network.spread import PriorSpread

VIEW = PinholeView(128, 96, 90.0, 90.0, 63.5, 47.5)
SPREAD = PriorSpread(0.05, 0.1)
CONFIG = NetworkConfig(query_points=64)


def street(points=4000, seed=0):
    """Ground and a wall in the camera frame."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(3, 40, points)
    ground = np.column_stack([rng.uniform(-0.6, 0.6, points) * z, np.full(points, 1.6), z])
    wall = np.column_stack([rng.uniform(-8, 8, points), rng.uniform(-4, 1.6, points), np.full(points, 30.0)])
    image = rng.integers(0, 255, (VIEW.height, VIEW.width, 3), dtype=np.uint8)
    return image, np.concatenate([ground, wall]), rng.random(2 * points)


def inputs_of(config=CONFIG, **changes):
    image, xyz, intensity = street()
    valid = np.ones(image.shape[:2], dtype=bool)
    arguments = {"image": image, "valid": valid, "xyz_prior": xyz, "intensity": intensity, **changes}
    return prepare_vpp_inputs(**arguments, view=VIEW, spread=SPREAD, config=config, rng=np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["perspective", "metric"])
def test_outputs_have_the_promised_shapes_and_are_finite(kind):
    config = CONFIG.model_copy(update={"voxel_kind": kind})
    torch.manual_seed(0)
    outputs = VoxelPointPixelNet(config)(inputs_of(config))
    assert outputs.similarity().shape == (64, 24, 32)
    assert outputs.outside.shape == (64,)
    assert outputs.pixel_overlap.shape == outputs.log_depth.shape == (24, 32)
    assert all(torch.isfinite(t).all() for t in (outputs.similarity(), outputs.outside, outputs.log_depth))


def test_intensity_enters_by_rank_so_that_its_scale_does_not_matter():
    _, _, intensity = street()
    one = inputs_of(intensity=intensity)
    other = inputs_of(intensity=255.0 * intensity + 3.0)
    torch.testing.assert_close(one.voxel_features, other.voxel_features)
    torch.testing.assert_close(one.neighbours, other.neighbours)
    unknown = inputs_of(intensity=None)
    assert (unknown.voxel_features[:, 11] == 0).all() and (one.voxel_features[:, 11] == 1).all()


def test_image_gain_and_offset_drop_out():
    image = street()[0] // 2
    torch.testing.assert_close(
        inputs_of(image=image).image,
        inputs_of(image=(image + 40).astype(np.uint8)).image,
        atol=1e-4,
        rtol=1e-3,
    )


def test_a_cloud_behind_the_camera_is_refused_with_the_number_of_points():
    with pytest.raises(TooFewPoints, match="0 points"):
        inputs_of(xyz_prior=street()[1] * [1, 1, -1])


def test_prior_sigma_is_the_spread_of_projections_under_the_prior():
    from i2p_calib_ros.geometry import se3

    rng = np.random.default_rng(3)
    spread = PriorSpread(0.01, 0.03)
    points = np.array([[0.0, 0.0, 10.0], [4.0, 1.5, 8.0], [-6.0, -2.0, 20.0]])
    xi = rng.standard_normal((20_000, 6)) * spread.sigma
    uv = VIEW.project(se3.transform_points(se3.exp(xi), points))[0]
    np.testing.assert_allclose(prior_sigma_px(points, VIEW, spread), uv.std(axis=0), rtol=0.03)


def test_query_points_are_rows_of_the_cloud_and_visible():
    _, xyz, _ = street()
    inputs = inputs_of()
    np.testing.assert_allclose(inputs.query_xyz, xyz[inputs.query_index.numpy()], rtol=1e-6)
    uv = inputs.prior_uv.numpy()
    assert (uv >= -0.5).all() and (uv[:, 0] < VIEW.width).all() and (uv[:, 1] < VIEW.height).all()


def test_training_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    network = VoxelPointPixelNet(CONFIG.model_copy(update={"fine_descriptor": 8}))
    outputs = network(inputs_of())
    total = outputs.similarity().logsumexp(dim=(1, 2)).sum() + outputs.outside.sum() + outputs.log_depth.sum()
    fine = outputs.fine
    total += fine.similarity(torch.zeros(64, 2, dtype=torch.long), 9).logsumexp(dim=(1, 2)).sum() + fine.elsewhere.sum()
    total.backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None]
    assert not missing


def test_voxels_stay_in_float32_where_a_cpu_runs_the_rest_in_bfloat16():
    torch.manual_seed(0)
    branch, inputs = VoxelPointPixelNet(CONFIG).voxel_branch, inputs_of()
    coarse, skips = branch.encode(inputs.voxel_features, inputs.levels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse_too, skips_too = branch.encode(inputs.voxel_features, inputs.levels)
        decoded = branch.decode(coarse_too.bfloat16(), skips_too, inputs.levels)
    assert torch.equal(coarse, coarse_too)
    assert torch.equal(decoded, branch.decode(coarse.bfloat16().float(), skips, inputs.levels))


def test_the_fine_stage_scores_the_cells_of_each_window_and_repeats_the_border_beyond_the_image():
    torch.manual_seed(0)
    fine = VoxelPointPixelNet(CONFIG.model_copy(update={"fine_descriptor": 8}))(inputs_of()).fine
    assert fine.pixel_descriptor.shape == (8, 48, 64)
    whole = torch.einsum("qd,dhw->qhw", fine.point_descriptor, fine.pixel_descriptor)
    origin = torch.tensor([[10, 20], [-3, 45]]).repeat(32, 1)
    scores = fine.similarity(origin, 5)
    torch.testing.assert_close(scores[0], whole[0, 20:25, 10:15])
    torch.testing.assert_close(scores[1, 0, 3:], whole[1, 45, :2])
    torch.testing.assert_close(scores[1, 4], whole[1, 47, [0, 0, 0, 0, 1]])
