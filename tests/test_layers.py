"""People as layers."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.errors import UsageError
from instmatt_core.layers import Placement, compose, cover, place


def person(left: int, alpha: float = 1.0, colour: float = 1.0, size: tuple[int, int] = (20, 40)) -> torch.Tensor:
    """A cut-out 10 px wide and 10 high, standing on row 15."""
    rgba = torch.full((4, *size), colour)
    rgba[3] = 0
    rgba[3, 5:15, left : left + 10] = alpha
    return rgba


def test_people_who_share_pixels_let_nothing_through() -> None:
    background = torch.zeros(3, 20, 40)
    halves = [person(5, 0.5), person(5, 0.5)]
    torch.testing.assert_close(compose(halves, background)[:, 5:15, 5:15], torch.ones(3, 10, 10))
    torch.testing.assert_close(compose(halves, background, order=[0, 1])[:, 10, 10], torch.full((3,), 0.75))


def test_the_last_in_the_order_is_in_front() -> None:
    background = torch.full((3, 20, 40), 0.5)
    both = [person(5, colour=0.1), person(10, colour=0.9)]
    assert compose(both, background, order=[0, 1])[0, 10, 12] == pytest.approx(0.9)
    assert compose(both, background, order=[1, 0])[0, 10, 12] == pytest.approx(0.1)
    torch.testing.assert_close(compose(both, background, order=[1])[:, 10, 6], background[:, 10, 6])
    with pytest.raises(UsageError, match="person 3"):
        compose(both, background, order=[2])


def test_nobody() -> None:
    background = torch.rand(3, 20, 40)
    torch.testing.assert_close(compose([], background), background)
    empty = person(5, 0.0)
    torch.testing.assert_close(place(empty, Placement(3, 4, 2)), empty)


def test_move_by_whole_pixels_is_exact() -> None:
    moved = place(person(5), Placement(12, -3))
    torch.testing.assert_close(moved[3], torch.roll(person(5)[3], (-3, 12), (0, 1)))


def test_scale_keeps_the_feet() -> None:
    for scale, width in ((0.5, 5), (1.5, 15)):
        scaled = place(person(15), Placement(scale=scale))
        inside = scaled[3] > 0.5
        columns, rows = inside.any(0).nonzero().flatten(), inside.any(1).nonzero().flatten()
        assert abs(len(columns) - width) <= 1
        assert abs(int(rows[-1]) - 14) <= 1
        assert abs(float(columns.float().mean()) - 19.5) <= 0.6
    with pytest.raises(UsageError, match="positive"):
        place(person(5), Placement(scale=0))


def test_a_person_made_very_small_keeps_the_light() -> None:
    large = person(150, 0.8, size=(200, 400))
    large[3, 50:150, 150:250] = 0.8
    for scale in (0.3, 0.12, 0.05):
        alpha = place(large, Placement(scale=scale))[3]
        assert float(alpha.sum()) == pytest.approx(0.8 * (100 * scale) ** 2, rel=0.03)
    assert float(place(large, Placement(scale=1e-6))[3].sum()) < 0.1


def test_a_faint_veil_does_not_move_the_feet() -> None:
    veiled = person(15)
    veiled[3] = veiled[3].clamp(min=0.004)
    torch.testing.assert_close(place(veiled, Placement(scale=0.5))[3], place(person(15), Placement(scale=0.5))[3], atol=0.01, rtol=0)


def test_edges_keep_their_colour_when_moved_by_half_a_pixel() -> None:
    rgba = person(5)
    rgba[:3] = torch.where(rgba[3] > 0, 1.0, 0.0)  # black where nobody is: it must not bleed in
    moved = place(rgba, Placement(0.5, 0.5, 1))
    soft = (moved[3] > 0.05) & (moved[3] < 0.95)
    assert soft.any()
    assert (moved[:3, soft] > 0.99).all()


def test_cover() -> None:
    picture = torch.linspace(0, 1, 40).expand(3, 20, 40)
    assert cover(picture, (20, 20)).shape == (3, 20, 20)
    torch.testing.assert_close(cover(picture, (20, 20)), picture[:, :, 10:30])
    assert cover(picture, (100, 30)).shape == (3, 100, 30)
    assert cover(torch.rand(3, 2, 30_000), (3000, 2000)).shape == (3, 3000, 2000)  # 100 GB, if it were enlarged first
