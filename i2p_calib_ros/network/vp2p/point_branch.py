"""The published point branch: set abstraction with transformers, down to the whole cloud and back to the points.

PointNet++ (Qi et al. 2017) with the vector attention of Point Transformer (Zhao et al. 2021) at every level.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from i2p_calib_ros.network.layers import normed_mlp
from i2p_calib_ros.network.vp2p.inputs import POINT_FEATURES, PointGroups, Vp2pInputs


class _SetAbstraction(nn.Module):
    """Features (m, in) of points (m, 3) -> (c, widths[-1]): an MLP over the members of each group, and its maximum."""

    def __init__(self, in_width: int, radius_m: float, *widths: int) -> None:
        super().__init__()
        self.radius_m = radius_m
        self.mlp = normed_mlp(3 + in_width, *widths)

    def forward(self, xyz: Tensor, features: Tensor, groups: PointGroups) -> Tensor:
        c, k = groups.members.shape
        members = groups.members.reshape(-1)
        offset = (xyz[members].view(c, k, 3) - groups.centres[:, None]) / self.radius_m
        grouped = torch.cat([offset.reshape(c * k, 3).to(features.dtype), features[members]], dim=1)
        return self.mlp(grouped).view(c, k, -1).amax(dim=1)


class _VectorAttention(nn.Module):
    """Features (c, width) attend to those of their nearest neighbours, a weight for every channel; residual."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, inner)
        self.key = nn.Linear(width, inner)
        self.value = nn.Linear(width, inner)
        self.position = nn.Sequential(nn.Linear(3, inner), nn.ReLU(), nn.Linear(inner, inner))
        self.weigh = nn.Sequential(nn.Linear(inner, 2 * inner), nn.ReLU(), nn.Linear(2 * inner, inner))
        self.out = nn.Linear(inner, width)

    def forward(self, x: Tensor, groups: PointGroups, radius_m: float) -> Tensor:
        near = groups.neighbours
        position = self.position((groups.centres[:, None] - groups.centres[near]) / radius_m)
        weight = self.weigh(self.query(x)[:, None] - self.key(x)[near] + position).softmax(dim=1)
        return x + self.out((weight * (self.value(x)[near] + position)).sum(dim=1))


class PointTransformer(nn.Module):
    """The cloud -> features (q, widths[0]) of the query points and (widths[2],) of all of it."""

    def __init__(self, widths: tuple[int, int, int], radii_m: tuple[float, float], attention_width: int) -> None:
        super().__init__()
        w1, w2, w3 = widths
        self.radii_m = radii_m
        self.abstract = nn.ModuleList(
            [
                _SetAbstraction(POINT_FEATURES, radii_m[0], w1 // 2, w1 // 2, w1),
                _SetAbstraction(w1, radii_m[1], w1, w1, w2),
            ]
        )
        self.attend_down = nn.ModuleList([_VectorAttention(w, attention_width) for w in (w1, w2)])
        self.whole = normed_mlp(3 + w2, w2, w3, w3)
        self.up2 = normed_mlp(w2 + w3, w2, w2)
        self.up1 = normed_mlp(w1 + w2, w2, w1)
        self.attend_up = nn.ModuleList([_VectorAttention(w, attention_width) for w in (w1, w2)])
        self.up0 = normed_mlp(3 + w1, w1, w1)

    def forward(self, inputs: Vp2pInputs) -> tuple[Tensor, Tensor]:
        first, second = inputs.groups
        radius1, radius2 = self.radii_m
        x1 = self.abstract[0](inputs.point_xyz, inputs.point_features, first)
        x1 = self.attend_down[0](x1, first, radius1)
        x2 = self.attend_down[1](self.abstract[1](first.centres, x1, second), second, radius2)
        whole = self.whole(torch.cat([(second.centres / radius2).to(x2.dtype), x2], dim=1)).amax(dim=0)
        x2 = x2 + self.up2(torch.cat([x2, whole.expand(len(x2), -1)], dim=1))
        x2 = self.attend_up[1](x2, second, radius2)
        x1 = x1 + self.up1(torch.cat([x1, _interpolated(x2, second)], dim=1))
        x1 = self.attend_up[0](x1, first, radius1)
        position = (inputs.query_xyz / radius1).to(x1.dtype)
        return self.up0(torch.cat([position, _interpolated(x1, first)], dim=1)), whole


def _interpolated(features: Tensor, groups: PointGroups) -> Tensor:
    """Features (c, w) of the centres at the points below, (m, w)."""
    return (features[groups.upward_rows] * groups.upward_weights[:, :, None].to(features.dtype)).sum(dim=1)
