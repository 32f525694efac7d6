"""The calibrator with the shipped weights, on frames of a synthetic hall."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from i2p_calib_ros import calibrator
from i2p_calib_ros.calibrator import Calibrator, FrameMatcher
from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.evaluation.protocols import GlobalStart
from i2p_calib_ros.evaluation.replay import NoUsableFrame, replay_source
from i2p_calib_ros.frames.frame import FrameRejected
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.heading_search import FoundHeading, unknown_extrinsic
from i2p_calib_ros.look import Look
from i2p_calib_ros.posterior.posterior import PosePosterior
from i2p_calib_ros.posterior.prior import PosePrior


@pytest.fixture(scope="module")
def hall() -> Any:
    drive_module = pytest.importorskip("i2p_calib_ros.frames.world.drive")
    return drive_module.SyntheticDrive(1, 5, rate_hz=1.5, kind="hall", size=(416, 192))


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    return TorchEngine(load_model("vpp_synth"), "cpu")


def test_a_cpu_matches_in_float32_even_where_it_has_bfloat16(hall: Any, engine: TorchEngine) -> None:
    used = []
    hook = engine.network.register_forward_pre_hook(lambda *_: used.append(torch.is_autocast_enabled("cpu")))
    FrameMatcher(engine, hall.camera).match(hall.load(0), PosePrior.from_spread(hall.initial_extrinsic(), 1.0, 0.1))
    hook.remove()
    assert used == [False]


def test_a_tracked_frame_says_what_a_search_of_the_whole_prior_says(hall: Any, engine: TorchEngine) -> None:
    T_true = hall.initial_extrinsic()
    prior = PosePrior.from_spread(se3.perturb(T_true, [5, -4, 3], [0.2, -0.1, 0.1]), 5.8, 0.29)
    near = PosePrior.from_spread(se3.perturb(T_true, [0.2, 0.1, -0.2], [0.02, 0.02, -0.02]), 0.25, 0.05)
    searched, tracked = (
        FrameMatcher(engine, hall.camera).estimate(hall.load(0), prior, near, quick=quick).posterior
        for quick in (False, True)
    )
    assert tracked.effective_sample_size > 40
    apart = se3.log(tracked.T_mean @ se3.inverse(searched.T_mean))
    assert (np.abs(apart) < 0.3 * np.sqrt(np.diag(searched.covariance))).all()
    np.testing.assert_allclose(np.diag(tracked.covariance), np.diag(searched.covariance), rtol=0.5)


def test_the_card_scales_the_covariance_of_a_frame_and_nothing_else(hall: Any, engine: TorchEngine) -> None:
    near = PosePrior.from_spread(hall.initial_extrinsic(), 0.5, 0.1)
    scale = engine.card.likelihood.covariance_scale
    likelihood = engine.card.likelihood.model_copy(update={"covariance_scale": 4.0 * scale})
    wider: Any = SimpleNamespace(card=engine.card.model_copy(update={"likelihood": likelihood}), match=engine.match)
    plain, scaled = (
        FrameMatcher(e, hall.camera).estimate(hall.load(0), near, near, quick=True).posterior for e in (engine, wider)
    )
    np.testing.assert_array_equal(scaled.T_mean, plain.T_mean)
    np.testing.assert_allclose(scaled.covariance, 4.0 * plain.covariance)


def test_a_search_that_ends_with_too_few_samples_goes_on_around_them(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = PosePrior.from_spread(hall.initial_extrinsic(), 0.5, 0.1)

    def one_that_counts(*_: Any, **__: Any) -> PosePosterior:
        return PosePosterior.from_samples(near.sample(np.random.default_rng(0), 3), np.array([1.0, 1e-9, 1e-9]))

    monkeypatch.setattr(calibrator, "sample_posterior", one_that_counts)
    found = FrameMatcher(engine, hall.camera).estimate(hall.load(0), near, near).posterior
    monkeypatch.undo()
    searched = FrameMatcher(engine, hall.camera).estimate(hall.load(0), near, near).posterior
    assert found.effective_sample_size > 20
    assert found.mahalanobis(searched.T_mean) < 0.7


def test_a_pose_that_is_nearly_right_is_looked_at_closely(hall: Any, engine: TorchEngine) -> None:
    pixels: list[int] = []

    def match(inputs: Any, points: Any) -> Any:
        pixels.append(inputs.view.width * inputs.view.height)
        return engine.match(inputs, points)

    recorded: Any = SimpleNamespace(card=engine.card, match=match)
    T_true = hall.initial_extrinsic()
    far = PosePrior.from_spread(se3.perturb(T_true, [5, -4, 3], [0.2, -0.1, 0.1]), 5.8, 0.29)
    near = PosePrior.from_spread(T_true, 0.5, 0.1)
    matcher = FrameMatcher(recorded, hall.camera)
    from_far = matcher.estimate(hall.load(0), far, far, passes=2).posterior
    matcher.estimate(hall.load(0), near, near, quick=True)
    assert np.array(pixels) / engine.card.network.view_pixels == pytest.approx([1.0, 4.0, 4.0], rel=0.1)
    left = se3.pose_error(from_far.T_mean, T_true)
    assert left.rotation_deg < 1.0 and left.translation_m < 0.1
    assert from_far.effective_sample_size > 40


def test_the_spread_grows_where_a_scene_constrains_nothing(hall: Any, engine: TorchEngine) -> None:
    road = type(hall)(1, 1, kind="open road", size=(416, 192), rig=hall.rig)
    far = PosePrior.from_spread(se3.perturb(hall.initial_extrinsic(), [5, -4, 3], [0.2, -0.1, 0.1]), 5.8, 0.29)
    in_hall, on_road = (
        FrameMatcher(engine, hall.camera).estimate(drive.load(0), far, far, passes=2).posterior
        for drive in (hall, road)
    )
    sigma_hall, sigma_road = (np.sqrt(np.diag(p.covariance)) for p in (in_hall, on_road))
    beside_along_yaw = [0, 2, 4]
    assert (sigma_road[beside_along_yaw] > 8 * sigma_hall[beside_along_yaw]).all()
    assert (sigma_road[[0, 2]] > 0.15).all()
    assert on_road.mahalanobis(hall.initial_extrinsic()) < 4


def around(T: Any, rotation_deg: float, translation_m: float) -> PosePosterior:
    samples = PosePrior.from_spread(T, rotation_deg, translation_m).sample(np.random.default_rng(0), 500)
    return PosePosterior.from_samples(samples, np.ones(500))


@pytest.mark.parametrize(("wider", "kept"), [(1.5, True), (1.8, False)])
def test_a_fine_stage_that_tells_far_less_than_the_look_it_refines_is_not_kept(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch, wider: float, kept: bool
) -> None:
    near = PosePrior.from_spread(hall.initial_extrinsic(), 0.5, 0.1)
    matcher = FrameMatcher(engine, hall.camera)
    look = matcher._look(hall.load(0), near, near, None)
    fine = replace(look.posterior, covariance=wider**2 * look.posterior.covariance)
    monkeypatch.setattr(matcher, "_sample_near", lambda *_: fine)
    refined = matcher._refined(look)
    assert (refined.posterior is fine) == (refined.likelihood is not look.likelihood) == kept


@pytest.mark.parametrize("why", ["too wide", "led away"])
def test_a_frame_that_stays_unclear_is_looked_at_from_elsewhere(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    T_true = hall.initial_extrinsic()
    far = PosePrior.from_spread(se3.perturb(T_true, [5, -4, 3], [0.2, -0.1, 0.1]), 5.8, 0.29)
    frame = hall.load(0)
    *_, good = FrameMatcher(engine, hall.camera)._look_on(frame, far, far, 2)
    T_lost = se3.perturb(T_true, [0, 8, 0], [0.3, 0, 0])
    lost = replace(good, posterior=around(T_lost, 2.0, 0.2) if why == "too wide" else around(T_lost, 0.3, 0.05))
    assert lost.score < good.score - 3.0
    seen_from: list[PosePrior] = []

    def look_on(_: FrameMatcher, __: Any, ___: Any, seen: PosePrior, passes: int, *____: Any) -> list[Look]:
        seen_from.append(seen)
        if len(seen_from) == 2 and seen is not far:
            raise FrameRejected("too few points in view", "")
        first = lost if why == "too wide" else good
        return [first, lost][-passes:] if len(seen_from) == 1 else [good, good]

    monkeypatch.setattr(FrameMatcher, "_look_on", look_on)
    found = FrameMatcher(engine, hall.camera).estimate(frame, far, far, passes=2).posterior
    from_start = far.whiten(np.stack([seen.T_mean for seen in seen_from]))
    assert ((np.linalg.norm(from_start, axis=1) > 0.5) == [False, True, True, True, True]).all()
    assert good.posterior.mahalanobis(found.T_mean) < 3.0
    assert np.linalg.det(found.covariance) > np.linalg.det(good.posterior.covariance)
    seen_from.clear()
    FrameMatcher(engine, hall.camera).estimate(frame, far, far, passes=1)
    FrameMatcher(engine, hall.camera).estimate(frame, far, far, passes=2, alone=False)
    assert len(seen_from) == 2


def test_the_weights_find_the_heading_from_nothing(hall: Any, engine: TorchEngine) -> None:
    T_true = hall.initial_extrinsic()
    start = PosePrior(GlobalStart().draw(T_true, np.random.default_rng(1)).T_mean, unknown_extrinsic().sigma)
    assert se3.pose_error(start.T_mean, T_true).rotation_deg > 45
    estimate = FrameMatcher(engine, hall.camera).estimate(hall.load(0), start, start)
    left = se3.pose_error(estimate.posterior.T_mean, T_true)
    assert left.rotation_deg < 5 and left.translation_m < 0.5


def heading_found(T_true: Any, yaw_deg: float) -> FoundHeading:
    return FoundHeading.best_of(se3.perturb(T_true, [0, yaw_deg, 0], [0, 0, 0])[None], [50.0])


def test_the_covariance_of_a_frame_holds_the_doubt_about_its_heading(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    T_true = hall.initial_extrinsic()
    poses = np.stack([se3.perturb(T_true, [0, yaw_deg, 0], [0, 0, 0]) for yaw_deg in (0.5, 120.0)])
    sure, torn = (FoundHeading.best_of(poses, scores) for scores in ([200.0, 0.0], [51.0, 50.0]))
    found = []
    for heading in (sure, torn):
        monkeypatch.setattr(FrameMatcher, "look_around", lambda *_, heading=heading: heading)
        found.append(FrameMatcher(engine, hall.camera).estimate(hall.load(0), unknown_extrinsic(), unknown_extrinsic()))
    np.testing.assert_array_equal(found[0].posterior.T_mean, found[1].posterior.T_mean)
    assert found[0].posterior.rotation_deg[1] < 2 and found[1].posterior.rotation_deg[1] > 45


def test_the_calibrator_waits_for_the_vote_and_goes_on_from_the_winner(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    T_true = hall.initial_extrinsic()
    calibrator = Calibrator(engine, hall.camera, unknown_extrinsic())
    found = iter([heading_found(T_true, yaw_deg) for yaw_deg in (1.0, 170.0, -2.0, 0.5)])
    monkeypatch.setattr(calibrator.matcher, "look_around", lambda *_: next(found))
    frames = [hall.load(i) for i in range(5)]
    assert [calibrator.update(frame) for frame in frames[:4]] == [None] * 4
    assert not calibrator.searching
    assert se3.pose_error(calibrator.prior.T_mean, T_true).rotation_deg == pytest.approx(0.5)
    assert calibrator.update(frames[4]) is not None
    compared = []
    monkeypatch.setattr("i2p_calib_ros.calibrator.judge", lambda *given, **__: compared.append(given[2]))
    calibrator.verdict()
    calibrator.verdict(T_trusted=T_true)
    assert compared[0] is None and compared[1] is T_true


def test_a_frame_is_kept_aside_between_keyframes_however_slowly_they_come(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = PosePrior.from_spread(hall.initial_extrinsic(), 0.5, 0.1)
    calibrator = Calibrator(engine, hall.camera, near)
    estimate = calibrator.matcher.estimate(hall.load(0), near, near)
    monkeypatch.setattr(calibrator.matcher, "estimate", lambda *_, **__: estimate)
    stamps_s = 0.0, 0.1, 0.2, 3.0, 6.0, 9.0, 2.0, 2.1, 5.0  # a slow computer, and a bag that starts again
    frames = [replace(hall.load(0), image_stamp_ns=int(1e9 * stamp_s)) for stamp_s in stamps_s]
    keyframes = [stamp_s for stamp_s, frame in zip(stamps_s, frames) if calibrator.update(frame) is not None]
    assert keyframes == [0.0, 0.2, 6.0, 2.0, 5.0]
    assert calibrator.fused is not None and calibrator.fused.keyframes_used == 5


def test_frames_that_never_agree_end_in_an_error_that_says_what_to_give(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    T_true = hall.initial_extrinsic()
    found = iter([heading_found(T_true, yaw_deg) for yaw_deg in (0.0, 60.0, 120.0, 180.0, 240.0)])
    monkeypatch.setattr(FrameMatcher, "look_around", lambda *_: next(found))
    with pytest.raises(NoUsableFrame, match="--initial"):
        replay_source(hall, engine, unknown_extrinsic())


def test_a_cloud_that_no_heading_shows_is_rejected(hall: Any, engine: TorchEngine) -> None:
    frame = hall.load(0)
    empty: Any = SimpleNamespace(image=frame.image, xyz=frame.xyz[:5], intensity=None)
    with pytest.raises(FrameRejected, match="no heading"):
        FrameMatcher(engine, hall.camera).look_around(empty, unknown_extrinsic())
