"""Mattes carried from a shrunk or enlarged picture to the one it was made of."""

from __future__ import annotations

import torch

from instmatt_core.image import resize
from instmatt_core.matting.upsampling import carry


def stripes() -> tuple[torch.Tensor, torch.Tensor]:
    """Thin strands of one colour over another, and their alpha."""
    rows, columns = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing="ij")
    alpha = ((torch.sin((columns + 0.3 * rows) / 3) * 3).clamp(-1, 1) + 1) / 2
    alpha = torch.where(columns < 80, torch.ones(()), alpha) * (columns < 140)
    colours = torch.tensor([0.9, 0.4, 0.2]), torch.tensor([0.1, 0.3, 0.6])
    return alpha * colours[0][:, None, None] + (1 - alpha) * colours[1][:, None, None], alpha


def test_colours_bring_detail_back() -> None:
    picture, alpha = stripes()
    small, little = resize(picture, (60, 80)), resize(alpha, (60, 80))
    carried = carry(picture, small, little)
    assert carried.shape == alpha.shape
    assert (carried - alpha).abs().mean() < 0.3 * (resize(little, (120, 160)) - alpha).abs().mean()


def test_from_a_larger_picture_it_comes_back_as_it_is() -> None:
    picture, alpha = stripes()
    large = carry(picture, resize(picture, (240, 320)), resize(alpha, (240, 320)))
    assert (large - alpha).abs().mean() < 0.01


def test_where_the_small_alpha_is_plain_so_is_the_large_one() -> None:
    picture, _ = stripes()
    small = resize(picture, (60, 80))
    for value in (0.0, 1.0):
        torch.testing.assert_close(carry(picture, small, torch.full((60, 80), value)), torch.full((120, 160), value))
