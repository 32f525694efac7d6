"""Reprojection-cost probabilistic PnP, as published: every point votes with one pixel and its covariance.

The pose likelihood of EPro-PnP (Chen et al., CVPR 2022), also used by VP2P-Match: exp(-1/2 sum_i rho(||W_i r_i||^2))
with r_i = pi(K, T x_i) - u_i and a Huber kernel, and the Levenberg-Marquardt solution its first proposal comes from.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.posterior.match_field import MatchField
from i2p_calib_ros.posterior.resampling import most_telling

HUBER_PX = 12.0
"""Three cells of stride 4. EPro-PnP takes a tenth of the spread of the pixels, which is this for 500 x 160."""

_MIN_DEPTH_M = 0.1
_CELL_SIGMA = 0.5  # a match is not known better than about half a cell
_MAX_STEPS = 30
_START_DAMPING = 1e-3
_MAX_DAMPING = 1e8
_CONVERGED = 1e-4  # length of a step in standard deviations of the result
_MAX_CONDITION = 1e12


class UndeterminedPose(RuntimeError):
    """The matches leave some direction of the pose free, so that there is no least-squares solution."""


@dataclass(frozen=True)
class GaussianMatches:
    """A match field in which every point's distribution over the view is reduced to its first two moments.

    points (n, 3): metres. pixel (n, 2): mean u_i, view pixels. whitening (n, 2, 2): W_i with W_i^T W_i the inverse
    covariance, 1 / px. weight (n,): overlap, 0..1.
    """

    points: Tensor
    pixel: Tensor
    whitening: Tensor
    weight: Tensor
    view: PinholeView

    @classmethod
    def from_field(cls, field: MatchField) -> GaussianMatches:
        """Moments of the softmax of the scores over the cells, half a cell added to the spread.

        The scores are evidence and free of the prior, and so are the moments: a point whose evidence is broad or has
        several peaks gets a covariance as broad as these are apart (up to the image's own) and hardly votes, where
        `DenseLikelihood` would let it vote for each peak.
        """
        n, h, w = field.scores.shape
        mass = torch.softmax(field.scores.reshape(n, h * w), dim=1).view(n, h, w)
        column, row = (torch.arange(size, device=mass.device, dtype=mass.dtype) for size in (w, h))
        mass_column, mass_row = mass.sum(dim=1), mass.sum(dim=2)
        mean = torch.stack([mass_column @ column, mass_row @ row], dim=-1)
        off_column, off_row = column - mean[:, 0:1], row - mean[:, 1:2]
        if field.origin is not None:
            mean = mean + field.origin
        var_u = (mass_column * off_column**2).sum(dim=1) + _CELL_SIGMA**2
        var_v = (mass_row * off_row**2).sum(dim=1) + _CELL_SIGMA**2
        cov_uv = ((mass @ off_column[:, :, None])[..., 0] * off_row).sum(dim=1)
        covariance = torch.stack([var_u, cov_uv, cov_uv, var_v], dim=-1).view(n, 2, 2) * field.stride**2
        lower = torch.linalg.cholesky(covariance)
        identity = torch.eye(2, device=mass.device, dtype=mass.dtype).expand(n, 2, 2)
        return cls(
            points=field.points,
            pixel=mean * field.stride + (field.stride - 1) / 2,
            whitening=torch.linalg.solve_triangular(lower, identity, upper=False),
            weight=field.overlap,
            view=field.view,
        )

    @classmethod
    def drawn_from_field(cls, field: MatchField, generator: torch.Generator) -> GaussianMatches:
        """As `from_field`, but each pixel is a cell drawn from the distribution, with the gradient of the mean.

        The straight-through Gumbel estimator (Jang et al., ICLR 2017) that VP2P-Match trains its matches with.
        """
        matches = cls.from_field(field)
        n, _, w = field.scores.shape
        uniform = torch.rand(field.scores.shape, generator=generator).clamp(min=1e-20).to(field.scores.device)
        cell = (field.scores.detach() - torch.log(-torch.log(uniform))).view(n, -1).argmax(dim=1)
        drawn = torch.stack([cell % w, cell // w], dim=-1)
        if field.origin is not None:
            drawn = drawn + field.origin
        pixel = drawn * field.stride + (field.stride - 1) / 2
        return replace(matches, pixel=matches.pixel + (pixel - matches.pixel).detach())

    def subset(self, index: Tensor, counts: Tensor) -> GaussianMatches:
        """Those of some of the points, (k,), and how many of all each stands for."""
        return replace(
            self,
            points=self.points[index],
            pixel=self.pixel[index],
            whitening=self.whitening[index],
            weight=self.weight[index] * counts,
        )

    def double(self) -> GaussianMatches:
        """The same in float64 on the CPU."""
        points, pixel, whitening, weight = (
            t.cpu().double() for t in (self.points, self.pixel, self.whitening, self.weight)
        )
        return GaussianMatches(points, pixel, whitening, weight, self.view)

    def mean_inverse_sigma(self) -> Tensor:
        """Mean of 1 / standard deviation (geometric over the two axes) of the points in view, 1 / px."""
        inverse_sigma = torch.linalg.det(self.whitening).sqrt()
        return (self.weight * inverse_sigma).sum() / self.weight.sum().clamp(min=1e-9)

    def residuals(self, T_camera_source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For poses (m, 4, 4): whitened residuals (n, m, 2), points in the camera frame (n, m, 3), and whether the
        residual changes with the pose (n, m).

        As in EPro-PnP, projections are clipped to the image and a border around it. A point behind the camera has the
        largest residual that this leaves: that of the worst corner.
        """
        low, high = self._bounds()
        xyz = torch.einsum("mij,nj->nmi", T_camera_source[:, :3, :3], self.points) + T_camera_source[:, :3, 3]
        ahead = xyz[..., 2] > _MIN_DEPTH_M
        projected = self._focal() * xyz[..., :2] / xyz[..., 2:].clamp(min=_MIN_DEPTH_M) + self._centre()
        clipped = torch.minimum(torch.maximum(projected, low), high)
        uv = torch.where(ahead[..., None], clipped, self._worst_corner(low, high)[:, None])
        whitened = torch.einsum("nij,nmj->nmi", self.whitening, uv - self.pixel[:, None])
        return whitened, xyz, ahead & (clipped == projected).all(dim=-1)

    def linearized(self, T_camera_source: Tensor) -> tuple[Tensor, Tensor]:
        """For one pose T (4, 4): whitened residuals (n, 2) and their Jacobian (n, 2, 6) with respect to the twist xi
        of exp(xi) @ T, zero where the projection is clipped or behind the camera."""
        whitened, xyz, free = (t[:, 0] for t in self.residuals(T_camera_source[None]))
        x, y = xyz[:, 0], xyz[:, 1]
        inverse_z = 1.0 / xyz[:, 2].clamp(min=_MIN_DEPTH_M)
        a, b = x * inverse_z, y * inverse_z
        zero = torch.zeros_like(a)
        # d(x/z, y/z) / d xyz times [ I | -[xyz]_x ], which is how a left perturbation moves a point.
        row_u = torch.stack([inverse_z, zero, -a * inverse_z, -a * b, 1.0 + a * a, -b], dim=-1)
        row_v = torch.stack([zero, inverse_z, -b * inverse_z, -1.0 - b * b, a * b, a], dim=-1)
        jacobian = torch.stack([self.view.fx * row_u, self.view.fy * row_v], dim=1)
        return whitened, self.whitening @ jacobian * free[:, None, None]

    def _worst_corner(self, low: Tensor, high: Tensor) -> Tensor:
        """The corner of the bounds that is farthest from each point's match, in its covariance: (n, 2)."""
        corners = torch.cartesian_prod(torch.stack([low[0], high[0]]), torch.stack([low[1], high[1]]))
        offsets = torch.einsum("nij,ncj->nci", self.whitening, corners - self.pixel[:, None])
        return corners[offsets.square().sum(dim=-1).argmax(dim=1)]

    def _bounds(self) -> tuple[Tensor, Tensor]:
        border = max(self.view.width, self.view.height) / 2
        low = self.points.new_tensor([-border, -border])
        return low, self.points.new_tensor([self.view.width + border, self.view.height + border])

    def _focal(self) -> Tensor:
        return self.points.new_tensor([self.view.fx, self.view.fy])

    def _centre(self) -> Tensor:
        return self.points.new_tensor([self.view.cx, self.view.cy])


class ReprojectionLikelihood:
    """log L(T) = -1/2 temper * sum_i weight_i rho(||W_i (pi(K, T x_i) - u_i)||^2), rho the Huber kernel.

    `temper` counts correlated points as fewer independent ones (effective points / points). The kernel turns linear at
    `huber_px` pixels for a point of mean spread: like EPro-PnP's, the threshold on whitened residuals is one for all
    points and follows the mean of 1 / sigma, so that overall confidence does not change which points are outliers.
    """

    def __init__(
        self, matches: GaussianMatches, effective_points: float | Tensor, huber_px: float = HUBER_PX
    ) -> None:
        self.matches = matches
        self.threshold = huber_px * matches.mean_inverse_sigma()
        self.temper = effective_points / max(len(matches.points), 1)

    def thinned(self, points: int, T_camera_source: Tensor) -> ReprojectionLikelihood:
        """That of at most `points` points, which count for all: those that tell most between likely poses (m, 4, 4)."""
        if len(self.matches.points) <= points:
            return self
        costs = self._point_costs(T_camera_source.to(self.matches.weight.device))
        index, counts = most_telling(self.matches.weight[:, None] * costs, points)
        other = copy(self)
        other.matches = self.matches.subset(index, counts)
        return other

    def log_likelihood(self, T_camera_source: Tensor) -> Tensor:
        """Poses (m, 4, 4) float32 that map the field's points to the camera optical frame -> (m,), always finite."""
        cost = self.matches.weight @ self._point_costs(T_camera_source.to(self.matches.weight.device))
        return (-self.temper * cost).to(T_camera_source.device)

    def _point_costs(self, T_camera_source: Tensor) -> Tensor:
        """Untempered, and without the weights: (n, m)."""
        whitened, _, _ = self.matches.residuals(T_camera_source)
        return _half_huber(whitened, self.threshold)

    @torch.no_grad()
    def solve(self, T_start: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Levenberg-Marquardt in float64: the most likely pose near `T_start` (4, 4), and the covariance (6, 6) of its
        left perturbation, the inverse of the Gauss-Newton information there.

        Raises UndeterminedPose where the points in view do not fix all six directions.
        """
        matches = self.matches.double()
        T = np.array(T_start, dtype=np.float64)
        cost, gradient, information = self._normal_equations(matches, T)
        damping = _START_DAMPING
        for _ in range(_MAX_STEPS):
            _check_determined(information)
            step = -np.linalg.solve(information + damping * np.diag(np.diag(information)), gradient)
            T_next = se3.exp(step) @ T
            cost_next, gradient_next, information_next = self._normal_equations(matches, T_next)
            if cost_next > cost:
                damping *= 10.0
                if damping > _MAX_DAMPING:
                    break
                continue
            converged = step @ information @ step < _CONVERGED**2
            T, cost, gradient, information = T_next, cost_next, gradient_next, information_next
            damping /= 10.0
            if converged:
                break
        _check_determined(information)
        return T, np.asarray(np.linalg.inv(information), dtype=np.float64)

    def gauss_newton_step(self, T_camera_source: NDArray[np.float64]) -> Tensor:
        """Twist (6,) of one Gauss-Newton step from a pose (4, 4), float64 on the CPU, differentiable in the matches.

        At the solution the step is zero, and its gradient is that of the solution itself.
        Raises UndeterminedPose as `solve` does.
        """
        gradient, information = self._linear_system(self.matches.double(), torch.from_numpy(T_camera_source))
        _check_determined(information.detach().numpy())
        return -torch.linalg.solve(information, gradient)

    def _normal_equations(
        self, matches: GaussianMatches, T: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Cost, gradient (6,) and information (6, 6) at a pose."""
        temper, pose = float(self.temper), torch.from_numpy(T)
        cost = float(matches.weight @ _half_huber(matches.linearized(pose)[0], self.threshold.cpu().double()))
        gradient, information = self._linear_system(matches, pose)
        return temper * cost, temper * gradient.numpy(), temper * information.numpy()

    def _linear_system(self, matches: GaussianMatches, T: Tensor) -> tuple[Tensor, Tensor]:
        """Untempered gradient (6,) and information (6, 6), the kernel as iteratively reweighted least squares."""
        whitened, jacobian = matches.linearized(T)
        threshold = self.threshold.cpu().double()
        weight = matches.weight * threshold / torch.linalg.vector_norm(whitened, dim=-1).clamp(min=threshold)
        gradient = torch.einsum("n,nij,ni->j", weight, jacobian, whitened)
        information = torch.einsum("n,nij,nik->jk", weight, jacobian, jacobian)
        return gradient, information


def _half_huber(whitened: Tensor, threshold: Tensor) -> Tensor:
    """rho(s^2) / 2 of residual vectors (..., 2) -> (...): s^2 / 2 up to the threshold, then linear in s."""
    length = torch.linalg.vector_norm(whitened, dim=-1)
    inner = torch.clamp(length, max=threshold)
    return inner * (length - 0.5 * inner)


def _check_determined(information: NDArray[np.float64]) -> None:
    scale = np.sqrt(np.diag(information))
    if not (scale > 0.0).all() or np.linalg.cond(information / np.outer(scale, scale)) > _MAX_CONDITION:
        raise UndeterminedPose(
            "the matches in view do not determine the six directions of a pose: they are too few, on one line, or "
            "behind the camera. Start nearer to the solution, or sample under the prior instead"
        )
