"""Starting without an extrinsic: the headings that are tried, and the vote of the first frames."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from i2p_calib_ros.evaluation.protocols import GlobalStart
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.heading_search import HeadingVotes, found_at, headings, leaves_heading_open, unknown_extrinsic
from i2p_calib_ros.posterior.prior import PosePrior

T_TRUE = se3.from_rotation_vector([0.2, -0.3, -0.4], [1.2, -1.2, 1.2])


def turned(yaw_deg: float) -> PosePrior:
    return found_at(se3.from_rotation_vector(np.zeros(3), [0.0, np.deg2rad(yaw_deg), 0.0]) @ T_TRUE)


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


def test_a_heading_wins_with_three_votes_and_the_majority() -> None:
    votes = HeadingVotes()
    assert [votes.add(t, turned(yaw)) for t, yaw in enumerate([0.0, 120.0, 4.0, 125.0])] == [None] * 4
    winner = turned(-3.0)
    assert votes.add(4.0, winner) is winner
    split = HeadingVotes()
    assert [split.add(t, turned(yaw)) for t, yaw in enumerate([0, 90, 180, 270, 45, 0, 0])] == [None] * 7


def test_frames_that_look_alike_have_one_vote() -> None:
    votes = HeadingVotes()
    assert votes.wants(10.0)
    votes.add(10.0, turned(0.0))
    assert not votes.wants(10.2) and votes.wants(10.6) and votes.wants(2.0)
