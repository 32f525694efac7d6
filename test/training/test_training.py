"""Training on a small real-format sequence made here: losses fall, a stopped run goes on, the export can be loaded."""

import json

import cv2
import numpy as np
import pytest
import torch

from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.network.config import NetworkConfig
from i2p_calib_ros.training import losses, trainer
from i2p_calib_ros.training.export import export_model
from i2p_calib_ros.training.samples import make_sample

TINY = NetworkConfig(
    view_pixels=12_000,
    query_points=128,
    pixel_widths=(8, 16, 16, 16, 16),
    voxel_widths=(8, 8, 16, 16),
    point_width=16,
    descriptor=16,
    attention_layers=1,
    attention_width=16,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One sequence of two frames: coloured boxes over a road, seen by a camera beside the LiDAR."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "boxes"
    (folder / "image").mkdir(parents=True)
    (folder / "lidar").mkdir()
    K = np.array([[200.0, 0, 159.5], [0, 200.0, 99.5], [0, 0, 1]])
    R = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    T_camera_lidar = np.eye(4)
    T_camera_lidar[:3, :3], T_camera_lidar[:3, 3] = R, [0.1, -0.2, -0.3]
    rng = np.random.default_rng(0)
    for name in ("000000", "000001"):
        image = np.full((200, 320, 3), 200, np.uint8)
        image[100:] = 90
        clouds = [np.column_stack([rng.uniform(3, 40, 6000), rng.uniform(-15, 15, 6000), np.full(6000, -1.7)])]
        for _ in range(6):
            centre = np.array([rng.uniform(6, 25), rng.uniform(-6, 6), -0.9])
            box = centre + np.column_stack([np.zeros(400), rng.uniform(-0.8, 0.8, (400, 2))])
            pixels = se3.transform_points(T_camera_lidar, box) @ K.T
            pixels = (pixels[:, :2] / pixels[:, 2:]).round().astype(int)
            corner, far = pixels.min(axis=0).clip(0), pixels.max(axis=0).clip(0)
            image[corner[1] : far[1], corner[0] : far[0]] = rng.integers(0, 255, 3)
            clouds.append(box)
        cv2.imwrite(str(folder / "image" / f"{name}.jpg"), image)
        xyz = np.concatenate(clouds)
        np.savez(
            folder / "lidar" / f"{name}.npz",
            xyz=(xyz / 0.005).astype(np.int16),
            intensity=rng.integers(0, 255, len(xyz), dtype=np.uint8),
        )
    (folder / "sequence.json").write_text(
        json.dumps(
            {
                "name": "boxes",
                "K": K.tolist(),
                "D": [0.0] * 5,
                "distortion_model": "plumb_bob",
                "image_size": [320, 200],
                "T_camera_lidar": T_camera_lidar.tolist(),
                "frames": ["000000", "000001"],
                "cloud_dir": "lidar",
                "cloud_unit_m": 0.005,
            }
        )
    )
    return root


def settings(data, run_dir, **changes):
    return trainer.TrainingSettings(
        data=data,
        run_dir=run_dir,
        hold_out=("nothing",),
        processes=1,
        samples_per_step=2,
        query_points=128,
        network=TINY,
        **changes,
    )


def sample_of(data, seed):
    sequence = SequenceFolder(data / "boxes")
    return make_sample(sequence.load(0), sequence.initial_extrinsic(), TINY, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(4))
def test_labels_agree_with_the_true_pose(data, seed):
    sample = sample_of(data, seed)
    xyz = se3.transform_points(sample.T_true_prior, sample.inputs.query_xyz.numpy())
    uv, depth_m = sample.inputs.view.project(xyz)
    visible = sample.visible.numpy()
    cell = (uv - (TINY.stride - 1) / 2) / TINY.stride
    np.testing.assert_allclose(cell[visible], sample.true_cell.numpy()[visible], atol=1e-3)
    np.testing.assert_allclose(np.log(depth_m[visible]), sample.true_log_depth.numpy()[visible], atol=1e-4)
    assert not (sample.visible & sample.outside).any()


def test_pose_kl_is_least_for_a_field_that_knows_the_truth(data):
    sample = sample_of(data, 1)
    h, w = sample.inputs.view.height // TINY.stride, sample.inputs.view.width // TINY.stride
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    grid = torch.stack([columns, rows], dim=-1).float()

    def kl(cell):
        similarity = -0.5 * ((grid - cell[:, None, None]) ** 2).sum(-1) / 1.5**2
        outputs = type("Outputs", (), {"similarity": lambda self: similarity, "outside": torch.zeros(len(cell))})()
        field = losses.match_field_of(sample, outputs, TINY.stride)
        effective = torch.tensor(20.0)
        return float(losses.pose_kl(field, sample, effective, poses=340, rng=np.random.default_rng(0)))

    truth = sample.true_cell
    flat = losses.match_field_of(
        sample,
        type("Outputs", (), {"similarity": lambda self: torch.zeros(len(truth), h, w), "outside": torch.zeros(len(truth))})(),
        TINY.stride,
    )
    uninformed = float(losses.pose_kl(flat, sample, torch.tensor(20.0), poses=340, rng=np.random.default_rng(0)))
    prior = sample.inputs.prior_uv / TINY.stride
    assert kl(truth) < uninformed < kl(2 * prior - truth)


def test_losses_fall_on_samples_seen_again(data, tmp_path):
    torch.manual_seed(1)
    model = trainer.CalibrationModel(TINY, 40.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    samples = [sample_of(data, seed) for seed in (0, 1)]
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    history = []
    for _ in range(40):
        optimizer.zero_grad()
        total = 0.0
        for sample in samples:
            loss, terms = trainer.sample_loss(model, sample, settings(data, tmp_path, hours=1), True, generator, rng)
            loss.backward()
            total += terms["match"] + terms["reverse"] + terms["overlap"] + terms["depth"]
            assert np.isfinite(list(terms.values())).all()
        history.append(total)
        optimizer.step()
    assert np.mean(history[-5:]) < np.mean(history[:5]) - 1.0


def test_a_stopped_run_goes_on_and_its_export_loads(data, tmp_path):
    run = tmp_path / "run"
    first = torch.load(trainer.train(settings(data, run, hours=2 / 3600)), weights_only=True)["state"]
    second = torch.load(trainer.train(settings(data, run, hours=5 / 3600)), weights_only=True)["state"]
    assert 0 < first["steps"] < second["steps"] and second["seconds"] >= 5

    with pytest.raises(CalibrationInputError, match="another network configuration"):
        other = TINY.model_copy(update={"descriptor": 8})
        trainer.train(trainer.TrainingSettings(data, run, 1.0, ("x",), processes=1, network=other))

    card = export_model(run, "tiny", tmp_path / "out", description="test", licence="Apache-2.0")
    loaded = load_model(str(card))
    assert loaded.card.training["steps"] == second["steps"]
    assert loaded.card.likelihood.effective_points > 0


def test_export_without_a_checkpoint_says_how_to_make_one(tmp_path):
    with pytest.raises(CalibrationInputError, match="i2p-calib train"):
        export_model(tmp_path, "x", tmp_path, description="", licence="")
