"""The prior's mass on the cells of the image, and the evidence ratios with their gradients."""

import pytest
import torch

from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.geometry.windows import window_cells
from i2p_calib_ros.posterior.match_field import make_match_field, prior_mass


def masses(uv, sigma_px):
    log_u, log_v, log_outside = prior_mass(torch.tensor([uv]), torch.tensor([sigma_px]), (12, 16), 4)
    return (log_u[:, None] + log_v[:, :, None]).exp()[0], float(log_outside.exp())


def test_without_a_prior_every_cell_has_the_same_mass_and_half_is_outside():
    cells, outside = masses([0.0, 0.0], [torch.inf, torch.inf])
    torch.testing.assert_close(cells, torch.full((12, 16), 0.5 / (12 * 16)))
    assert outside == pytest.approx(0.5)


def test_a_prior_puts_its_mass_around_the_expected_projection():
    cells, outside = masses([41.5, 21.5], [4.0, 4.0])
    assert int(cells.argmax()) == 5 * 16 + 10
    assert float(cells.sum()) + outside == pytest.approx(1.0, abs=0.01) and outside < 0.01


VIEW = PinholeView(width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=23.5)


@pytest.mark.parametrize("window", [None, 5])
def test_scores_and_gradients_are_those_of_bayes_rule_written_out(window):
    generator = torch.Generator().manual_seed(0)
    n, stride = 6, 4
    shape = (12, 16) if window is None else (window, window)
    origin = None if window is None else torch.randint(-2, 10, (n, 2), generator=generator)
    valid = torch.rand(12, 16, generator=generator) > 0.3
    uv, sigma_px = 50.0 * torch.rand(n, 2, generator=generator), torch.full((n, 2), 20.0)
    points, pixels = torch.randn(n, 3, generator=generator), torch.randn(3, shape[0] * shape[1], generator=generator)
    outside, of_scores = torch.randn(n, generator=generator), torch.randn(n, *shape, generator=generator)

    def gradients(make):
        inputs = [points.clone().requires_grad_(), pixels.clone().requires_grad_(), outside.clone().requires_grad_()]
        scores, log_evidence = make((inputs[0] @ inputs[1]).view(n, *shape), inputs[2])
        loss = (of_scores * (scores - log_evidence[:, None, None])).sum() + log_evidence.sum()
        return scores, log_evidence, *torch.autograd.grad(loss, inputs)

    def made(similarity, outside):
        field = make_match_field(points, similarity, outside, uv, sigma_px, stride, VIEW, valid, origin)
        return field.scores, field.log_evidence

    def written_out(similarity, outside):
        log_u, log_v, log_outside = prior_mass(uv, sigma_px, shape, stride, origin, VIEW)
        mass = (log_u[:, None] + log_v[:, :, None]).exp()
        blank = ~(valid.expand(n, -1, -1) if origin is None else valid[window_cells(origin, shape, valid.shape)])
        mass_outside = log_outside.exp() + (mass * blank).sum(dim=(1, 2))
        inside = (mass * ~blank * similarity.exp()).sum(dim=(1, 2))
        log_evidence = (inside + mass_outside * outside.exp()).log()
        floor = torch.minimum(outside, log_evidence)[:, None, None]
        return torch.where(blank, floor, similarity), log_evidence

    for got, expected in zip(gradients(made), gradients(written_out), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
