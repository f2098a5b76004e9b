"""Composed scenes of people whom no training has seen, the same for everything that is measured with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from instmatt_core.data.synthesis import Composer

SIZES = ((640, 960), (800, 800), (960, 640), (720, 1280))  # height, width
VISIBLE = 0.002  # of the picture; who covers less is left out of the truth


def composed(caches: list[Path], count: int, seed: int, *, somebody: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures ``(H, W, 3)`` and true alphas ``(K, H, W)``, uint8; with ``somebody``, only those in which anybody is."""
    composers = [Composer(caches, size, seed=seed, kept_aside=True) for size in SIZES]
    index = found = 0
    while found < count:
        scene = composers[index % len(composers)][index]
        index += 1
        alphas = scene.alphas[(scene.alphas > 127).mean((1, 2)) > VISIBLE]
        if len(alphas) or not somebody:
            found += 1
            yield scene.image, alphas
