"""What the authors' inference script does around the network, accidents included: ``compat="paper"``."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ...image import to_uint8

MAX_SIDE = 1280  # the script's default


def shrink(image: Tensor, masks: Tensor, max_side: int = MAX_SIDE) -> tuple[Tensor, Tensor]:
    """Picture ``(3, H, W)`` in 8 bits and masks ``(K, H, W)``, their long side at most ``max_side`` px."""
    pixels = to_uint8(image)
    height, width = pixels.shape[:2]
    if max(height, width) > max_side:
        ratio = max_side / max(height, width)
        size = (int(ratio * width), int(ratio * height))
        pixels = cv2.resize(pixels, size)
        masks = torch.from_numpy(np.stack([cv2.resize(m, size, interpolation=cv2.INTER_NEAREST) for m in masks.numpy()]))
    return torch.from_numpy(pixels).permute(2, 0, 1) / 255, masks


def tri_masks(masks: Tensor) -> Tensor:
    """``(K, 3, H, W)`` of masks as they are: where they overlap, the reference exceeds one and the background is negative."""
    total = masks.sum(0, keepdim=True)
    return torch.stack((masks, total - masks, (1 - total).expand_as(masks)), 1)


def finish(targets: Tensor, size: tuple[int, int]) -> Tensor:
    """Alphas ``(K, H, W)`` of ``size`` in steps of 1/255: truncated, then enlarged."""
    levels = (targets * 255).numpy().astype(np.uint8)
    if targets.shape[1:] != size:
        levels = np.stack([cv2.resize(plane, size[::-1]) for plane in levels])
    return torch.from_numpy(levels) / 255
