"""The camera models a ROS CameraInfo can carry. Pixel (0, 0) is the centre of the top-left pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Polynomial

from i2p_calib_ros.errors import CalibrationInputError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

COEFFICIENT_COUNTS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (0, 4, 5),  # k1 k2 p1 p2 [k3]
    "rational_polynomial": (8,),  # k1 k2 p1 p2 k3 k4 k5 k6
    "equidistant": (4,),  # k1 k2 k3 k4, Kannala and Brandt 2006, OpenCV's fisheye
}
ALIASES = {"": "plumb_bob", "radtan": "plumb_bob", "fisheye": "equidistant", "kannala_brandt4": "equidistant"}


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of one image stream. Build it from user input with `Camera.validated`.

    `model` is a key of COEFFICIENT_COUNTS, `K` (3, 3), `D` (n,) in OpenCV's order, `width` and `height` in
    pixels. Raises CalibrationInputError where these make no camera.
    """

    model: str
    K: FloatArray
    D: FloatArray
    width: int
    height: int

    @classmethod
    def validated(cls, model: str, K: npt.ArrayLike, D: npt.ArrayLike, width: int, height: int) -> Camera:
        """A camera from what a CameraInfo or a file says: K as 9 numbers in any shape, aliases of the model.

        Trailing zeros in D beyond the model's count are dropped (some drivers pad). Raises
        CalibrationInputError.
        """
        name = ALIASES.get(model.strip().lower(), model.strip().lower())
        matrix = np.array(K, dtype=np.float64)
        if matrix.size != 9:
            raise CalibrationInputError(
                f"The camera matrix K needs 9 numbers, got {matrix.size}: {matrix.tolist()}."
            )
        coefficients = np.array(D, dtype=np.float64).ravel()
        longest = max(COEFFICIENT_COUNTS.get(name, (0,)))
        if name in COEFFICIENT_COUNTS and not coefficients[longest:].any():
            coefficients = coefficients[:longest]
        return cls(name, matrix.reshape(3, 3), coefficients, int(width), int(height))

    def __post_init__(self) -> None:
        if self.model not in COEFFICIENT_COUNTS:
            known = ", ".join([*COEFFICIENT_COUNTS, *filter(None, ALIASES)])
            raise CalibrationInputError(
                f"Unknown distortion model {self.model!r}. Known models: {known}. "
                "For another model, rectify the image first (image_proc) and use the rectified topic."
            )
        if self.width <= 0 or self.height <= 0:
            raise CalibrationInputError(
                f"The image size must be positive, got {self.width} x {self.height}. "
                "Fill width and height in the camera info."
            )
        if self.K.shape != (3, 3) or not np.isfinite(self.K).all():
            raise CalibrationInputError(
                f"The camera matrix K must be 3 x 3 and finite, got {self.K.tolist()}. Check the camera info."
            )
        fx, fy = self.K[0, 0], self.K[1, 1]
        if fx <= 0 or fy <= 0:
            raise CalibrationInputError(
                f"The focal lengths must be positive, got fx={fx:g}, fy={fy:g}. "
                "An uncalibrated camera publishes zeros: calibrate it (camera_calibration) "
                "or give a camera info with intrinsics."
            )
        expected = np.array([[fx, 0, self.K[0, 2]], [0, fy, self.K[1, 2]], [0, 0, 1]])
        if not np.allclose(self.K, expected, rtol=0, atol=1e-6):
            raise CalibrationInputError(
                f"The camera matrix K must be [fx 0 cx; 0 fy cy; 0 0 1], got {self.K.tolist()}. "
                "Skew is not supported: rectify the image first, or check the order of the numbers."
            )
        counts = COEFFICIENT_COUNTS[self.model]
        if self.D.ndim != 1 or self.D.size not in counts:
            raise CalibrationInputError(
                f"The model {self.model} takes {' or '.join(map(str, counts))} distortion coefficients, "
                f"got {self.D.size}: {self.D.tolist()}. Check distortion_model and d in the camera info."
            )
        if not np.isfinite(self.D).all():
            raise CalibrationInputError(
                f"The distortion coefficients must be finite, got {self.D.tolist()}. "
                "Check d in the camera info."
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Camera) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> tuple[str, tuple[float, ...], tuple[float, ...], int, int]:
        return self.model, tuple(self.K.ravel()), tuple(self.D), self.width, self.height

    def project(self, xyz_camera: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
        """Pixels (..., 2) of points (..., 3) in the camera optical frame, metres, and which are valid (...).

        Invalid, with NaN pixels: points with z <= 0, and points so far off the axis that the distortion is no
        longer monotonic (they would fold back into the image). A valid pixel may lie outside the image.
        """
        xyz = np.asarray(xyz_camera, dtype=np.float64)
        valid = xyz[..., 2] > 0
        z = np.where(valid, xyz[..., 2], np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            a, b = xyz[..., 0] / z, xyz[..., 1] / z
            radius_sq = a**2 + b**2
            if self.model == "equidistant":
                radius = np.sqrt(radius_sq)
                angle = np.arctan(radius)
                valid = valid & (angle**2 < self._monotonic_limit)
                distorted = angle * self._radial[0](angle**2)
                scale = np.where(radius > 1e-12, distorted / np.maximum(radius, 1e-12), 1.0)
                a, b = a * scale, b * scale
            else:
                valid = valid & (radius_sq < self._monotonic_limit)
                numerator, denominator = self._radial
                scale = numerator(radius_sq) / denominator(radius_sq)
                p1, p2 = self.D[2:4] if self.D.size else (0.0, 0.0)
                a, b = (
                    a * scale + 2 * p1 * a * b + p2 * (radius_sq + 2 * a**2),
                    b * scale + p1 * (radius_sq + 2 * b**2) + 2 * p2 * a * b,
                )
            pixels = np.stack([self.K[0, 0] * a + self.K[0, 2], self.K[1, 1] * b + self.K[1, 2]], axis=-1)
        pixels[~valid] = np.nan
        return pixels, valid

    @cached_property
    def _radial(self) -> tuple[Polynomial, Polynomial]:
        """Numerator and denominator of the radial factor, in the squared radius (equidistant: angle)."""
        if self.model == "equidistant":
            return Polynomial([1.0, *self.D]), Polynomial([1.0])
        D = np.zeros(8)
        D[: self.D.size] = self.D
        return Polynomial([1.0, D[0], D[1], D[4]]), Polynomial([1.0, D[5], D[6], D[7]])

    @cached_property
    def _monotonic_limit(self) -> float:
        """Squared radius (equidistant: squared angle) up to which the distorted radius increases."""
        numerator, denominator = self._radial
        s = Polynomial([0.0, 1.0])
        # d/dr of r N(r^2) / M(r^2), times M^2
        slope = numerator * denominator + 2 * s * (
            numerator.deriv() * denominator - numerator * denominator.deriv()
        )
        # The reversed polynomials have the roots 1/s and lead with 1, however small the other coefficients.
        inverse = np.concatenate([Polynomial(p.coef[::-1]).roots() for p in (slope, denominator)])
        real = inverse.real[(np.abs(inverse.imag) < 1e-9 * np.abs(inverse)) & (inverse.real > 1e-9)]
        return float(1 / real.max()) if real.size else np.inf


def inside_image(pixels: npt.ArrayLike, width: int, height: int) -> BoolArray:
    """Which pixels (..., 2) lie on the image, which reaches half a pixel beyond the outer pixel centres."""
    pixels = np.asarray(pixels)
    u, v = pixels[..., 0], pixels[..., 1]
    return (u >= -0.5) & (u < width - 0.5) & (v >= -0.5) & (v < height - 0.5)
