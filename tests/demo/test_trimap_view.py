"""Painting on a trimap."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

from instmatt_demo.trimap_view import BRUSHES, paintable, painted


def three_parts() -> torch.Tensor:
    trimap = torch.zeros(30, 60)
    trimap[:, 20:40] = 0.5
    trimap[:, 40:] = 1.0
    return trimap


def test_unpainted_it_stays_as_it_is() -> None:
    trimap = three_parts()
    value = paintable(torch.rand(3, 30, 60), trimap)
    assert torch.equal(painted(value, trimap), trimap)
    assert torch.equal(painted(None, trimap), trimap)


def test_the_person_is_shown_unchanged_and_the_rest_tinted() -> None:
    image = torch.full((3, 30, 60), 0.6)
    shown = paintable(image, three_parts())["background"]
    assert (shown[:, 40:] == 153).all()
    assert (shown[:, :20].max(-1) < 80).all()  # dark
    assert (shown[:, 20:40, 0] > shown[:, 20:40, 2] + 50).all()  # amber


def test_strokes_win_and_their_faint_rim_does_not_count() -> None:
    trimap = three_parts()
    layer = np.zeros((30, 60, 4), np.uint8)
    for row, name in enumerate(BRUSHES):
        layer[row, :, :3] = [int(name[i : i + 2], 16) + (3 if name[i] == "0" else -3) for i in (1, 3, 5)]
        layer[row, :, 3] = 255
    layer[10, :, :3], layer[10, :, 3] = 255, 90
    result = painted({"layers": [layer]}, trimap)
    for row, level in enumerate(BRUSHES.values()):
        assert (result[row] == level).all()
    assert torch.equal(result[10:], trimap[10:])


def test_a_canvas_of_another_size_is_fitted() -> None:
    layer = np.zeros((60, 120, 4), np.uint8)
    layer[:20] = 255
    result = painted({"layers": [layer]}, three_parts())
    assert (result[:10] == 1).all()
    assert torch.equal(result[10:], three_parts()[10:])
