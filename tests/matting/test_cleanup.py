"""Edges cleaned up without a network."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.errors import GuidanceError
from instmatt_core.matting.cleanup import clean_edges, seconded, soft_band, without_haze, without_specks


@pytest.fixture
def disc() -> torch.Tensor:
    """A true alpha ``(60, 60)`` with a soft rim."""
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij")
    return (20.5 - ((x - 30) ** 2 + (y - 30) ** 2).sqrt()).clamp(-2, 2) / 4 + 0.5


def test_a_blurred_matte_gets_its_edge_back(disc: torch.Tensor) -> None:
    image = disc * torch.tensor([0.9, 0.6, 0.2])[:, None, None] + (1 - disc) * torch.tensor([0.1, 0.2, 0.5])[:, None, None]
    blurred = torch.nn.functional.avg_pool2d(disc[None], 7, 1, 3)
    cleaned = clean_edges(image, blurred, band=2)
    assert (cleaned[0] - disc).abs().mean() < 0.2 * (blurred[0] - disc).abs().mean()


def test_specks_go_and_people_stay(disc: torch.Tensor) -> None:
    dirty = disc.clone()
    dirty[2:4, 2:4] = 1
    cleaned = without_specks(dirty, 0.01)
    assert not cleaned[2:4, 2:4].any()
    torch.testing.assert_close(cleaned[10:], disc[10:])
    torch.testing.assert_close(without_specks(dirty, 0.0), dirty)
    mask = torch.zeros_like(dirty)
    mask[3, 3] = 1
    torch.testing.assert_close(without_specks(dirty, 0.01, mask), dirty)  # what the mask touches is meant
    torch.testing.assert_close(without_specks(dirty, 0.01, torch.zeros_like(dirty)), cleaned)


def test_the_band_holds_all_that_is_soft(disc: torch.Tensor) -> None:
    soft = (disc > 0.05) & (disc < 0.95)
    wide, wider = soft_band(disc, 1) == 0.5, soft_band(disc, 4) == 0.5
    assert (wide | ~soft).all()
    assert wider.sum() > wide.sum()


def test_two_opinions_are_nearer_to_the_truth_than_one(disc: torch.Tensor) -> None:
    torch.manual_seed(0)
    image = disc * torch.tensor([0.9, 0.6, 0.2])[:, None, None] + (1 - disc) * torch.tensor([0.1, 0.2, 0.5])[:, None, None]
    image = (image + 0.04 * torch.randn_like(image)).clamp(0, 1)
    wavering = (disc + 0.3 * torch.randn_like(disc) * (disc * (1 - disc) > 0)).clamp(0, 1)
    both = seconded(image, wavering, 2, 0.5)
    assert (both - disc).abs().mean() < 0.8 * (wavering - disc).abs().mean()
    sure = (soft_band(wavering, 2) != 0.5) & ((disc == 0) | (disc == 1))
    torch.testing.assert_close(both[sure], disc[sure])


def test_closed_form_has_the_part_of_the_say_that_it_is_given(disc: torch.Tensor) -> None:
    torch.manual_seed(0)
    image = torch.rand(3, 60, 60)
    none, half, all_of_it = (seconded(image, disc, 2, part) for part in (0.0, 0.5, 1.0))
    assert torch.equal(none, disc)
    assert (all_of_it - disc).abs().max() > 0.1
    torch.testing.assert_close(half, (none + all_of_it) / 2)


def test_what_is_faint_and_far_is_haze() -> None:
    """A mask of size 40: up to 4 px from it all stays, up to 8 px haze fades, and what is opaque stays anywhere."""
    mask = torch.zeros(60, 100)
    mask[10:50, 10:50] = 1
    alpha = mask.clone()
    alpha[20:30, 50:70] = 0.3  # faint
    alpha[35:45, 50:70] = 0.9  # an arm that the mask lacks
    cleaned = without_haze(alpha, mask, 0.1)
    torch.testing.assert_close(cleaned[:, :54], alpha[:, :54])
    torch.testing.assert_close(cleaned[33:], alpha[33:])
    assert 0 < cleaned[25, 55] < 0.3
    assert not cleaned[20:30, 58:].any()


def test_a_matte_without_anything_sure_stays(disc: torch.Tensor) -> None:
    assert torch.equal(seconded(torch.rand(3, 60, 60), disc / 2, 2, 0.5), disc / 2)


def test_zero_leaves_edges_and_people_share(disc: torch.Tensor) -> None:
    image = torch.rand(3, 60, 60)
    torch.testing.assert_close(clean_edges(image, disc[None], band=0)[0], disc)
    both = clean_edges(image, torch.stack((disc, disc)), band=0)
    assert both.sum(0).max() <= 1 + 1e-6
    assert len(clean_edges(image, disc[None][:0])) == 0
    with pytest.raises(GuidanceError, match="picture is"):
        clean_edges(image[:, :50], disc[None])


def test_who_is_too_thin_for_the_band_stays(disc: torch.Tensor) -> None:
    thin = torch.zeros(60, 60)
    thin[15:45, :3] = 1
    cleaned = clean_edges(torch.rand(3, 60, 60), torch.stack((disc, thin)), band=4, speck=0.0)
    torch.testing.assert_close(cleaned[1], thin)
    everywhere = torch.ones(1, 60, 60)
    torch.testing.assert_close(clean_edges(torch.rand(3, 60, 60), everywhere, band=4), everywhere)
