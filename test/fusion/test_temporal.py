"""Temporal fusion with frames whose likelihood is known: information adds up, outliers and jumps are handled."""

from functools import partial

import numpy as np
import pytest
import torch

from i2p_calib_ros.fusion import temporal
from i2p_calib_ros.fusion.temporal import FusionSettings, TemporalFusion
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.amis import sample_posterior
from i2p_calib_ros.posterior.posterior import PosePosterior
from i2p_calib_ros.posterior.prior import PosePrior

T_TRUE = se3.exp(np.array([0.1, -0.3, 0.2, 0.02, 0.01, -0.03])) @ se3.from_rotation_vector([0, 0, 0], [1.2, -1.2, 1.2])
SIGMA = np.array([0.06, 0.05, 0.08, 0.008, 0.01, 0.006])
INDEPENDENT = FusionSettings(correlation=0.0)


class GaussianFrame:
    """A frame whose likelihood is a Gaussian of the twist about `T`."""

    def __init__(self, T, sigma=SIGMA):
        self.T, self.sigma = T, sigma

    def thinned(self, points, T_camera_lidar):
        return self

    def log_likelihood(self, T_camera_lidar):
        twist = se3.log(T_camera_lidar.double().numpy() @ se3.inverse(self.T))
        return torch.from_numpy(-0.5 * ((twist / self.sigma) ** 2).sum(axis=-1))


def frame_off(rng, T=T_TRUE):
    return GaussianFrame(se3.exp(rng.normal(0, SIGMA)) @ T)


def prior(rng):
    return PosePrior.from_spread(se3.perturb(T_TRUE, rng.uniform(-4, 4, 3), rng.uniform(-0.2, 0.2, 3)), 4.0, 0.2)


def feed(fusion, frames, start_s=0.0, step_s=0.25):
    for index, frame in enumerate(frames):
        posterior = sample_posterior(frame.log_likelihood, fusion.prior, seed=index)
        estimate = fusion.update(start_s + step_s * index, frame, posterior)
    return estimate


def test_fusing_gaussian_frames_gives_the_analytic_posterior_with_the_prior_counted_once():
    rng = np.random.default_rng(0)
    belief = prior(rng)
    frames = [frame_off(rng) for _ in range(6)]
    estimate = feed(TemporalFusion(belief, INDEPENDENT), frames)
    information = 6 / SIGMA**2 + 1 / belief.sigma**2
    np.testing.assert_allclose(np.diag(estimate.covariance), 1 / information, rtol=0.25)
    # In the tangent space at the truth, where all twists are small enough to add.
    twists = np.array([se3.log(f.T @ se3.inverse(T_TRUE)) for f in frames])
    from_prior = se3.log(belief.T_mean @ se3.inverse(T_TRUE))
    expected = (twists.sum(axis=0) / SIGMA**2 + from_prior / belief.sigma**2) / information
    off = se3.log(estimate.T_mean @ se3.inverse(T_TRUE)) - expected
    np.testing.assert_array_less(np.abs(off) * information**0.5, 0.5)


class PointsFrame(GaussianFrame):
    """A frame of so many points."""

    def __init__(self, T, points):
        super().__init__(T)
        self.points = points

    def thinned(self, points, T_camera_lidar):
        return self if points >= self.points else PointsFrame(self.T, points)


def test_few_keyframes_keep_all_of_their_points_and_many_no_more_than_fit():
    rng = np.random.default_rng(0)
    fusion = TemporalFusion(prior(rng), FusionSettings(window=10, points=1600))
    in_all = []
    for number in range(10):
        frame = PointsFrame(frame_off(rng).T, 700)
        fusion.update(float(number), frame, sample_posterior(frame.log_likelihood, fusion.prior))
        in_all.append(sum(k.likelihood.points for k in fusion._keyframes))
    assert in_all == [700, 1400, 1200, 1600, 1000, 1200, 1400, 1600, 900, 1000]


@pytest.mark.parametrize("narrower", [10.0, 20.0, 40.0])
def test_a_search_that_ends_with_hardly_a_sample_goes_on_until_the_covariance_is_honest(narrower, monkeypatch):
    """With a few hundred poses a Gaussian does what a ragged likelihood does with thousands."""
    short = partial(sample_posterior, rounds=4, samples_per_round=64)
    monkeypatch.setattr(temporal, "sample_posterior", short)
    belief = PosePrior.from_spread(se3.perturb(T_TRUE, [7.0, -8.0, 6.0], [0.3, 0.4, -0.4]), 5.8, 0.29)
    frame = GaussianFrame(T_TRUE, belief.sigma / narrower)
    assert short(frame.log_likelihood, belief).effective_sample_size < 2
    estimate = feed(TemporalFusion(belief, INDEPENDENT), [frame])
    np.testing.assert_allclose(np.sqrt(np.diag(estimate.covariance)), frame.sigma, rtol=0.35)
    assert np.abs(se3.log(estimate.T_mean @ se3.inverse(T_TRUE)) / frame.sigma).max() < 1.0


