"""Training on a small real-format sequence made here: losses fall, a stopped run goes on, the export can be loaded."""


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


def settings(boxes, run_dir, **changes):
    return trainer.TrainingSettings(
        data=boxes,
        run_dir=run_dir,
        hold_out=("nothing",),
        processes=1,
        samples_per_step=2,
        query_points=128,
        network=TINY,
        **changes,
    )


def sample_of(boxes, seed):
    sequence = SequenceFolder(boxes / "boxes")
    return make_sample(sequence.load(0), sequence.initial_extrinsic(), TINY, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(4))
def test_labels_agree_with_the_true_pose(boxes, seed):
    sample = sample_of(boxes, seed)
    xyz = se3.transform_points(sample.T_true_prior, sample.inputs.query_xyz.numpy())
    uv, depth_m = sample.inputs.view.project(xyz)
    visible = sample.visible.numpy()
    cell = (uv - (TINY.stride - 1) / 2) / TINY.stride
    np.testing.assert_allclose(cell[visible], sample.true_cell.numpy()[visible], atol=1e-3)
    np.testing.assert_allclose(np.log(depth_m[visible]), sample.true_log_depth.numpy()[visible], atol=1e-4)
    assert not (sample.visible & sample.outside).any()


def test_pose_kl_is_least_for_a_field_that_knows_the_truth(boxes):
    sample = sample_of(boxes, 1)
    h, w = sample.inputs.view.height // TINY.stride, sample.inputs.view.width // TINY.stride
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    grid = torch.stack([columns, rows], dim=-1).float()

    def kl(cell):
        similarity = -0.5 * ((grid - cell[:, None, None]) ** 2).sum(-1) / 1.5**2
        outputs = type(
            "Outputs", (), {"similarity": lambda self: similarity, "outside": torch.zeros(len(cell))}
        )()
        field = losses.match_field_of(sample, outputs, TINY.stride)
        effective = torch.tensor(20.0)
        return float(losses.pose_kl(field, sample, effective, poses=340, rng=np.random.default_rng(0)))

    truth = sample.true_cell
    flat = losses.match_field_of(
        sample,
        type(
            "Outputs",
            (),
            {"similarity": lambda self: torch.zeros(len(truth), h, w), "outside": torch.zeros(len(truth))},
        )(),
        TINY.stride,
    )
    uninformed = float(
        losses.pose_kl(flat, sample, torch.tensor(20.0), poses=340, rng=np.random.default_rng(0))
    )
    prior = sample.inputs.prior_uv / TINY.stride
    assert kl(truth) < uninformed < kl(2 * prior - truth)


def test_losses_fall_on_samples_seen_again(boxes, tmp_path):
    torch.manual_seed(1)
    model = trainer.CalibrationModel(TINY, 40.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    samples = [sample_of(boxes, seed) for seed in (0, 1)]
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    history = []
    for _ in range(40):
        optimizer.zero_grad()
        total = 0.0
        for sample in samples:
            loss, terms = trainer.sample_loss(
                model, sample, settings(boxes, tmp_path, hours=1), True, generator, rng
            )
            loss.backward()
            total += terms["match"] + terms["reverse"] + terms["overlap"] + terms["depth"]
            assert np.isfinite(list(terms.values())).all()
        history.append(total)
        optimizer.step()
    assert np.mean(history[-5:]) < np.mean(history[:5]) - 1.0


def test_a_stopped_run_goes_on_and_its_export_loads(boxes, tmp_path):
    run = tmp_path / "run"
    first = torch.load(trainer.train(settings(boxes, run, hours=2 / 3600)), weights_only=True)["state"]
    second = torch.load(trainer.train(settings(boxes, run, hours=5 / 3600)), weights_only=True)["state"]
    assert 0 < first["steps"] < second["steps"] and second["seconds"] >= 5

    with pytest.raises(CalibrationInputError, match="another network configuration"):
        other = TINY.model_copy(update={"descriptor": 8})
        trainer.train(trainer.TrainingSettings(boxes, run, 1.0, ("x",), processes=1, network=other))

    card = export_model(run, "tiny", tmp_path / "out", description="test", licence="Apache-2.0")
    loaded = load_model(str(card))
    assert loaded.card.training["steps"] == second["steps"]
    assert loaded.card.likelihood.effective_points > 0


def test_export_without_a_checkpoint_says_how_to_make_one(tmp_path):
    with pytest.raises(CalibrationInputError, match="i2p-calib train"):
        export_model(tmp_path, "x", tmp_path, description="", licence="")
