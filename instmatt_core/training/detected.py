"""What detectors really find of a composed scene, as masks to train with: no imitation is as true as the thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import Generator

from ..data.synthesis import Scene
from ..errors import UsageError
from ..image import as_image
from ..matting.instmatt.system import sharpen
from ..metrics.imq import assign, iou_matrix
from ..pipeline import DETECTORS, Options
from .spoil import LEAST_IOU


class Detected:
    """Call it with a scene.

    Args:
        names: of detectors, as the command line knows them; each scene has one of them.

    Raises:
        UsageError: one is not known.
    """

    def __init__(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in DETECTORS]
        if unknown or not names:
            raise UsageError(f"a recipe's detectors are some of {', '.join(DETECTORS)}, not {', '.join(map(repr, unknown)) or 'none'}")
        self.detectors = [DETECTORS[name](Options(torch.device("cpu"))) for name in names]

    def __call__(self, scene: Scene, rng: Generator) -> np.ndarray:
        """Masks ``(K, H, W)`` bool of the scene's people, in its order; all False of somebody who was not found.

        Whom the detector finds beyond them may be a passer-by without a matte, and is left out.
        """
        masks = np.zeros(scene.alphas.shape, bool)
        people = self.detectors[rng.integers(len(self.detectors))](as_image(scene.image))
        if len(people):
            found = sharpen(people).masks.numpy()
            overlaps = iou_matrix(found, scene.alphas)
            for i, k in assign(overlaps):
                if overlaps[i, k] >= LEAST_IOU:
                    masks[k] = found[i] > 0
        return masks
