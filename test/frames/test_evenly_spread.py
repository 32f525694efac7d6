"""Items kept from a stream are evenly spread whatever its length."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from i2p_calib_ros.frames.evenly_spread import EvenlySpread


@given(st.integers(1, 500), st.integers(2, 12))
def test_at_most_capacity_items_at_one_spacing(length, capacity):
    kept = EvenlySpread[int](capacity)
    for i in range(length):
        kept.offer(i)
    assert len(kept.items) <= capacity
    assert len(kept.items) >= min(length, capacity // 2)
    assert len(set(np.diff(kept.items))) <= 1
    assert kept.items[0] == 0
