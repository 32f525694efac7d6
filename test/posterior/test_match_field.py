"""The prior's mass on the cells of the image."""

import pytest
import torch

from i2p_calib_ros.posterior.match_field import prior_mass


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
