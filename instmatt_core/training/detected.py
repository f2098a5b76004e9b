"""What the bundled people detector finds of a composed scene, as masks to train with: no imitation is as true as the thing."""

from __future__ import annotations

import numpy as np

from ..data.synthesis import Scene
from ..detect.people import People
from ..image import as_image
from ..matting.instmatt.system import sharpen
from ..metrics.imq import assign, iou_matrix
from .spoil import LEAST_IOU


class Detected:
    """Call it with a scene."""

    def __init__(self) -> None:
        self.detector = People()

    def __call__(self, scene: Scene) -> np.ndarray:
        """Masks ``(K, H, W)`` bool of the scene's people, in its order; all False of somebody who was not found.

        Whom the detector finds beyond them may be a passer-by without a matte, and is left out.
        """
        masks = np.zeros(scene.alphas.shape, bool)
        people = self.detector(as_image(scene.image))
        if len(people):
            found = sharpen(people).masks.numpy()
            overlaps = iou_matrix(found, scene.alphas)
            for i, k in assign(overlaps):
                if overlaps[i, k] >= LEAST_IOU:
                    masks[k] = found[i] > 0
        return masks
