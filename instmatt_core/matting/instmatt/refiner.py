"""InstMatt's multi-instance refiner (section 3.4): everyone's mattes correct each other, window by window."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import InstMattConfig
from .decoder import SLOPE


class Refiner(nn.Module):
    """One step on one window."""

    def __init__(self, config: InstMattConfig) -> None:
        super().__init__()
        part, width = config.refiner, 2 * config.refiner
        self.split = nn.Conv2d(3 * config.widths[0], 3 * part, 3, padding=1, groups=3)
        self.merge = nn.Sequential(nn.Conv2d(3 * part + 3, width, 3, padding=1), nn.LeakyReLU(SLOPE), nn.Conv2d(width, width, 3, padding=1))
        self.head = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, image: Tensor, alphas: Tensor, features: Tensor) -> Tensor:
        """New logits ``(K, 3, h, w)`` of everyone.

        Args:
            image: ``(3, h, w)``, normalised.
            alphas: ``(K, 3, h, w)``: target, reference and background of each.
            features: ``(K, C, h, w)``, the decoder's.
        """
        parts = (features[:, None] * alphas[:, :, None]).flatten(1, 2)
        target, reference, background = self.split(parts).chunk(3, 1)
        targets, references = target.sum(0), reference.sum(0)
        t = references / max(len(alphas) - 1, 1) - targets + 2 * target
        r = targets - target + reference
        b = background.mean(0).expand_as(t)
        return self.head(self.merge(torch.cat((t, r, b, image.expand(len(alphas), -1, -1, -1)), 1)))
