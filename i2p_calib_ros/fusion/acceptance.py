"""The check before a new extrinsic is accepted: held-out frames must align better. No network is involved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from scipy.stats import chi2
from scipy.stats import t as student_t

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.fusion.cloud_edges import CloudEdges, find_edges
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.geometry.view import PinholeView, ViewRenderer

FloatArray = npt.NDArray[np.float64]

_VIEW_PIXELS = 163840
_BLUR_DEG = (0.12, 0.4, 1.0)
_BACKGROUND_DEG = 4.0
_FAR_BLUR_REDUCTION = 4
_MARGIN_DEG = 10.0
_MAX_EDGES = 6000
_CELLS = (8, 3)  # columns and rows of the image, clusters of the paired test
_DECOYS = 32
_DECOY_DEG = (3.0, 8.0)
_RESOLUTION = (
    0.08  # of the score: what 0.2 deg cost in real sequences, where the best score is not at the reference
)
_TIGHT = 2.0  # standard deviations, in tolerances, up to which a new extrinsic counts as known
_TOLD = 0.5  # of the initial standard deviation, down from which an axis counts as told by the frames
_REMAP_ROW = 4096  # cv2.remap takes no side longer than 32767

MIN_FRAMES = 3
State = Literal["converged", "inconclusive", "rejected"]


@dataclass(frozen=True)
class Verdict:
    """What the held-out frames say about a new extrinsic.

    "converged": the new extrinsic aligns better than the initial one, or is the same; "rejected": the initial one
    aligns better; "inconclusive": the frames do not tell. `improvement` is the mean gain in alignment score over
    `frames` frames (see AlignmentCheck.score), positive where the new one is better; over decoys where there is no
    initial one. `initial_was_right`: converged, as the new one is the same to what the frames resolve.
    """

    state: State
    reason: str
    improvement: float
    frames: int
    initial_was_right: bool = False

    @classmethod
    def inconclusive(cls, reason: str, improvement: float = 0.0, frames: int = 0) -> Verdict:
        """No answer, for the reason given."""
        return cls("inconclusive", reason, improvement, frames)


class AlignmentCheck:
    """Measures how well the edges of clouds fall on the edges of images of one camera."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.view = PinholeView.for_camera(camera, pixels=_VIEW_PIXELS)
        self._render = ViewRenderer(camera, self.view)
        # The border of the image in the view is no edge of the scene.
        self._inner = cv2.erode(
            self._render.valid.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0
        ).astype(np.float32)
        self._decoys = _decoy_rotations()

    def score(self, frame: Frame, T_camera_lidar: npt.ArrayLike) -> FloatArray:
        """Alignment (k,) of one frame at the poses (k, 4, 4), in standard deviations of the scores of decoys.

        The decoys are the first pose turned by 3 to 8 degrees about random axes: 0 is no better than they are. The
        score is smooth, and rises towards the right pose from about 2 degrees away. 0 for a frame without edges.
        """
        T = np.asarray(T_camera_lidar, dtype=np.float64)
        return self.cell_scores(frame, T, T[0])[0].sum(axis=1)

    def cell_scores(
        self, frame: Frame, T_camera_lidar: npt.ArrayLike, T_reference: npt.ArrayLike
    ) -> tuple[FloatArray, FloatArray]:
        """The score split over parts of the image, (k, cells), of poses (k, 4, 4), and the weight of edges (cells,).

        Each edge of the cloud counts in the cell where `T_reference` (4, 4) projects it, at all poses. The weights
        have the sum 1, or 0 for a frame without edges.
        """
        T, reference = (np.asarray(a, dtype=np.float64) for a in (T_camera_lidar, T_reference))
        edges = self._edges(frame, np.concatenate([reference[None], T]))
        count = _CELLS[0] * _CELLS[1]
        if not len(edges.weight):
            return np.zeros((len(T), count)), np.zeros(count)
        maps = self._edge_maps(frame.image)
        poses = np.concatenate([T, self._decoys @ reference])
        contributions = self._contributions(edges, maps, poses)
        cell = self._cell(edges, reference)
        sums = np.stack([np.bincount(cell, weights=c, minlength=count) for c in contributions[: len(T)]])
        decoys = contributions[len(T) :]
        spread = float(decoys.sum(axis=1).std(ddof=1))
        shares = np.bincount(cell, weights=edges.weight, minlength=count) / edges.weight.sum()
        if spread <= 1e-6:
            return np.zeros_like(sums), shares
        return (sums - np.bincount(cell, weights=decoys.mean(axis=0), minlength=count)) / spread, shares

    def _edges(self, frame: Frame, poses: FloatArray) -> CloudEdges:
        """Edges that some pose brings near the view, at most _MAX_EDGES, the same set for all poses."""
        near = np.zeros(len(frame.xyz), dtype=bool)
        for T in poses:
            near |= self._near_view(T, frame.xyz)
        forward = poses[0, 2, :3]
        edges = find_edges(
            frame.xyz[near],
            None if frame.intensity is None else frame.intensity[near],
            forward,
            None if frame.ring is None else frame.ring[near],
        )
        if len(edges.weight) <= _MAX_EDGES:
            return edges
        chosen = np.random.default_rng(0).choice(len(edges.weight), _MAX_EDGES, replace=False)
        return CloudEdges(edges.xyz[chosen], edges.across[chosen], edges.weight[chosen])

    def _near_view(self, T: FloatArray, xyz: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        x, y, z = T[:3, :3].astype(np.float32) @ xyz.T + T[:3, 3:].astype(np.float32)
        view = self.view
        margin = np.tan(np.deg2rad(_MARGIN_DEG)) * view.fx
        u, v = view.fx * x, view.fy * y
        return (
            (z > 0.3)
            & (u > (-view.cx - margin) * z)
            & (u < (view.width - view.cx + margin) * z)
            & (v > (-view.cy - margin) * z)
            & (v < (view.height - view.cy + margin) * z)
        )

    def _edge_maps(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Strength (h, w, 2) of image edges across u and across v, over several blurs, less its surroundings'."""
        grey = _blur(cv2.cvtColor(self._render(image), cv2.COLOR_RGB2GRAY).astype(np.float32), 0.8)
        slopes = np.stack([cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)], axis=-1)
        strength = np.asarray(np.abs(slopes) * self._inner[..., None], np.float32)
        # Saturation keeps one bright contour from outvoting the rest; the scale is the frame's own.
        strength /= strength + np.float32(2.0) * strength.mean(axis=(0, 1)) + np.float32(1e-3)
        deg = np.deg2rad(1.0) * self.view.fx
        small = _resize(
            strength,
            round(self.view.width / _FAR_BLUR_REDUCTION),
            round(self.view.height / _FAR_BLUR_REDUCTION),
            cv2.INTER_AREA,
        )
        background = _blur(small, _BACKGROUND_DEG * deg / _FAR_BLUR_REDUCTION)
        fine, coarse = np.zeros_like(strength), np.zeros_like(small)
        for blur_deg in _BLUR_DEG:
            sigma = blur_deg * deg
            if sigma < 1.5 * _FAR_BLUR_REDUCTION:
                level = _blur(strength, sigma)
                scale = float(level.std()) + 1e-6
                fine += level / scale
                coarse -= background / scale
            else:
                level = _blur(small, sigma / _FAR_BLUR_REDUCTION)
                coarse += (level - background) / (float(level.std()) + 1e-6)
        total = fine + _resize(coarse, self.view.width, self.view.height, cv2.INTER_LINEAR)
        return total * self._inner[..., None]

    def _contributions(
        self, edges: CloudEdges, maps: npt.NDArray[np.float32], poses: FloatArray
    ) -> npt.NDArray[np.float32]:
        """(m, n): what each edge scores at each pose (m, 4, 4); 0 outside the image."""
        R = poses[:, :3, :3].astype(np.float32)
        xyz = np.matmul(R, edges.xyz.T.astype(np.float32)) + poses[:, :3, 3:].astype(np.float32)
        x, y, z = xyz[:, 0], xyz[:, 1], xyz[:, 2]
        behind = z < 0.3
        z = np.where(behind, np.float32(1.0), z)
        a, b = x / z, y / z
        u = np.where(behind, np.float32(-9.0), self.view.fx * a + self.view.cx).astype(np.float32)
        v = np.where(behind, np.float32(-9.0), self.view.fy * b + self.view.cy).astype(np.float32)
        sampled = _sample(maps, u, v)
        # An edge that the scan crosses sideways shows in the image's change along that same direction.
        across = np.matmul(R, edges.across.T.astype(np.float32))
        du, dv = across[:, 0] - a * across[:, 2], across[:, 1] - b * across[:, 2]
        du, dv = du**2, dv**2
        share = du / np.maximum(du + dv, np.float32(1e-12))
        weight = edges.weight.astype(np.float32)
        return weight * (share * sampled[..., 0] + (1 - share) * sampled[..., 1])

    def _cell(self, edges: CloudEdges, T: FloatArray) -> npt.NDArray[np.intp]:
        uv, _ = self.view.project(se3.transform_points(T, edges.xyz))
        share = np.nan_to_num(uv, nan=0.0) / (self.view.width, self.view.height)
        column, row = np.clip(np.floor(share * _CELLS), 0, np.array(_CELLS) - 1).astype(np.intp).T
        return row * _CELLS[0] + column


def judge(
    frames: Sequence[Frame],
    T_new: npt.ArrayLike,
    T_initial: npt.ArrayLike | None,
    *,
    covariance: npt.ArrayLike | None = None,
    sigma_initial: npt.ArrayLike | None = None,
    tolerance_deg: float = 0.25,
    tolerance_m: float = 0.05,
    confidence: float = 0.95,
    check: AlignmentCheck | None = None,
    initial_name: str = "initial",
) -> Verdict:
    """Does the new extrinsic (4, 4) align frames that were not used to find it better than the initial one?

    Both are `T_camera_lidar`. Within both tolerances they are the same, as the check resolves no better; so they are
    within `covariance` (6, 6) of the new one (left perturbation, metres and radians), if that is tight and neither
    aligns better. Whatever is accepted must also align better than decoys (see AlignmentCheck.score), and where there
    is no initial one, that and a tight covariance are all that is asked. An axis of which the frames told little, one
    that is not tight and more than half as uncertain as by `sigma_initial` (6,), of the initial one, leaves it open
    whether a new extrinsic is better. All frames are of one camera; `check` saves building one. `confidence` is
    two-sided.

    The paired test clusters the gains in two ways, by frame and by part of the image, and adds both variances:
    frames that repeat each other (a standing vehicle) share the errors of their scene, which only the second shows.
    As Cameron, Gelbach and Miller, "Robust Inference with Multiway Clustering", 2011, without the term they subtract.
    """
    new = np.asarray(T_new, dtype=np.float64)
    initial = new if T_initial is None else np.asarray(T_initial, dtype=np.float64)
    count = len(frames)
    if count < MIN_FRAMES:
        return Verdict.inconclusive(
            f"Only {count} held-out frame{'' if count == 1 else 's'} to compare on, at least {MIN_FRAMES} are "
            "needed: replay a longer stretch.",
            frames=count,
        )
    check = check or AlignmentCheck(frames[0].camera)
    parts = [check.cell_scores(frame, np.stack([new, initial]), initial) for frame in frames]
    scores, shares = np.stack([part[0] for part in parts]), np.mean([part[1] for part in parts], axis=0)
    gain, gain_error = _mean_and_error(scores[:, 0] - scores[:, 1], shares, confidence)
    aligned, aligned_error = _mean_and_error(scores[:, 0], shares, confidence)
    gain_error = max(gain_error, _RESOLUTION * aligned, _RESOLUTION * float(scores[:, 1].sum(axis=1).mean()))

    difference = se3.pose_error(new, initial)
    apart = f"{difference.rotation_deg:.1f} deg and {100 * difference.translation_m:.0f} cm"
    numbers = f"score {gain:+.2f} +- {gain_error:.2f} over {count} held-out frames"
    same = difference.rotation_deg <= tolerance_deg and difference.translation_m <= tolerance_m
    if gain < -gain_error and not same:
        reason = f"The {initial_name} extrinsic aligns better than the new one, {apart} away ({numbers})."
        return Verdict("rejected", reason, gain, count)
    fit = f"score {aligned:.2f} +- {aligned_error:.2f} over {count} held-out frames"
    if aligned <= aligned_error:
        return Verdict.inconclusive(
            f"The new extrinsic aligns no better than itself turned by {_DECOY_DEG[0]:.0f} to {_DECOY_DEG[1]:.0f} deg "
            f"({fit}): it is wrong, or the scene has too few edges that both sensors see.",
            gain,
            count,
        )
    tight = _TIGHT * np.repeat([tolerance_m, np.deg2rad(tolerance_deg)], 3)
    if T_initial is None:
        loose = "its covariance is missing" if covariance is None else _loose_axes(covariance, tight)
        if not loose:
            reason = f"The extrinsic aligns ({fit}) and is known well; there was no initial one to compare it with."
            return Verdict("converged", reason, aligned, count)
        return Verdict.inconclusive(
            f"The extrinsic aligns ({fit}), but is not known well: {loose}. There was no initial one to compare it "
            "with. More frames, or a scene with more edges near and far, would tell.",
            aligned,
            count,
        )
    if gain > gain_error and not same:
        reason = f"The new extrinsic aligns better than the {initial_name} one, {apart} away ({numbers})"
        untold = ""
        if covariance is not None and sigma_initial is not None:
            untold = _loose_axes(covariance, np.maximum(tight, _TOLD * np.asarray(sigma_initial, dtype=np.float64)))
        if untold:
            return Verdict.inconclusive(
                f"{reason}, but the frames tell little of its {untold}. Drive through more varied scenes.", gain, count
            )
        return Verdict("converged", f"{reason}.", gain, count)
    if same or _explained(new, initial, covariance, tight):
        reason = f"The {initial_name} extrinsic was right: the new one differs from it by only {apart} ({numbers})."
        return Verdict("converged", reason, gain, count, initial_was_right=True)
    return Verdict.inconclusive(
        f"Neither the new extrinsic nor the {initial_name} one, {apart} away, aligns clearly better ({numbers}). "
        "More frames, or a scene with more edges near and far, would tell.",
        gain,
        count,
    )


def _mean_and_error(cells: FloatArray, cell_shares: FloatArray, confidence: float) -> tuple[float, float]:
    """Mean over frames of the sum over cells (frames, cells), and the half width of its confidence interval."""
    per_frame, per_cell = cells.sum(axis=1), cells.mean(axis=0)
    mean, frames, used = float(per_frame.mean()), len(per_frame), int(np.count_nonzero(cell_shares))
    if used < 2:
        return mean, np.inf
    variance = float(per_frame.var(ddof=1)) / frames
    # Cells with more edges gain more: what counts as error is the departure from that proportion.
    variance += used / (used - 1) * float(np.sum((per_cell - mean * cell_shares) ** 2))
    quantile = student_t.ppf((1 + confidence) / 2, min(frames, used) - 1)
    return mean, float(quantile * np.sqrt(variance))


def _explained(
    new: FloatArray, initial: FloatArray, covariance: npt.ArrayLike | None, sigma_known: FloatArray
) -> bool:
    """Is the difference within the 95 % region of a covariance that itself is tight? A broad one explains anything."""
    if covariance is None or _loose_axes(covariance, sigma_known):
        return False
    xi = se3.log(initial @ se3.inverse(new))
    return bool(xi @ np.linalg.solve(np.asarray(covariance, dtype=np.float64), xi) <= chi2.ppf(0.95, 6))


def _loose_axes(covariance: npt.ArrayLike, sigma_known: FloatArray) -> str:
    """Axes not known to a standard deviation of `sigma_known` (6,), with what they are known to; "" without any."""
    sigma = np.sqrt(np.diag(np.asarray(covariance, dtype=np.float64)))
    shown = [f"translation along {axis} (± {100 * s:.0f} cm)" for axis, s in zip("xyz", sigma[:3])]
    shown += [f"rotation about {axis} (± {np.rad2deg(s):.1f} deg)" for axis, s in zip("xyz", sigma[3:])]
    return ", ".join(text for text, known in zip(shown, sigma <= sigma_known) if not known)


def _decoy_rotations() -> FloatArray:
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(_DECOYS, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.deg2rad(rng.uniform(*_DECOY_DEG, size=(_DECOYS, 1)))
    return se3.from_rotation_vector(np.zeros((_DECOYS, 3)), axes * angles)


def _resize(
    image: npt.NDArray[np.float32], width: int, height: int, interpolation: int
) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.float32)


def _blur(image: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3)), np.float32)


def _sample(
    maps: npt.NDArray[np.float32], u: npt.NDArray[np.float32], v: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Bilinear values (m, n, 2) of maps (h, w, 2) at pixels (m, n); 0 outside."""
    padding = -u.size % _REMAP_ROW
    u_rows, v_rows = (np.pad(a.ravel(), (0, padding)).reshape(-1, _REMAP_ROW) for a in (u, v))
    values = cv2.remap(maps, u_rows, v_rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(values, np.float32).reshape(-1, 2)[: u.size].reshape(*u.shape, 2)
