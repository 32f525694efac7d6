"""Frames that are seen a moment late: the motion of the vehicle tells by how much, or it does not, and that is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_calib_ros.fusion.image_delay import ImageDelay, MovingFrame, estimate_image_delay
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.prior import PosePrior

T_TRUE = se3.exp(np.array([0.1, -0.3, 0.2, 0.02, 0.01, -0.03])) @ se3.from_rotation_vector([0, 0, 0], [1.2, -1.2, 1.2])
PRIOR = PosePrior.from_spread(se3.perturb(T_TRUE, [3, -2, 4], [0.2, -0.3, 0.1]), 5.0, 0.3)
SIGMA = np.array([0.03, 0.03, 0.03, 0.003, 0.003, 0.003])
DRIVING_OFF = np.linspace(0.0, 12.0, 24)
STEADY = np.full(24, 8.0)


def frames_at(speeds, delay_s, rng, sigma=SIGMA):
    """What a network without a bias finds under the prior, the LiDAR moving along its x axis."""
    frames = []
    information = np.diag(sigma**-2.0) + np.diag(PRIOR.sigma**-2.0)
    for speed in speeds:
        twist = np.array([speed, 0.0, 0.0, 0.0, 0.0, 0.02 * speed])
        T_seen = se3.exp(rng.normal(0.0, sigma)) @ T_TRUE @ se3.exp(-delay_s * twist)
        # Posterior of a Gaussian likelihood at T_seen under the prior, in the tangent space at T_seen.
        to_prior = se3.log(PRIOR.T_mean @ se3.inverse(T_seen))
        shrunk = np.linalg.solve(information, to_prior / PRIOR.sigma**2)
        frames.append(MovingFrame(se3.exp(shrunk) @ T_seen, np.linalg.inv(information), twist))
    return frames


@settings(max_examples=20, deadline=None)
@given(delay_ms=st.floats(-100, 100), seed=st.integers(0, 1000))
def test_a_varied_speed_tells_any_delay(delay_ms, seed):
    found = estimate_image_delay(frames_at(DRIVING_OFF, 1e-3 * delay_ms, np.random.default_rng(seed)), PRIOR)
    assert 5e-4 < found.sigma_s < 5e-3
    assert abs(found.mean_s - 1e-3 * delay_ms) < 4.5 * found.sigma_s


def test_the_prior_of_the_extrinsic_does_not_make_delays_smaller():
    drives = [frames_at(DRIVING_OFF, 0.1, np.random.default_rng(seed), sigma=5.0 * SIGMA) for seed in range(6)]
    found_s = [estimate_image_delay(frames, PRIOR).mean_s for frames in drives]
    assert np.mean(found_s) == pytest.approx(0.1, rel=0.1)


def test_at_a_steady_speed_the_delay_stays_open_and_so_does_the_place_of_the_camera():
    found = estimate_image_delay(frames_at(STEADY, 0.05, np.random.default_rng(0)), PRIOR)
    assert abs(found.mean_s) < 0.01 and found.sigma_s > 0.004
    # Along the way, and as far as 8 m/s make of the delay.
    along_way = T_TRUE[:3, 0]
    sigma_m = np.sqrt(along_way @ found.covariance[:3, :3] @ along_way)
    assert sigma_m == pytest.approx(8.0 * found.sigma_s, rel=0.1)
    assert not found.certain


def test_neither_one_frame_nor_none_tell_a_delay():
    nothing = estimate_image_delay([], PRIOR)
    one = estimate_image_delay(frames_at([8.0], 0.05, np.random.default_rng(0)), PRIOR)
    assert nothing.mean_s == 0.0 and not nothing.covariance.any()
    assert abs(one.mean_s) < 0.005 and one.sigma_s == pytest.approx(nothing.sigma_s, rel=0.2)


def test_a_standing_vehicle_adds_nothing_to_the_covariance():
    found = estimate_image_delay(frames_at(np.zeros(24), 0.05, np.random.default_rng(0)), PRIOR)
    assert found.mean_s == pytest.approx(0.0, abs=1e-9) and np.abs(found.covariance).max() < 1e-9


def test_lost_frames_do_not_tell_the_delay():
    rng = np.random.default_rng(1)
    frames = frames_at(DRIVING_OFF, 0.02, rng)
    for index in (3, 8, 14):
        T_lost = se3.exp(rng.normal(0.0, 20 * SIGMA)) @ T_TRUE
        frames[index] = MovingFrame(T_lost, frames[index].covariance, frames[index].lidar_twist)
    assert estimate_image_delay(frames, PRIOR).mean_s == pytest.approx(0.02, abs=0.008)


def test_a_frame_that_says_less_than_the_prior_is_no_trouble():
    frames = frames_at(DRIVING_OFF, 0.02, np.random.default_rng(2))
    vague = [MovingFrame(PRIOR.T_mean, 1.1 * PRIOR.covariance, f.lidar_twist) for f in frames[::4]]
    assert estimate_image_delay([*frames, *vague], PRIOR).mean_s == pytest.approx(0.02, abs=0.008)


def test_frames_of_a_single_sample_are_no_trouble():
    frames = frames_at(DRIVING_OFF, 0.02, np.random.default_rng(3))
    certain = [MovingFrame(f.T_camera_lidar, np.zeros((6, 6)), f.lidar_twist) for f in frames[::8]]
    assert np.isfinite(estimate_image_delay([*frames, *certain], PRIOR).mean_s)


def test_a_late_image_shows_the_points_from_further_on():
    twist = np.array([10.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    T = ImageDelay(0.01, 0.001).T_image_stamp(twist)
    np.testing.assert_allclose(se3.transform_points(T, [5.0, 1.0, 2.0]), [4.9, 1.0, 2.0])
    np.testing.assert_array_equal(ImageDelay(0.01, 0.001).T_image_stamp(None), np.eye(4))
    assert str(ImageDelay(0.01, 0.001)) == "+10.0 ± 1.0 ms" and ImageDelay(0.01, 0.001).certain
