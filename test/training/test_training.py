"""Training on a small real-format sequence made here: losses fall, a stopped run goes on, the export can be loaded."""


import numpy as np
import pytest
import torch

from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import inside_image
from i2p_calib_ros.network.config import FINE_STRIDE, NetworkConfig
from i2p_calib_ros.network.inputs import TooFewPoints
from i2p_calib_ros.posterior.dense import DenseLikelihood
from i2p_calib_ros.posterior.match_field import make_match_field, valid_cells
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.training import losses, objective, samples, trainer
from i2p_calib_ros.training.export import average_models, export_model
from i2p_calib_ros.training.objective import CalibrationModel, sample_loss
from i2p_calib_ros.training.samples import make_sample
from i2p_calib_ros.training.settings import TrainingSettings

TINY = NetworkConfig(
    view_pixels=12_000,
    query_points=128,
    pixel_widths=(8, 16, 16, 16, 16),
    voxel_widths=(8, 8, 16, 16),
    point_width=16,
    descriptor=16,
    attention_layers=1,
    attention_width=16,
    fine_descriptor=8,
)


def settings(boxes, run_dir, **changes):
    return TrainingSettings(
        data=(boxes,),
        run_dir=run_dir,
        hold_out=("nothing",),
        processes=1,
        samples_per_step=2,
        query_points=128,
        network=TINY,
        **changes,
    )


def sample_of(boxes, seed):
    sequence, rng = SequenceFolder(boxes / "boxes"), np.random.default_rng(seed)
    while True:
        try:
            return make_sample(sequence.load(0), sequence.initial_extrinsic(), TINY, rng)
        except TooFewPoints:  # the random view looked past the boxes
            continue


@pytest.mark.parametrize("seed", range(4))
def test_labels_agree_with_the_true_pose(boxes, seed):
    sample = sample_of(boxes, seed)
    xyz = se3.transform_points(sample.T_true_prior, sample.inputs.query_xyz.numpy())
    uv, depth_m = sample.inputs.view.project(xyz)
    visible = sample.visible.numpy()
    cell = (uv - (TINY.stride - 1) / 2) / TINY.stride
    np.testing.assert_allclose(cell[visible], sample.true_cell.numpy()[visible], atol=1e-3)
    fine_cell = (uv - (FINE_STRIDE - 1) / 2) / FINE_STRIDE
    np.testing.assert_allclose(fine_cell[visible], sample.true_fine_cell.numpy()[visible], atol=1e-3)
    np.testing.assert_allclose(np.log(depth_m[visible]), sample.true_log_depth.numpy()[visible], atol=1e-4)
    assert not (sample.visible & sample.outside).any()


def test_a_point_that_the_view_shows_beyond_the_image_is_outside(boxes):
    beyond = 0
    for seed in range(32):
        sample = sample_of(boxes, seed)
        shown = valid_cells(sample.inputs.valid, TINY.stride)
        uv, depth_m = sample.inputs.view.project(
            se3.transform_points(sample.T_true_prior, sample.inputs.query_xyz.numpy())
        )
        in_view = (depth_m > 0.1) & inside_image(uv, sample.inputs.view.width, sample.inputs.view.height)
        column, row = ((uv[in_view] + 0.5) / TINY.stride).astype(int).T
        blank = ~shown[row, column]
        assert (sample.outside[in_view] == blank).all()
        beyond += int(blank.sum())
    assert beyond > 5


def test_pose_kl_is_least_for_a_field_that_knows_the_truth(boxes):
    sample = sample_of(boxes, 1)
    inputs = sample.inputs
    h, w = inputs.view.height // TINY.stride, inputs.view.width // TINY.stride
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    grid = torch.stack([columns, rows], dim=-1).float()
    prior = PosePrior(np.eye(4), sample.spread.sigma)

    def kl(similarity):
        field = make_match_field(
            inputs.query_xyz,
            similarity,
            torch.zeros(len(similarity)),
            inputs.prior_uv,
            inputs.prior_sigma_px,
            TINY.stride,
            inputs.view,
            torch.ones(h, w, dtype=torch.bool),
        )
        rng = np.random.default_rng(0)
        likelihood = DenseLikelihood(field, 20.0)
        return float(losses.pose_kl(likelihood, sample.T_true_prior, prior, poses=340, rng=rng))

    def peaks(cell):
        return -0.5 * ((grid - cell[:, None, None]) ** 2).sum(-1) / 1.5**2

    truth = sample.true_cell
    expected = inputs.prior_uv / TINY.stride
    uninformed = kl(torch.zeros(len(truth), h, w))
    assert kl(peaks(truth)) < uninformed < kl(peaks(2 * expected - truth))


