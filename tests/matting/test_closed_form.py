from __future__ import annotations

import numpy as np
import pytest
import torch

from instmatt_core.instances import InstanceMasks
from instmatt_core.matting import closed_form
from instmatt_core.matting.closed_form import solve_trimap


def soft_disc(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A picture composed with a known soft alpha, that alpha, and a trimap."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    alpha = torch.from_numpy(np.clip((0.3 - np.hypot(x, y)) / 0.08 + 0.5, 0, 1)).float()
    front, back = torch.tensor([0.9, 0.3, 0.2])[:, None, None], torch.tensor([0.1, 0.4, 0.7])[:, None, None]
    distance = torch.from_numpy(np.hypot(x, y))
    trimap = torch.where(distance < 0.22, 1.0, torch.where(distance > 0.38, 0.0, 0.5)).float()
    return alpha * front + (1 - alpha) * back, alpha, trimap


def test_recovers_a_known_alpha() -> None:
    image, alpha, trimap = soft_disc(96)
    assert (solve_trimap(image, trimap) - alpha).abs().mean() < 0.005


def test_large_systems_are_solved_small_and_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    image, alpha, trimap = soft_disc(240)
    monkeypatch.setattr(closed_form, "MAX_UNKNOWN", 3000)
    assert (solve_trimap(image, trimap) - alpha).abs().mean() < 0.01


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_nothing_to_solve(value: float) -> None:
    trimap = torch.full((9, 9), value)
    torch.testing.assert_close(solve_trimap(torch.rand(3, 9, 9), trimap), trimap)


@pytest.mark.parametrize(
    ("size", "inside"),
    [((90, 90), (slice(1, 90), slice(0, 90))), ((1, 60), (slice(0, 1), slice(20, 40))), ((2, 2), (slice(0, 1), slice(0, 2)))],
)
def test_who_leaves_nothing_to_solve_from_keeps_the_mask(size: tuple[int, int], inside: tuple[slice, slice]) -> None:
    mask = torch.zeros(1, *size)
    mask[0][inside] = 1
    alphas = closed_form.ClosedForm()(torch.rand(3, *size), InstanceMasks.from_masks(mask))
    torch.testing.assert_close(alphas, mask)


def test_masks_a_rounding_error_beyond_one_are_clamped() -> None:
    masks = torch.full((1, 20, 20), 1 + 1e-6)
    alphas = closed_form.ClosedForm()(torch.rand(3, 20, 20), InstanceMasks(masks, torch.zeros(1, 4), torch.ones(1)))
    assert alphas.max() == 1
