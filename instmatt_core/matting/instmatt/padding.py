"""Between pictures and the network's input: a margin, and sides that are multiples of 32."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .network import STRIDE

MARGIN = 32  # px of mirrored picture on every side


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
