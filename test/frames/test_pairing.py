from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_calib_ros.frames import pairing
from i2p_calib_ros.frames.pairing import Stamped, StampPairer

MS = 1_000_000


Event = tuple[str, int, int]


def run(events: list[Event], slop_s: float = 0.05) -> tuple[list[tuple[int, int]], StampPairer]:
    """Feed ("image" or "cloud", stamp in ms, received in ms) in this order; pairs of stamps in ms."""
    pairer: StampPairer[None] = StampPairer(slop_s)
    pairs = []
    for kind, stamp, received in events:
        message = Stamped(stamp * MS, received * MS, 1, None)
        pairs += pairer.add_image(message) if kind == "image" else pairer.add_cloud(message)
    pairs += pairer.flush()
    return [(image.stamp_ns // MS, cloud.stamp_ns // MS) for image, cloud in pairs], pairer


def in_order(images: list[int], clouds: list[int], delay: int = 0) -> list[Event]:
    """Received when stamped, the clouds `delay` ms later."""
    events = [("image", t, t) for t in images] + [("cloud", t, t + delay) for t in clouds]
    return sorted(events, key=lambda event: event[2])


def test_same_rates_with_jitter():
    images = [0, 103, 198, 301, 399]
    clouds = [12, 95, 210, 290, 410]
    pairs, pairer = run(in_order(images, clouds))
    assert pairs == list(zip(images, clouds))
    assert pairer.unmatched_images == pairer.unmatched_clouds == 0


def test_a_faster_camera_gives_its_nearest_images():
    images = list(range(0, 3000, 33))
    clouds = list(range(5, 3000, 100))
    pairs, pairer = run(in_order(images, clouds))
    assert [cloud for _, cloud in pairs] == clouds
    assert all(abs(image - cloud) <= 17 for image, cloud in pairs)
    assert pairer.unmatched_images == len(images) - len(clouds)


def test_dropped_messages_leave_their_partner_alone():
    clouds = [t for t in range(0, 1000, 100) if t not in (300, 400, 800)]
    pairs, pairer = run(in_order(list(range(10, 1000, 100)), clouds))
    assert pairs == [(t + 10, t) for t in clouds]
    assert (pairer.unmatched_images, pairer.unmatched_clouds) == (3, 0)


@pytest.mark.parametrize("delay", [0, 150, 900])
def test_a_delayed_stream_is_waited_for(delay: int):
    times = list(range(0, 4000, 100))
    pairs, _ = run(in_order(times, times, delay))
    assert pairs == [(t, t) for t in times]


def test_beyond_the_slop_nothing_is_paired():
    pairs, pairer = run(in_order([0, 100, 200], [51, 151, 251], 0), slop_s=0.048)
    assert pairs == []
    assert (pairer.unmatched_images, pairer.unmatched_clouds) == (3, 3)


def test_a_late_image_that_is_nearer_wins():
    """The image stamped 100 is received after that stamped 133."""
    pairs, _ = run([("image", 67, 67), ("image", 133, 133), ("cloud", 105, 135), ("image", 100, 300)])
    assert pairs == [(100, 105)]


def test_an_image_whose_cloud_finds_a_nearer_one_takes_the_next_best():
    """Both images are near cloud 100; the later 120 is nearer to the second and leaves 100 to the first."""
    pairs, _ = run(
        [
            ("image", 70, 70),
            ("image", 115, 900),
            ("cloud", 100, 950),
            ("cloud", 120, 1200),
            ("image", 5000, 5000),
        ]
    )
    assert pairs == [(70, 100), (115, 120)]


def test_stamps_that_jump_backwards_start_anew():
    first = in_order(list(range(10_000, 13_000, 100)), list(range(10_020, 13_000, 100)))
    again = [(kind, stamp - 9_000, received + 3_000) for kind, stamp, received in first]
    pairs, pairer = run(first + again)
    assert len(pairs) == 60
    assert all(cloud - image == 20 for image, cloud in pairs)
    assert pairer.unmatched_images == pairer.unmatched_clouds == 0


def test_one_stream_that_jumps_alone_for_a_moment():
    events = in_order(list(range(0, 3000, 100)), list(range(0, 3000, 100)))
    events = [
        (kind, 5, received) if kind == "image" and stamp == 1500 else (kind, stamp, received)
        for kind, stamp, received in events
    ]
    pairs, _ = run(events)
    assert pairs == [(t, t) for t in range(0, 3000, 100) if t != 1500]


def test_pairs_come_out_while_the_streams_go_on():
    pairer: StampPairer[None] = StampPairer(0.05)
    seen = 0
    for t in range(0, 60_000, 100):
        message = Stamped(t * MS, t * MS, 1000, None)
        seen += len(list(pairer.add_image(message))) + len(list(pairer.add_cloud(message)))
        assert len(pairer._images) <= 12 and len(pairer._clouds) <= 12
    assert seen >= 588


def test_memory_is_bounded_when_reception_times_do_not_advance(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing, "MAX_PENDING_MESSAGES", 40)
    pairs, _ = run([event for t in range(0, 10_000, 100) for event in (("image", t, 0), ("cloud", t, 0))])
    assert pairs == [(t, t) for t in range(0, 10_000, 100)]


def test_memory_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing, "MAX_PENDING_BYTES", 10)
    pairer: StampPairer[None] = StampPairer(0.05)
    pairs = 0
    for t in range(0, 10_000, 100):
        pairs += len(list(pairer.add_image(Stamped(t * MS, t * MS, 2, None))))
        pairs += len(list(pairer.add_cloud(Stamped(t * MS, (t + 10) * MS, 1, None))))
        assert pairer._pending_bytes <= 12
    assert pairs >= 90


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    image_period=st.integers(30, 200),
    cloud_period=st.integers(50, 200),
    drop=st.floats(0, 0.5),
    delay=st.integers(0, 400),
)
def test_every_message_is_used_at_most_once_and_within_the_slop(
    seed: int, image_period: int, cloud_period: int, drop: float, delay: int
):
    rng = np.random.default_rng(seed)
    images = [int(t + rng.integers(-20, 20)) for t in range(0, 3000, image_period) if rng.random() > drop]
    clouds = [int(t + rng.integers(-20, 20)) for t in range(0, 3000, cloud_period) if rng.random() > drop]
    events = [("image", t, t + int(rng.integers(0, 100))) for t in images]
    events += [("cloud", t, t + delay + int(rng.integers(0, 100))) for t in clouds]
    pairs, pairer = run(sorted(events, key=lambda event: event[2]))

    assert len(pairs) + pairer.unmatched_images == len(images)
    assert len(pairs) + pairer.unmatched_clouds == len(clouds)
    assert all(abs(image - cloud) <= 50 for image, cloud in pairs)
    left_images, left_clouds = list(images), list(clouds)
    for image, cloud in pairs:
        left_images.remove(image)
        left_clouds.remove(cloud)
    assert not any(abs(image - cloud) <= 50 for image in left_images for cloud in left_clouds)
