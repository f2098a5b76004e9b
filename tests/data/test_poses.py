"""Cut-outs changed: what is moved, and what stays."""

from __future__ import annotations

import numpy as np
import pytest

from instmatt_core.data import poses
from instmatt_core.data.poses import bend_legs, dark_legs, is_slender, is_whole, shorten_legs, warp


def test_who_stands_is_slender() -> None:
    assert is_slender(np.zeros((190, 100, 4), np.uint8))
    assert not is_slender(np.zeros((170, 100, 4), np.uint8))


def test_who_ends_in_feet_is_whole() -> None:
    sitting = np.full((60, 60, 4), 255, np.uint8)
    assert not is_whole(sitting)
    sitting[-1, 20:] = 0
    assert is_whole(sitting)


def test_dark_legs() -> None:
    legs = dark_legs(np.full((100, 20, 4), 200, np.uint8), np.random.default_rng(0))
    assert (legs[:35, :, :3] == 200).all()
    assert (legs[60:, :, :3] < 110).all()
    assert (legs[..., 3] == 200).all()


def test_shortened_legs() -> None:
    """Head and chest stay as high, and everything below is lower."""
    standing = np.zeros((200, 60, 4), np.uint8)
    standing[:80], standing[110:] = (200, 30, 30, 255), (30, 30, 200, 255)
    for seed in range(12):
        sitting = shorten_legs(standing, np.random.default_rng(seed))
        assert (np.abs(sitting[:78].astype(int) - (200, 30, 30, 255)) <= 1).all()
        assert 80 < len(sitting) < 190
        assert 60 <= sitting.shape[1] <= 78


def test_bent_legs() -> None:
    """Head and chest stay, with their colours; the legs, blue, are still there, lower than they were long, and reach to the side."""
    standing = np.zeros((200, 60, 4), np.uint8)
    standing[:95, 10:50] = (200, 30, 30, 255)
    standing[95:, 12:28] = standing[95:, 32:48] = (30, 30, 200, 255)
    wider = 0
    for seed in range(12):
        sitting = bend_legs(standing, np.random.default_rng(seed))
        solid = sitting[..., 3] > 250
        red, blue = (solid & (np.abs(sitting[..., :3].astype(int) - colour).max(-1) < 3) for colour in ((200, 30, 30), (30, 30, 200)))
        assert red[:80].sum() == 80 * 40
        assert blue.sum() > 500
        assert not blue[:40].any()
        assert len(sitting) < 200
        wider += sitting.shape[1] > 60
    assert wider > 4
    standing[95:] = 0  # nothing to bend
    assert (bend_legs(standing, np.random.default_rng(0))[..., 3] > 250).any()


def test_a_warped_cut_out_keeps_colour_and_area(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poses, "recolour", lambda image, rng: image)
    rgba = np.full((80, 40, 4), (200, 100, 50, 255), np.uint8)
    for seed, angle in enumerate((0, 30, -90)):
        colour, alpha = warp(rgba, 0.5, 0.5, angle, np.random.default_rng(seed))
        assert colour.shape == (*alpha.shape, 3)
        assert alpha.sum() == pytest.approx(40 * 20, rel=0.1)
        assert np.abs(colour[alpha > 0.5] * 255 - (200, 100, 50)).max() < 2
        assert (len(alpha) > alpha.shape[1]) == (angle != -90)