def test_axes_that_only_constrain_each_other_keep_an_honest_covariance():
    """From afar a shift along x looks like a turn about y, and one along y like a turn about x."""
    correlated = np.diag(SIGMA**2)
    for shift, turn in ((0, 4), (1, 3)):
        correlated[shift, turn] = correlated[turn, shift] = 0.99 * SIGMA[shift] * SIGMA[turn]
    precision = np.linalg.inv(correlated)

    class Frame(GaussianFrame):
        def log_likelihood(self, T_camera_lidar):
            twist = se3.log(T_camera_lidar.double().numpy() @ se3.inverse(self.T))
            return torch.from_numpy(-0.5 * np.einsum("...i,ij,...j->...", twist, precision, twist))

    belief = prior(np.random.default_rng(3))
    estimate = feed(TemporalFusion(belief, INDEPENDENT), [Frame(T_TRUE) for _ in range(8)])
    expected = np.linalg.inv(8 * precision + np.diag(belief.sigma**-2.0))
    np.testing.assert_allclose(np.diag(estimate.covariance), np.diag(expected), rtol=0.35)
    # The direction that all frames leave open, and the one across it that they fix.
    ratio = np.linalg.eigvals(np.linalg.solve(expected, estimate.covariance)).real
    assert ratio.min() > 0.5 and ratio.max() < 2.0


def test_frames_that_repeat_each_other_count_as_few():
    rng = np.random.default_rng(5)
    frame = frame_off(rng)
    estimate = feed(TemporalFusion(prior(rng), FusionSettings(correlation=0.25)), [frame] * 12)
    counted = 12 / (1 + 11 * 0.25)
    information = counted / SIGMA**2 + 1 / prior(rng).sigma ** 2
    np.testing.assert_allclose(np.diag(estimate.covariance), 1 / information, rtol=0.25)


def test_frames_that_scatter_more_than_they_say_widen_the_covariance():
    """Each of them claims half of the deviation that it has."""
    squares = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        frames = [GaussianFrame(frame_off(rng).T, SIGMA / 2.0) for _ in range(10)]
        estimate = feed(TemporalFusion(prior(rng), INDEPENDENT), frames)
        assert estimate.disagreement > 2.0
        off = se3.log(T_TRUE @ se3.inverse(estimate.T_mean))
        squares.append(off @ np.linalg.solve(estimate.covariance, off))
    assert 3.0 < np.mean(squares) < 10.0, "6 is honest, 24 is what the frames claim"


def test_what_no_frame_tells_stays_as_wide_as_the_prior_however_they_disagree():
    rng = np.random.default_rng(8)
    belief = prior(rng)
    claimed = np.where(np.arange(6) == 2, 100.0 * belief.sigma, SIGMA / 2.0)
    estimate = feed(TemporalFusion(belief, INDEPENDENT), [GaussianFrame(frame_off(rng).T, claimed) for _ in range(10)])
    sigma = np.sqrt(np.diag(estimate.covariance))
    assert 0.7 < sigma[2] / belief.sigma[2] < 1.3
    assert (np.delete(sigma / claimed, 2) * 10**0.5 > 1.5).all()


def test_a_third_of_gross_outliers_does_not_move_the_estimate():
    rng = np.random.default_rng(1)
    frames = [frame_off(rng) for _ in range(9)]
    for i in (2, 5, 7):
        wrong = se3.perturb(T_TRUE, rng.uniform(3, 6, 3) * rng.choice([-1, 1], 3), rng.uniform(-0.3, 0.3, 3))
        frames[i] = GaussianFrame(wrong)
    estimate = feed(TemporalFusion(prior(rng)), frames)
    error = se3.pose_error(estimate.T_mean, T_TRUE)
    assert error.rotation_deg < 0.6 and error.translation_m < 0.08
    assert estimate.keyframes_gated == 3 and estimate.keyframes_used == 6


