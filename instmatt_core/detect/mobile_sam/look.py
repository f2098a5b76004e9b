"""Draws outlines: of somebody whose box and mask are known, truer masks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ...image import resize
from ...weights.bundled import load_network
from ..people.looks import Near, network_size
from .encoder import STRIDE
from .network import MASK_STRIDE, MobileSAM

SIDE = 448  # px of what the network sees; of multiples of 16 those of 112 take least time, since windows fit in


class OutlineLook:
    """Draws a person whose box and mask are known; call it with a picture, a box and masks.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: torch.device):
        self.device, self.network = device, load_network(MobileSAM(), "outline", device)

    def __call__(self, image: Tensor, box: Tensor, masks: Iterable[Tensor], whose: int) -> Tensor:
        """Mask ``(h, w)`` in [0, 1] of whom a box (x0, y0, x1, y1) px of ``image (3, h, w)`` is about.

        ``masks``, K times ``(h, w)``: those of everybody; number ``whose`` of them is that person's.
        """
        near = Near.of(image, box, masks, whose)
        height, width = network_size(near.size, SIDE, STRIDE)
        seen = resize(near.image, (height, width))[None].to(self.device, memory_format=torch.channels_last)
        known = resize(near.known, (height // MASK_STRIDE, width // MASK_STRIDE))[None].to(self.device)
        with torch.inference_mode():
            logits = self.network(seen, (near.box * (SIDE / max(near.size)))[None].to(self.device), known)
        return near.placed(logits.float().sigmoid().cpu()[0])
