"""Starting without an extrinsic: the headings that are tried, and the vote of the first frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2p_calib_ros.evaluation.protocols import GlobalStart
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.heading_search import (
    FoundHeading,
    HeadingVotes,
    headings,
    leaves_heading_open,
    unknown_extrinsic,
)
from i2p_calib_ros.posterior.prior import PosePrior

T_TRUE = se3.from_rotation_vector([0.2, -0.3, -0.4], [1.2, -1.2, 1.2])


def turned(yaw_deg: float) -> NDArray[np.float64]:
    return se3.from_rotation_vector(np.zeros(3), [0.0, np.deg2rad(yaw_deg), 0.0]) @ T_TRUE


def sure(yaw_deg: float) -> FoundHeading:
    return FoundHeading.best_of(turned(yaw_deg)[None], [50.0])


def test_only_priors_that_say_nothing_of_the_heading_leave_it_open() -> None:
    assert leaves_heading_open(unknown_extrinsic())
    assert leaves_heading_open(GlobalStart().draw(T_TRUE, np.random.default_rng(0)))
    assert not leaves_heading_open(PosePrior.from_spread(T_TRUE, 10.0, 0.5))


@given(st.integers(0, 2**32 - 1))
def test_one_heading_is_near_the_truth_wherever_the_start_is(seed: int) -> None:
    start = GlobalStart().draw(T_TRUE, np.random.default_rng(seed))
    errors = [se3.pose_error(heading.T_mean, T_TRUE) for heading in headings(start)]
    nearest = min(errors, key=lambda error: error.rotation_deg)
    assert nearest.rotation_deg <= 10.0 + 1e-6
    # Only the true distance from the LiDAR's vertical axis is left of up to 14 m.
    assert nearest.translation_m <= np.linalg.norm(T_TRUE[[0, 2], 3]) + 0.01


def test_a_heading_is_in_doubt_as_far_as_another_scores_as_well() -> None:
    poses = np.stack([turned(yaw_deg) for yaw_deg in (3.0, 0.0, 90.0)])

    def sigma_deg(*scores: float) -> float:
        found = FoundHeading.best_of(poses, scores)
        np.testing.assert_array_equal(found.prior.T_mean, poses[int(np.argmax(scores))])
        return float(np.rad2deg(np.sqrt(found.doubt[4, 4])))

    assert sigma_deg(100.0, 99.0, 0.0) < 0.5  # the same heading twice
    assert sigma_deg(60.0, 0.0, 60.0) == pytest.approx(87.0 / np.sqrt(2), abs=0.1)
    assert sigma_deg(0.0, 60.0, 60.0) == pytest.approx(90.0 / np.sqrt(2), abs=0.1)
    assert sigma_deg(60.0, 60.0, 60.0) == pytest.approx(87.0 / np.sqrt(3), abs=0.1)
    assert sigma_deg(60.0, 0.0, 60.0) > sigma_deg(60.0, 0.0, 58.0) > sigma_deg(60.0, 0.0, 55.0) > 1


def test_a_heading_wins_with_three_votes_and_the_majority() -> None:
    votes = HeadingVotes()
    assert [votes.add(t, sure(yaw)) for t, yaw in enumerate([0.0, 120.0, 4.0, 125.0])] == [None] * 4
    winner = sure(-3.0)
    assert votes.add(4.0, winner) is winner.prior
    split = HeadingVotes()
    assert [split.add(t, sure(yaw)) for t, yaw in enumerate([0, 90, 180, 270, 45, 0, 0])] == [None] * 7


def test_a_frame_that_cannot_tell_two_headings_apart_has_no_vote() -> None:
    votes = HeadingVotes()
    torn = FoundHeading.best_of(np.stack([turned(120.0), turned(0.0)]), [51.0, 50.0])
    assert torn.left_open and not sure(0.0).left_open
    assert [votes.add(t, torn) for t in (0.0, 1.0, 2.0)] == [None] * 3
    assert not votes.wants(2.1)
    assert [votes.add(t, sure(0.0)) is None for t in (3.0, 4.0, 5.0)] == [True, True, False]


def test_frames_that_look_alike_have_one_vote() -> None:
    votes = HeadingVotes()
    assert votes.wants(10.0)
    votes.add(10.0, sure(0.0))
    assert not votes.wants(10.2) and votes.wants(10.6) and votes.wants(2.0)
