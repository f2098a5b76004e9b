"""A result at screen size: what is drawn anew at every click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from instmatt_core.compositing import overlay
from instmatt_core.image import to_uint8
from instmatt_core.instances import InstanceMattes
from instmatt_core.windows import mask_boxes


@dataclass(frozen=True)
class Preview:
    """``image (3, h, w)`` and cut-outs ``people (K, 4, h, w)``, premultiplied, no larger than the preview's side."""

    image: Tensor
    people: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.image.shape[1], self.image.shape[2]

    def overlay(self, kept: Sequence[int]) -> np.ndarray:
        """The picture with those people coloured and numbered."""
        alphas = torch.zeros_like(self.people[:, 3])
        alphas[list(kept)] = self.people[list(kept), 3]
        return to_uint8(overlay(self.image, InstanceMattes(alphas, mask_boxes(alphas), torch.ones(len(alphas)))))

    def over(self, kept: Sequence[int], background: Tensor) -> np.ndarray:
        """Those people on another background ``(3, h, w)``."""
        together = self.people[list(kept)].sum(0).clamp(max=1)
        return to_uint8(together[:3] + (1 - together[3]) * background)

    def blurred(self, share: float = 0.02) -> Tensor:
        """The picture without its people, out of focus; ``share`` of the long side is the blur's sigma."""
        around = (1 - self.people[:, 3].sum(0).clamp(max=1)).clamp(min=1e-3)
        sigma = share * max(self.image.shape[1:])
        blur = [torch.from_numpy(cv2.GaussianBlur(plane.numpy(), (0, 0), sigma)) for plane in (*(self.image * around), around)]
        return torch.stack(blur[:3]) / blur[3]

    def at(self, x: int, y: int, reach: int = 12) -> int | None:
        """Who is at a pixel, or within reach of it."""
        if not len(self.people):
            return None
        near = self.people[:, 3, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        here = self.people[:, 3, y, x]
        strength = here if here.max() > 0.1 else near.flatten(1).amax(1)
        return int(strength.argmax()) if strength.max() > 0.1 else None
