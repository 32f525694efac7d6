"""Sparse convolution against a dense 3D convolution, and its own backward against finite differences."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from i2p_calib_ros.network.sparse_conv import DownConv, SubmanifoldConv, UpConv
from i2p_calib_ros.network.voxel_grid import build_pyramid


@pytest.fixture(params=[0, 1, 2])
def pyramid(request):
    rng = np.random.default_rng(request.param)
    return build_pyramid(rng.uniform(0, 9, (300, 3)), levels=3)


def tensors(level):
    neighbours = tuple(torch.from_numpy(pairs) for pairs in level.neighbours)
    return neighbours, torch.from_numpy(level.children), torch.from_numpy(level.slot)


def to_dense(level, features, size=24):
    grid = torch.zeros(size, size, size, features.shape[1], dtype=features.dtype)
    grid[tuple(level.cells.T)] = features
    return grid.permute(3, 0, 1, 2)[None]


def test_submanifold_convolution_equals_dense_convolution_at_occupied_voxels(pyramid):
    level = pyramid.levels[0]
    neighbours, _, _ = tensors(level)
    conv = SubmanifoldConv(4, 6).double()
    x = torch.randn(len(level.cells), 4, dtype=torch.float64)
    # Tap k is the offset (k // 9, k // 3 % 3, k % 3) - 1, the order of a dense kernel.
    kernel = conv.weight.view(3, 3, 3, 4, 6).permute(4, 3, 0, 1, 2)
    dense = F.conv3d(to_dense(level, x), kernel, padding=1)[0].permute(1, 2, 3, 0)
    torch.testing.assert_close(conv(x, neighbours), dense[tuple(level.cells.T)])


def test_down_convolution_equals_dense_stride_two_convolution(pyramid):
    fine, coarse = pyramid.levels[0], pyramid.levels[1]
    _, children, slot = tensors(fine)
    conv = DownConv(4, 5).double()
    x = torch.randn(len(fine.cells), 4, dtype=torch.float64)
    kernel = conv.weight.view(2, 2, 2, 4, 5).permute(4, 3, 0, 1, 2)
    dense = F.conv3d(to_dense(fine, x), kernel, stride=2)[0].permute(1, 2, 3, 0)
    parents = coarse.cells - 1  # a level's cells start at one more than half of the finer ones
    torch.testing.assert_close(conv(x, children, slot), dense[tuple(parents.T)])


def test_up_convolution_is_the_transpose_of_a_down_convolution(pyramid):
    _, children, slot = tensors(pyramid.levels[0])
    fine_count, coarse_count = len(pyramid.levels[0].cells), len(pyramid.levels[1].cells)
    up = UpConv(5, 4).double()
    down = DownConv(4, 5).double()
    with torch.no_grad():
        down.weight.copy_(up.weight.view(5, 8, 4).permute(1, 2, 0).reshape(32, 5))
    x = torch.randn(fine_count, 4, dtype=torch.float64)
    y = torch.randn(coarse_count, 5, dtype=torch.float64)
    torch.testing.assert_close((down(x, children, slot) * y).sum(), (x * up(y, children, slot)).sum())


def test_gradients_equal_finite_differences():
    pyramid = build_pyramid(np.random.default_rng(5).uniform(0, 4, (25, 3)), levels=2)
    neighbours, children, slot = tensors(pyramid.levels[0])
    x = torch.randn(len(pyramid.levels[0].cells), 2, dtype=torch.float64, requires_grad=True)
    y = torch.randn(len(pyramid.levels[1].cells), 2, dtype=torch.float64, requires_grad=True)
    same, down, up = SubmanifoldConv(2, 3).double(), DownConv(2, 3).double(), UpConv(2, 3).double()
    for layer, inputs in ((same, (x, neighbours)), (down, (x, children, slot)), (up, (y, children, slot))):
        assert torch.autograd.gradcheck(
            lambda features, weight, layer=layer, rest=inputs[1:]: torch.func.functional_call(
                layer, {"weight": weight}, (features, *rest)
            ),
            (inputs[0], layer.weight),
        )


def test_every_point_finds_its_voxel_and_every_voxel_its_parent():
    points = np.random.default_rng(1).normal(0, 20, (500, 3))
    pyramid = build_pyramid(points, levels=4)
    origin = np.floor(points).astype(int).min(axis=0) - 2
    np.testing.assert_array_equal(
        pyramid.levels[0].cells[pyramid.voxel_of_point], np.floor(points).astype(int) - origin
    )
    for fine, coarse in zip(pyramid.levels[:-1], pyramid.levels[1:], strict=True):
        parent = fine.slot // 8
        np.testing.assert_array_equal(coarse.cells[parent], (fine.cells >> 1) + 1)
        np.testing.assert_array_equal(fine.children[fine.slot], np.arange(len(fine.cells)))
