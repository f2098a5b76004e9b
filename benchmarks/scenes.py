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

from instmatt_core.data.synthesis import Composer
from instmatt_core.instances import InstanceMasks, take

SIZES = ((640, 960), (800, 800), (960, 640), (720, 1280))  # height, width
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


def counted(found: InstanceMasks, elsewhere: np.ndarray) -> InstanceMasks:
    """Of what a detector found, those who count. Whose mask fits somebody's to an IoU of 0.5 always does."""
    masks = found.masks.numpy() > 0.5
    return take(found, torch.tensor([bool((mask & elsewhere).sum() <= LEFT_OUT * mask.sum()) for mask in masks], dtype=torch.bool))
