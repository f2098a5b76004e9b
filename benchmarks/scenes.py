"""Composed scenes of people whom no training has seen, the same for everything that is measured with them.

Whom nobody need find: composed people who are tiny, and passers-by in the photographs behind. Who is found there counts neither as
right nor as false.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from instmatt_core.data.layers import Layer
from instmatt_core.data.synthesis import Composer
from instmatt_core.instances import InstanceMasks, take

SIZES = ((640, 960), (800, 800), (960, 640), (720, 1280))  # height, width
GROUP_SIZES = ((960, 1280), (720, 1280), (1280, 960))
VISIBLE = 0.002  # of the picture; who covers less need not be found
LEFT_OUT = 0.5  # of what is found; who lies so far where nobody need be found does not count
# street photographs kept aside in whose backgrounds people can be seen: all of them were looked through
PASSERS_BY = """
0005 0014 0033 0040 0067 0083 0103 0123 0201 0208 0214 0224 0234 0244 0253 0269 0276 0278 0289 0303 0321 0322 0332 0363 0372 0373
0391 0394 0402 0404 0429 0444 0446 0453 0458 0468 0472 0484 0505 0506 0545 0550 0570 0571 0574 0579 0586 0601 0610 0625 0626 0643
0654 0660 0665 0685 0735 0738 0744 0768 0798 0801 0804 0832 0846 0866 0875 0879 0888
"""


@dataclass
class Picture:
    """A scene: ``image (H, W, 3)`` uint8, ``alphas (K, H, W)`` uint8 of those to be found, ``elsewhere (H, W)`` where nobody need be."""

    image: np.ndarray
    alphas: np.ndarray
    elsewhere: np.ndarray


def composed(caches: list[Path], count: int, seed: int, *, somebody: bool = False) -> Iterator[Picture]:
    """``count`` pictures; with ``somebody``, only those in which anybody is to be found."""
    composers = [Composer(caches, size, seed=seed, kept_aside=True, crowded=PASSERS_BY.split()) for size in SIZES]
    index = found = 0
    while found < count:
        scene = composers[index % len(composers)][index]
        index += 1
        masks = scene.alphas > 127
        large = masks.mean((1, 2)) > VISIBLE
        if large.any() or not somebody:
            found += 1
            yield Picture(scene.image, scene.alphas[large], scene.unsure | masks[~large].any(0))


class Groups(Composer):
    """Scenes of six to fifteen people in one to three rows, each 7 to 25% of the picture's height: a large group, or far away."""

    def _crowd(self, count: int, rng: np.random.Generator) -> list[Layer]:
        height, width = self.size
        count = int(rng.integers(6, 16))
        rows = 1 if count < 9 else int(rng.integers(1, 4))
        share = np.exp(rng.uniform(np.log(0.07), np.log(0.25)))
        each = -(-count // rows)
        step = 0.35 * share * height * rng.uniform(0.8, 1.6)
        left, ground = max(0.02 * width, rng.uniform(0.1, 0.5) * (width - each * step)), rng.uniform(0.5, 0.95)
        layers = []
        for row in range(rows):
            for place in range(each):
                colour, alpha, _ = self._person(share * np.exp(rng.normal(0, 0.07)) * height, rng)
                foot = (ground - 0.35 * share * (rows - 1 - row) + rng.normal(0, 0.01)) * height
                x = left + step * (place + 0.5 * (row % 2)) * rng.uniform(0.95, 1.05)
                layers.append(Layer(colour, alpha, (int(foot - alpha.shape[0]), int(x - alpha.shape[1] / 2))))
        return layers


def groups(caches: list[Path], count: int, seed: int) -> Iterator[Picture]:
    """``count`` pictures of :class:`Groups`."""
    composers = [Groups(caches, size, seed=seed, kept_aside=True, crowded=PASSERS_BY.split()) for size in GROUP_SIZES]
    for index in range(count):
        scene = composers[index % len(composers)][index]
        yield Picture(scene.image, scene.alphas, scene.unsure)


def counted(found: InstanceMasks, elsewhere: np.ndarray) -> InstanceMasks:
    """Of what a detector found, those who count. Whose mask fits somebody's to an IoU of 0.5 always does."""
    masks = found.masks.numpy() > 0.5
    return take(found, torch.tensor([bool((mask & elsewhere).sum() <= LEFT_OUT * mask.sum()) for mask in masks], dtype=torch.bool))
