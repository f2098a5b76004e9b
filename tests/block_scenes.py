"""Scenes of people who are bright rectangles, for tests of what is made of a scene."""

from __future__ import annotations

import numpy as np

from instmatt_core.data.synthesis import Scene


def block_scene(*people: tuple[int, int, int, int], side: int) -> Scene:
    """A dark noisy square of ``side`` px with ``people`` (y0, x0, y1, x1) in it, who do not hide each other."""
    image = np.random.default_rng(0).integers(0, 100, (side, side, 3)).astype(np.uint8)
    alphas = np.zeros((len(people), side, side), np.uint8)
    for alpha, (y0, x0, y1, x1) in zip(alphas, people, strict=True):
        alpha[y0:y1, x0:x1] = 255
    image[alphas.any(0)] += 155
    return Scene(image, alphas, np.zeros((side, side), bool))