def test_a_lost_sample_looks_another_way_and_teaches_matching_alone(boxes, tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "_LOST_SHARE", 1.0)
    monkeypatch.setattr(samples, "_CLOSE_SHARE", 0.0)
    sample = sample_of(boxes, 3)
    assert sample.lost
    assert np.linalg.norm(se3.log(sample.T_true_prior)[3:]) > np.deg2rad(10.0)
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    model = CalibrationModel(TINY, 40.0)
    loss, terms = sample_loss(model, sample, settings(boxes, tmp_path, hours=1), True, generator, rng)
    assert terms.keys() == {"match"} and np.isfinite(float(loss.detach()))


@pytest.mark.parametrize("fast", [False, True])
def test_bfloat16_is_trained_with_only_where_it_is_fast(boxes, tmp_path, monkeypatch, fast):
    monkeypatch.setattr(objective, "has_fast_bf16", lambda device: fast)
    model, used = CalibrationModel(TINY, 40.0), []
    model.network.register_forward_pre_hook(lambda *_: used.append(torch.is_autocast_enabled("cpu")))
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    sample_loss(model, sample_of(boxes, 1), settings(boxes, tmp_path, hours=1), False, generator, rng)
    assert used == [fast]


def test_losses_fall_on_samples_seen_again(boxes, tmp_path):
    torch.manual_seed(1)
    model = CalibrationModel(TINY, 40.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    seen = [sample_of(boxes, seed) for seed in (0, 1)]
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    history = []
    for _ in range(40):
        optimizer.zero_grad()
        total = 0.0
        for sample in seen:
            loss, terms = sample_loss(model, sample, settings(boxes, tmp_path, hours=1), True, generator, rng)
            loss.backward()
            total += terms["match"] + terms["reverse"] + terms["overlap"] + terms["depth"] + terms["fine"]
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
        trainer.train(TrainingSettings((boxes,), run, 1.0, ("x",), processes=1, network=other))

    card = export_model(run, "tiny", tmp_path / "out", description="test", licence="Apache-2.0")
    loaded = load_model(str(card))
    assert loaded.card.training["steps"] == second["steps"]
    assert loaded.card.likelihood.effective_points > 0 and loaded.card.likelihood.fine_effective_points > 0


def test_export_without_a_checkpoint_says_how_to_make_one(tmp_path):
    with pytest.raises(CalibrationInputError, match="i2p-calib train"):
        export_model(tmp_path, "x", tmp_path, description="", licence="")


def exported(folder, name, network, weight, points):
    """A model all of whose weights are one number, as `export_model` writes it."""
    model = CalibrationModel(network, points)
    for parameter in model.network.parameters():
        torch.nn.init.constant_(parameter, weight)
    run = folder / f"{name}_run"
    run.mkdir()
    progress = {"samples": 1, "steps": 1, "seconds": 1.0}
    torch.save(
        {"model": model.state_dict(), "state": progress, "network": network.model_dump(), "hold_out": []},
        run / "checkpoint.pt",
    )
    return str(export_model(run, name, folder, description="", licence=""))


def test_the_mean_of_models(tmp_path):
    cards = [exported(tmp_path, f"m{n}", TINY, weight, points) for n, weight, points in [(0, 1.0, 50), (1, 4.0, 98)]]
    card = average_models(cards, "mean", tmp_path, description="mean of two", licence="Apache-2.0")
    mean = load_model(str(card))
    assert all(bool((tensor == 2.5).all()) for tensor in mean.network.state_dict().values())
    assert mean.card.likelihood.effective_points == mean.card.likelihood.fine_effective_points == 70.0
    assert mean.card.training == {"mean_of": ["m0", "m1"]} and mean.card.licence == "Apache-2.0"


def test_a_mean_needs_two_models_of_one_architecture(tmp_path):
    one = exported(tmp_path, "one", TINY, 1.0, 50)
    other = exported(tmp_path, "other", TINY.model_copy(update={"descriptor": 8}), 1.0, 50)
    for models, why in [([one], "at least two models"), ([one, other], "another network")]:
        with pytest.raises(CalibrationInputError, match=why):
            average_models(models, "mean", tmp_path, description="", licence="")
    assert not (tmp_path / "models" / "mean.yaml").exists()
