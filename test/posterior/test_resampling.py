"""Resampling: each sample as often as due, and a sum over few points that is that over all of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from i2p_calib_ros.posterior.resampling import most_telling, systematic_resampling


@given(weights=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), count=st.integers(1, 200))
def test_each_sample_is_drawn_as_often_as_its_weight_says(weights, count):
    weights = np.array(weights) + 1e-3
    weights /= weights.sum()
    drawn = np.bincount(systematic_resampling(weights, count), minlength=len(weights))
    assert drawn.sum() == count
    assert (np.abs(drawn - count * weights) < 1.0 + 1e-6).all()


def test_the_points_that_tell_most_stand_for_all():
    rng = np.random.default_rng(0)
    spread = rng.exponential(1.0, 1000) * (rng.random(1000) < 0.3)
    off, off_first = [], []
    for _ in range(200):
        votes = torch.from_numpy(spread[:, None] * rng.standard_normal((1000, 48)) + rng.standard_normal((1000, 1)))
        index, counts = most_telling(votes, 250)
        assert len(index) == len(counts) == 250
        # Between two poses: what is the same at all poses tells nothing.
        differences = votes[:, 0] - votes[:, 1]
        off.append(float(counts @ differences[index] - differences.sum()))
        off_first.append(float(4.0 * differences[:250].sum() - differences.sum()))
    assert abs(np.mean(off)) < 3.0 * np.std(off) / 200**0.5
    assert np.std(off) < 0.4 * np.std(off_first)


def test_points_that_all_tell_nothing_are_drawn_alike():
    index, counts = most_telling(torch.zeros(100, 8), 25)
    assert len(torch.unique(index)) == 25
    assert counts.tolist() == pytest.approx([4.0] * 25)
