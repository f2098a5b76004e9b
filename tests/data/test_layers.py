"""Layers: true alphas that explain the picture, and who is hidden left out."""

from __future__ import annotations

import numpy as np

from instmatt_core.data.layers import Layer, lay, layer_slices, true_alphas, visible

SIZE = (96, 128)


def test_true_alphas_explain_the_picture() -> None:
    """Background (1 - sum a) + sum a F equals the composition, layer by layer."""
    rng = np.random.default_rng(0)
    layers = [
        Layer(rng.random((40, 50, 3), np.float32), rng.random((40, 50), np.float32), corner) for corner in ((-10, 5), (20, 30), (70, 100))
    ]
    background = rng.random((*SIZE, 3), np.float32)
    image = background.copy()
    for layer in layers:
        lay(image, layer)
    alphas = true_alphas(layers, SIZE)
    expected = background * (1 - alphas.sum(0))[..., None]
    for layer, alpha in zip(layers, alphas, strict=True):
        colour = np.zeros((*SIZE, 3), np.float32)
        (y, x), (v, u) = layer_slices(layer, SIZE)
        colour[y, x] = layer.colour[v, u]
        expected += alpha[..., None] * colour
    np.testing.assert_allclose(image, expected, atol=1e-5)


def test_who_is_hidden_is_left_out() -> None:
    def square(corner: tuple[int, int], side: int, person: bool = True) -> Layer:
        return Layer(np.ones((side, side, 3), np.float32), np.ones((side, side), np.float32), corner, person)

    back, thing, front, outside = square((10, 10), 20), square((12, 40), 8, False), square((8, 12), 30), square((200, 0), 20)
    assert visible([back, thing, front, outside], SIZE) == [thing, front]
    assert visible([front, thing, back], SIZE) == [front, thing, back]  # more than half of the larger one is seen
