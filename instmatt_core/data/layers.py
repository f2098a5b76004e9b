"""What a scene is composed of, layer over layer, and what is seen of each in the end.

People are laid over the background one after another, I_i = I_{i-1} (1 - a_i) + a_i F_i, and so each one's true alpha is what
later people and things leave of it: a_i prod_{j>i} (1 - a_j).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_VISIBLE = 0.25  # of a person's part inside the picture; who shows less is left out of the scene
LEAST_AREA = 4e-4  # of the picture


@dataclass(eq=False)
class Layer:
    """Something laid over the picture: colour ``(h, w, 3)`` in [0, 1], alpha ``(h, w)``, and where its corner lies (y, x)."""

    colour: np.ndarray
    alpha: np.ndarray
    corner: tuple[int, int]
    person: bool = True


def layer_slices(layer: Layer, size: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a layer lies in the picture, and which part of it lies there."""
    picture, own = [], []
    for start, length, limit in zip(layer.corner, layer.alpha.shape, size, strict=True):
        low, high = min(max(start, 0), limit), max(min(start + length, limit), 0)
        high = max(low, high)
        picture.append(slice(low, high))
        own.append(slice(low - start, high - start))
    return (picture[0], picture[1]), (own[0], own[1])


def cut(layer: Layer, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Colour and alpha of a layer's part inside the picture."""
    own = layer_slices(layer, size)[1]
    return layer.colour[own], layer.alpha[own]


def lay(image: np.ndarray, layer: Layer) -> None:
    """One step of the composition, in place."""
    size = (image.shape[0], image.shape[1])
    colour, alpha = cut(layer, size)
    where = layer_slices(layer, size)[0]
    image[where] += alpha[..., None] * (colour - image[where])


def true_alphas(layers: list[Layer], size: tuple[int, int]) -> np.ndarray:
    """``(K, H, W)`` float32: what the later layers leave of each person, back to front."""
    alphas = []
    free = np.ones(size, np.float32)
    for layer in reversed(layers):
        where, alpha = layer_slices(layer, size)[0], cut(layer, size)[1]
        if layer.person:
            own = np.zeros(size, np.float32)
            own[where] = alpha * free[where]
            alphas.append(own)
        free[where] *= 1 - alpha
    return np.stack(alphas[::-1]) if alphas else np.zeros((0, *size), np.float32)


def visible(layers: list[Layer], size: tuple[int, int]) -> list[Layer]:
    """The layers without people of whom too little would be seen; the hindmost such person goes first."""
    while True:
        people = [i for i, layer in enumerate(layers) if layer.person]
        for i, alpha in zip(people, true_alphas(layers, size), strict=True):
            seen = float(alpha.sum())
            if seen < max(LEAST_VISIBLE * float(cut(layers[i], size)[1].sum()), LEAST_AREA * size[0] * size[1]):
                layers = layers[:i] + layers[i + 1 :]
                break
        else:
            return layers
