"""Draws outlines: of somebody whose box and mask are known, truer masks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ...image import resize
from ...weights.bundled import load_network, prepared
from ..people.looks import Near
from .network import MASK_STRIDE, MobileSAM

SIDE = 448  # px of what the network sees; of multiples of 16 those of 112 take least time, since windows fit in


class OutlineLook:
    """Draws a person whose box and mask are known; call it with a picture, a box and masks.

    Args:
        device: where the network runs.
        network: another one than the bundled.
    """

    def __init__(self, device: torch.device, network: MobileSAM | None = None):
        self.device = device
        self.network = prepared(network, device) if network else load_network(MobileSAM(), "outline", device)

    def __call__(self, image: Tensor, box: Tensor, masks: Iterable[Tensor], whose: int) -> Tensor:
        """Mask ``(h, w)`` in [0, 1] of whom a box (x0, y0, x1, y1) px of ``image (3, h, w)`` is about.

        ``masks``, K times ``(h, w)``: those of everybody; number ``whose`` of them is that person's.
        """
        near = Near.of(image, box, masks, whose)
        step = SIDE / max(near.size)
        height, width = (max(16, round(side * step / 16) * 16) for side in near.size)
        seen = resize(near.image, (height, width))[None].to(self.device, memory_format=torch.channels_last)
        known = resize(near.known, (height // MASK_STRIDE, width // MASK_STRIDE))[None].to(self.device)
        with torch.inference_mode():
            logits = self.network(seen, (near.box * step)[None].to(self.device), known)
        return near.placed(logits.float().sigmoid().cpu()[0])
