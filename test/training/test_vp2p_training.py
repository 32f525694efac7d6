"""The published method end to end: samples without a prior, falling losses, export, and the calibrator on it."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from i2p_calib_ros.calibrator import Calibrator
from i2p_calib_ros.cli import app
from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.evaluation.protocols import GlobalStart, run_protocol
from i2p_calib_ros.evaluation.trials import summarize
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.network.config import PointLevel, Vp2pConfig
from i2p_calib_ros.network.spread import GLOBAL_TRANSLATION_M
from i2p_calib_ros.network.vp2p.network import Vp2pNet
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.posterior.reprojection import ReprojectionLikelihood
from i2p_calib_ros.training import trainer
from i2p_calib_ros.training.export import export_model
from i2p_calib_ros.training.objective import CalibrationModel, sample_loss
from i2p_calib_ros.training.samples import make_sample
from i2p_calib_ros.training.settings import TrainingSettings

TINY = Vp2pConfig(
    view_pixels=12_000,
    query_points=256,
    max_cloud_points=3000,
    descriptor=16,
    pixel_widths=(8, 16, 16, 16, 16),
    voxel_widths=(8, 8, 16, 16, 16),
    point_widths=(16, 16, 32),
    point_levels=(
        PointLevel(centres=64, members=16, radius_m=10.0),
        PointLevel(centres=16, members=8, radius_m=20.0),
    ),
    attention_neighbours=8,
    attention_width=16,
)


def sample_of(boxes, seed=0):
    sequence, rng = SequenceFolder(boxes / "boxes"), np.random.default_rng(seed)
    while True:
        sample = make_sample(sequence.load(0), sequence.initial_extrinsic(), TINY, rng)
        if int(sample.visible.sum()) >= 32:  # the random view may look past the boxes
            return sample


def settings(boxes, run_dir, **changes):
    return TrainingSettings((boxes,), run_dir, hold_out=("nothing",), network=TINY, processes=1, **changes)


def test_samples_start_anywhere_in_the_ground_plane_with_points_all_around():
    from i2p_calib_ros.network.spread import random_global_error

    rng = np.random.default_rng(0)
    errors = np.array([random_global_error(rng) for _ in range(200)])
    np.testing.assert_allclose(errors[:, 1, :], np.tile([0.0, 1.0, 0.0, 0.0], (200, 1)), atol=1e-12)
    yaw_deg = np.rad2deg(np.arctan2(errors[:, 0, 2], errors[:, 2, 2]))
    assert yaw_deg.min() < -170 and yaw_deg.max() > 170
    assert 9.0 < np.abs(errors[:, [0, 2], 3]).max() <= GLOBAL_TRANSLATION_M


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_a_sample_agree_with_the_true_pose(boxes, seed):
    sample = sample_of(boxes, seed)
    uv, _ = sample.inputs.view.project(se3.transform_points(sample.T_true_prior, sample.inputs.query_xyz.numpy()))
    visible = sample.visible.numpy()
    assert sample.outside.any()
    cell = (uv - (TINY.stride - 1) / 2) / TINY.stride
    np.testing.assert_allclose(cell[visible], sample.true_cell.numpy()[visible], atol=1e-3)


def test_the_published_losses_fall_on_a_sample_seen_again(boxes, tmp_path):
    torch.manual_seed(1)
    model, sample = CalibrationModel(TINY, 40.0), sample_of(boxes)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    history = []
    for _ in range(30):
        optimizer.zero_grad()
        loss, terms = sample_loss(model, sample, settings(boxes, tmp_path, hours=1), True, generator, rng)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)  # as the trainer does: some poses have huge gradients
        optimizer.step()
        assert np.isfinite(list(terms.values())).all()
        history.append(terms)
    assert all(p.grad is not None for p in model.parameters())
    for name, by in (("match", 10.0), ("overlap", 0.05), ("point_overlap", 0.05), ("pose", 1.0), ("solved_pose", 30.0)):
        first, last = (np.mean([terms[name] for terms in part]) for part in (history[:3], history[-3:]))
        assert last < first - by, f"{name} {first:.3f} -> {last:.3f}"


def test_a_run_is_exported_with_the_reprojection_likelihood_and_calibrates(boxes, tmp_path):
    run = tmp_path / "run"
    trainer.train(settings(boxes, run, hours=1 / 3600, samples_per_step=1, query_points=128, pose_loss_from=0.0))
    card = export_model(run, "vp2p_tiny", tmp_path / "out", description="test", licence="Apache-2.0")
    loaded = load_model(str(card))
    assert isinstance(loaded.network, Vp2pNet) and loaded.card.network == TINY
    assert loaded.card.likelihood.kind == "reprojection" and loaded.card.likelihood.fine_effective_points is None

    sequence = SequenceFolder(boxes / "boxes")
    prior = PosePrior.from_spread(sequence.initial_extrinsic(), 5.0, 0.3)
    calibrator = Calibrator(TorchEngine(loaded, "cpu"), sequence.camera, prior)
    step = calibrator.update(sequence.load(0))
    assert step is not None and np.isfinite(step.single.T_mean).all()
    assert (np.linalg.eigvalsh(step.single.covariance) > 0).all()
    estimate = calibrator.matcher.estimate(sequence.load(1), prior, prior, quick=True)
    assert isinstance(estimate.likelihood, ReprojectionLikelihood)

    results = run_protocol("global", [sequence], calibrator.matcher.engine, trials=2, start=GlobalStart())
    assert np.isfinite(list(summarize(results)["overall"]["registration"].values())).all()


def test_the_command_line_chooses_the_published_network(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(trainer, "train", lambda settings: given.append(settings) or tmp_path)
    done = CliRunner().invoke(app, ["train", "--data", "x", "--run", "y", "--architecture", "vp2p"])
    assert done.exit_code == 0, done.output
    assert given[0].network == Vp2pConfig()
