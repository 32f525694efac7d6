"""What is said of the results of a protocol, on made-up trials."""

from __future__ import annotations

import numpy as np
import pytest

from i2p_calib_ros.evaluation.trials import Trials, summarize
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.prior import PosePrior

T_TRUE = se3.from_rotation_vector([0.1, -0.2, 0.3], [1.2, -1.2, 1.2])
SIGMA = np.array([0.02, 0.02, 0.02, 0.01, 0.01, 0.01])


def start() -> PosePrior:
    return PosePrior.from_spread(se3.perturb(T_TRUE, [3, 0, 0], [0, 0, 0.2]), 2.0, 0.1)


def trials(name: str, estimates: list[tuple[float, float]]) -> Trials:
    """Estimates that are off by (degrees about x, metres along z), from starts 3 deg and 20 cm off."""
    result = Trials(name, T_TRUE)
    for degrees, metres in estimates:
        T_mean = se3.perturb(T_TRUE, [degrees, 0, 0], [0, 0, metres])
        result.add(start(), T_mean, np.diag(SIGMA**2), [0.1, 0.3])
    return result


def test_the_summary_counts_what_can_be_counted_by_hand() -> None:
    one, other = trials("one", [(0.5, 0.01), (-1.5, 0.03)]), trials("other", [(0.0, 0.5)])
    other.failed = 2
    one.image_delay_s.extend([0.01, 0.03])
    summary = summarize([one, other, Trials("never drawn", T_TRUE)])
    assert list(summary["by_sequence"]) == ["one", "other"]

    first = summary["by_sequence"]["one"]
    assert first["trials"] == 2 and first["failed"] == 0
    assert first["median_rotation_deg"] == pytest.approx(1.0)
    assert first["median_translation_m"] == pytest.approx(0.02)
    assert first["mean_signed"]["rotation_deg"] == pytest.approx({"x": -0.5, "y": 0, "z": 0}, abs=1e-9)
    assert first["mean_signed"]["translation_m"] == pytest.approx({"x": 0, "y": 0, "z": 0.02}, abs=1e-9)
    assert first["std_signed"]["rotation_deg"] == pytest.approx({"x": 1.0, "y": 0, "z": 0}, abs=1e-9)
    assert first["std_signed"]["translation_m"] == pytest.approx({"x": 0, "y": 0, "z": 0.01}, abs=1e-9)
    assert first["within_2deg_5cm"] == 1.0 and first["within_1deg_2.5cm"] == 0.5

    assert first["image_delay_s"] == pytest.approx({"mean": 0.02, "std": 0.01})
    assert summary["by_sequence"]["other"]["image_delay_s"] is None
    overall = summary["overall"]
    assert overall["trials"] == 3 and overall["failed"] == 2
    assert overall["within_2deg_5cm"] == pytest.approx(2 / 3)
    assert overall["worse_than_start"] == pytest.approx(1 / 3)
    assert overall["start_median_rotation_deg"] == pytest.approx(3.0)
    assert overall["start_median_translation_m"] == pytest.approx(0.2)
    assert overall["seconds_a_frame"]["p50"] == pytest.approx(0.2)
    # 50 cm at a sigma of 2 cm are 25 sigmas; the others lie within the 95 % region.
    assert summary["by_sequence"]["other"]["nees_mean"] == pytest.approx(625.0)
    assert overall["coverage"].keys() == {"50", "90", "95"}
    assert overall["coverage"]["95"] == pytest.approx(2 / 3)
