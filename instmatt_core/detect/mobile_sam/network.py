"""MobileSAM (Zhang et al., 2023) told by a box and masks whom to draw: SAM with a small encoder, one mask, and one prompt more."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .decoder import Decoder, Prompt
from .encoder import STRIDE, Encoder

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pictures of ImageNet, as published to three digits
MASK_STRIDE = 4
MASKS = 2  # that it is told: of who is meant, as published, and of all others
SURE = 10.0  # what a mask's 1 is told as, and -SURE its 0: SAM is told logits


class MobileSAM(nn.Module):
    """Logits ``(B, H/4, W/4)`` of the person in a box.

    Args of a call:
        images: ``(B, 3, H, W)`` RGB in [0, 1], H and W multiples of 16.
        boxes: ``(B, 4)`` x0, y0, x1, y1 px.
        masks: ``(B, 2, H/4, W/4)`` in [0, 1]: what is known of that person, and of all others.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.prompt, self.decoder = Encoder(), Prompt(MASKS), Decoder()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD)[:, None, None], persistent=False)

    def forward(self, images: Tensor, boxes: Tensor, masks: Tensor) -> Tensor:
        height, width = images.shape[2:]
        seen = self.encoder((images - self.mean) / self.spread)
        tokens, asked = self.prompt(boxes, SURE * (2 * masks - 1), max(height, width))
        places = self.prompt.places(height // STRIDE, width // STRIDE).to(seen.dtype)
        return self.decoder(seen + asked, places.expand(len(images), -1, -1, -1), tokens)