def test_a_window_that_knows_little_takes_what_a_sharp_frame_says():
    """A frame that matches nothing leaves the prior; one that is 30 times narrower is then tracked from there."""

    class SharpFrame(GaussianFrame):
        def log_likelihood(self, T_camera_lidar):
            matched = super().log_likelihood(T_camera_lidar) + 40.0
            return torch.logaddexp(matched, torch.zeros_like(matched))

    for seed in range(5):
        rng = np.random.default_rng(seed)
        belief = PosePrior.from_spread(se3.perturb(T_TRUE, [7.0, -8.0, 6.0], [0.3, 0.4, -0.4]), 5.8, 0.29)
        fusion = TemporalFusion(belief, INDEPENDENT)
        feed(fusion, [GaussianFrame(belief.T_mean, 100.0 * belief.sigma)])
        sharp = SharpFrame(T_TRUE, belief.sigma / 30.0)
        samples = se3.exp(rng.normal(0.0, 1.0, (200, 6)) * sharp.sigma) @ T_TRUE
        estimate = fusion.update(1.0, sharp, PosePosterior.from_samples(samples, np.ones(200)))
        assert np.abs(se3.log(estimate.T_mean @ se3.inverse(T_TRUE)) / sharp.sigma).max() < 1.0
        np.testing.assert_allclose(np.sqrt(np.diag(estimate.covariance)), sharp.sigma, rtol=0.5)


def test_a_jump_of_the_mount_restarts_the_window():
    rng = np.random.default_rng(2)
    fusion = TemporalFusion(prior(rng))
    feed(fusion, [frame_off(rng) for _ in range(8)])
    moved = se3.perturb(T_TRUE, [2.5, -2.0, 2.0], [0.2, 0.2, -0.2])
    jumps = []
    for index in range(6):
        frame = frame_off(rng, moved)
        estimate = fusion.update(3.0 + 0.25 * index, frame, sample_posterior(frame.log_likelihood, fusion.prior))
        jumps.append(estimate.jumped)
    assert jumps.count(True) == 1
    error = se3.pose_error(estimate.T_mean, moved)
    assert error.rotation_deg < 1.0 and error.translation_m < 0.12


def test_images_that_are_late_are_found_out_and_do_not_move_the_estimate():
    rng = np.random.default_rng(6)
    delay_s = 0.06
    with_motion, without = (TemporalFusion(prior(np.random.default_rng(6)), INDEPENDENT) for _ in range(2))
    for index, speed in enumerate(np.repeat([0.0, 5.0, 9.0], 5)):
        twist = np.array([speed, 0.0, 0.0, 0.0, 0.0, 0.01 * speed])
        frame = frame_off(rng, T_TRUE @ se3.exp(-delay_s * twist))
        posterior = sample_posterior(frame.log_likelihood, with_motion.prior, seed=index)
        estimate = with_motion.update(0.25 * index, frame, posterior, twist)
        blind = without.update(0.25 * index, frame, posterior)
    assert abs(estimate.image_delay.mean_s - delay_s) < 3 * estimate.image_delay.sigma_s < 0.03
    assert se3.pose_error(estimate.T_mean, T_TRUE).translation_m < 0.08
    assert se3.pose_error(blind.T_mean, T_TRUE).translation_m > 0.2


def test_a_steady_speed_leaves_the_place_along_the_way_open():
    twist = np.array([15.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    rng = np.random.default_rng(7)
    fusion = TemporalFusion(prior(rng), INDEPENDENT)
    for index in range(10):
        frame = frame_off(rng)
        posterior = sample_posterior(frame.log_likelihood, fusion.prior, seed=index)
        estimate = fusion.update(0.25 * index, frame, posterior, twist)
    along = T_TRUE[:3, 0]
    sigma_m = np.sqrt(along @ estimate.covariance[:3, :3] @ along)
    assert sigma_m > 15.0 * 0.003, "15 m/s, and stamps that are known to a few milliseconds"


def test_the_window_is_bounded_and_spans_ever_more_of_the_drive():
    rng = np.random.default_rng(3)
    settings = FusionSettings(window=6, interval_s=0.2, longest_interval_s=0.8)
    fusion = TemporalFusion(prior(rng), settings)
    accepted = []
    for stamp_s in np.arange(0.0, 12.0, 0.1):
        if fusion.wants(stamp_s):
            frame = frame_off(rng)
            estimate = fusion.update(stamp_s, frame, sample_posterior(frame.log_likelihood, fusion.prior))
            accepted.append(stamp_s)
            assert estimate.keyframes_used + estimate.keyframes_gated <= 6
    gaps = np.diff(accepted)
    assert gaps[0] < 0.25 and 0.75 < gaps[-1] < 0.95


def test_a_stamp_that_goes_back_keeps_the_window_and_shortens_the_interval():
    rng = np.random.default_rng(4)
    fusion = TemporalFusion(prior(rng), FusionSettings(window=4))
    feed(fusion, [frame_off(rng) for _ in range(5)], start_s=100.0)
    assert not fusion.wants(101.25), "a full window has a longer interval"
    assert fusion.wants(1.0)
    assert feed(fusion, [frame_off(rng)], start_s=1.0).keyframes_used == 4
    assert fusion.wants(1.25)
