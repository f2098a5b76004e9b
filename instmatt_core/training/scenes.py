"""Composed scenes as the items of a data set."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from torch.utils.data import Dataset

from ..data.synthesis import Composer, Scene
from .task import Batch

Prepare = Callable[[Scene, Generator], Batch]


class Scenes(Dataset[Batch]):
    """Scenes from number ``start`` on, each as ``prepare`` turns it into tensors; a number always gives the same.

    Args:
        somebody: leave out scenes without people.
    """

    def __init__(self, composer: Composer, start: int, length: int, prepare: Prepare, *, somebody: bool = False):
        self.composer, self.start, self.length, self.prepare = composer, start, length, prepare
        self.scene = inhabited if somebody else Composer.__getitem__

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Batch:
        cv2.setNumThreads(1)
        number = self.start + index
        return self.prepare(self.scene(self.composer, number), np.random.default_rng([self.composer.seed, number, 1]))


def inhabited(composer: Composer, number: int) -> Scene:
    """The scene of that number; or if nobody is in it, another one."""
    scene = composer[number]
    while not len(scene.alphas):
        number += 1 << 32
        scene = composer[number]
    return scene
