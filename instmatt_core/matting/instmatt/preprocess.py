"""Between pictures and the network's input: normalised, with a margin, sides multiples of 32."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .network import STRIDE

MARGIN = 32  # px of mirrored picture on every side
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


def normalise(image: Tensor) -> Tensor:
    """``(3, H, W)`` in [0, 1] by ImageNet's mean and deviation."""
    mean, deviation = (image.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (image - mean) / deviation


def pad(maps: Tensor) -> Tensor:
    """``(..., H, W)`` mirrored about its edge pixels: ``MARGIN`` on every side, and more at the bottom and right up to a multiple
    of 32. Narrow maps are mirrored back and forth."""
    height, width = maps.shape[-2:]
    below, right = (MARGIN + -side % STRIDE for side in (height, width))
    widths = [(0, 0)] * (maps.ndim - 2) + [(MARGIN, below), (MARGIN, right)]
    return torch.from_numpy(np.pad(maps.numpy(), widths, "reflect"))


def crop(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """What :func:`pad` had at its centre."""
    return maps[..., MARGIN : MARGIN + size[0], MARGIN : MARGIN + size[1]]
