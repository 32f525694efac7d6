"""The published network: its groups of points, and what its outputs mean."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter, ValidationError

from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.network.config import AnyNetworkConfig, NetworkConfig, PointLevel, Vp2pConfig
from i2p_calib_ros.network.inputs import TooFewPoints
from i2p_calib_ros.network.vp2p.inputs import _farthest_points, _normals, prepare_vp2p_inputs
from i2p_calib_ros.network.vp2p.network import Vp2pNet
from i2p_calib_ros.posterior.match_field import make_match_field

VIEW = PinholeView(128, 96, 90.0, 90.0, 63.5, 47.5)
CONFIG = Vp2pConfig(
    query_points=64,
    max_cloud_points=3000,
    voxel_widths=(8, 8, 16),
    pixel_widths=(8, 16, 16, 16, 16),
    point_widths=(16, 24, 32),
    point_levels=(PointLevel(centres=128, members=16, radius_m=6.0), PointLevel(centres=32, members=8, radius_m=12.0)),
    attention_width=16,
)


def cloud(points=4000):
    """Ground all around, and a wall."""
    rng = np.random.default_rng(0)
    ground = np.column_stack([rng.uniform(-30, 30, points), np.full(points, 1.6), rng.uniform(-30, 30, points)])
    wall = np.column_stack([rng.uniform(-8, 8, points), rng.uniform(-4, 1.6, points), np.full(points, 25.0)])
    return np.concatenate([ground, wall])


def inputs_of(xyz=None):
    xyz = cloud() if xyz is None else xyz
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (VIEW.height, VIEW.width, 3), dtype=np.uint8)
    valid = np.ones(image.shape[:2], dtype=bool)
    return prepare_vp2p_inputs(image, valid, xyz, rng.random(len(xyz)), VIEW, CONFIG, rng)


def test_query_points_are_rows_of_the_whole_cloud():
    inputs = inputs_of()
    np.testing.assert_allclose(inputs.query_xyz, cloud()[inputs.query_index.numpy()], rtol=1e-6)
    assert (inputs.query_xyz[:, 2] < 0).any() and len(inputs.point_xyz) == CONFIG.max_cloud_points


def test_members_lie_in_the_ball_and_points_are_interpolated_from_the_nearest_centres():
    inputs = inputs_of()
    below, readers = inputs.point_xyz, inputs.query_xyz
    for level, groups in zip(CONFIG.point_levels, inputs.groups, strict=True):
        distance = torch.linalg.vector_norm(below[groups.members] - groups.centres[:, None], dim=-1)
        assert distance.max() <= level.radius_m + 1e-3 and (distance > 0.3 * level.radius_m).any()
        assert groups.members.shape == (level.centres, level.members)
        torch.testing.assert_close(groups.neighbours[:, 0], torch.arange(level.centres))
        nearest = torch.cdist(readers, groups.centres).argmin(dim=1)
        assert (groups.upward_rows[:, 0] == nearest).float().mean() > 0.98
        torch.testing.assert_close(groups.upward_weights.sum(dim=1), torch.ones(len(readers)))
        below = readers = groups.centres


def test_farthest_points_leave_no_point_far_from_all():
    xyz = np.random.default_rng(1).uniform(0, 1, (400, 3)).astype(np.float32) * [100, 1, 1]
    chosen = xyz[_farthest_points(xyz.astype(np.float32), 100, np.random.default_rng(0))]
    assert np.abs(xyz[:, None, 0] - chosen[:, 0]).min(axis=1).max() < 3.0


def test_normals_are_those_of_the_planes_and_look_at_the_origin():
    xyz = cloud().astype(np.float32)
    normals = _normals(xyz)
    away = (np.abs(xyz[:, 2] - 25.0) > 5.0) & (np.abs(xyz[:, 1] - 1.6) < 1e-3)
    np.testing.assert_allclose(normals[away], np.tile([0.0, -1.0, 0.0], (away.sum(), 1)), atol=1e-3)


def test_a_cloud_of_a_few_points_is_refused():
    with pytest.raises(TooFewPoints, match="10 points"):
        inputs_of(cloud()[:10])


def test_outputs_are_unit_descriptors_and_the_field_has_the_overlap_that_the_head_gives():
    torch.manual_seed(0)
    network, inputs = Vp2pNet(CONFIG), inputs_of()
    logits = []
    network.point_overlap.register_forward_hook(lambda module, arguments, output: logits.append(output[:, 0]))
    outputs = network(inputs)
    assert outputs.similarity().shape == (64, 24, 32) and outputs.fine is None and outputs.log_depth is None
    cosine = outputs.cosine(torch.arange(64), torch.tensor([3, 5]), torch.tensor([7, 9]))
    scaled = outputs.similarity() - F.logsigmoid(outputs.pixel_overlap)
    torch.testing.assert_close(32.0 * cosine, scaled[:, [7, 9], [3, 5]], atol=1e-3, rtol=1e-3)
    field = make_match_field(
        inputs.query_xyz,
        outputs.similarity(),
        outputs.outside,
        inputs.prior_uv,
        inputs.prior_sigma_px,
        4,
        VIEW,
        torch.ones(24, 32, dtype=torch.bool),
    )
    torch.testing.assert_close(field.overlap, logits[0].sigmoid(), atol=1e-4, rtol=1e-4)


def test_a_configuration_names_its_kind_and_is_ours_without():
    adapter = TypeAdapter(AnyNetworkConfig)
    assert adapter.validate_python(CONFIG.model_dump(mode="json")) == CONFIG
    assert isinstance(adapter.validate_python({"view_pixels": 1000}), NetworkConfig)
    with pytest.raises(ValidationError, match="voxel_kind"):
        adapter.validate_python({"kind": "vp2p", "voxel_kind": "metric"})
