"""What detectors really find of a composed scene, as masks to train with: no imitation is as true as the thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from ..data.synthesis import Scene
from ..errors import UsageError
from ..guidance import sharpen
from ..image import as_image, to_uint8
from ..metrics.imq import assign, iou_matrix
from ..pipeline import Pipeline
from .spoil import LEAST_IOU


class Detected:
    """Call it with a scene.

    Args:
        names: of detectors, as the command line knows them; each scene has one of them.

    Raises:
        UsageError: there is none, or one is not known.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if not names:
            raise UsageError("a recipe's detectors are at least one of those that --detector knows")
        self.detectors = [Pipeline(name, device="cpu").detector for name in names]

    def __call__(self, scene: Scene, rng: Generator) -> np.ndarray:
        """Masks ``(K, H, W)`` uint8 of the scene's people, in its order, as unsure as the detector is; all 0 of somebody who was not found.

        Whom the detector finds beyond them may be a passer-by without a matte, and is left out.
        """
        masks = np.zeros(scene.alphas.shape, np.uint8)
        people = self.detectors[rng.integers(len(self.detectors))](as_image(scene.image))
        if len(people):
            found = sharpen(people).masks.numpy()
            overlaps = iou_matrix(found, scene.alphas)
            for i, k in assign(overlaps):
                if overlaps[i, k] >= LEAST_IOU:
                    masks[k] = to_uint8(people.masks[i])
        return masks
