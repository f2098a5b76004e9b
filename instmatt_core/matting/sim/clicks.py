"""The trimap as the network sees it: its known pixels, and how far every pixel is from them (after FBA matting)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ...guidance import BACKGROUND, FOREGROUND

SIGMAS = (6.4, 25.6, 51.2)  # px


def known_pixels(trimap: Tensor) -> Tensor:
    """Where ``trimap (H, W)`` is background and where it is foreground, ``(2, H, W)`` of 0 and 1."""
    return torch.stack((trimap == BACKGROUND, trimap == FOREGROUND)).float()


def distances(known: Tensor) -> Tensor:
    """Of every pixel to the nearest one of either kind, in px; infinite where there is none."""
    found = [cv2.distanceTransform(1 - kind, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for kind in known.numpy().astype(np.uint8)]
    return torch.stack([torch.where(kind.any(), torch.from_numpy(d), torch.inf) for kind, d in zip(known, found, strict=True)])


def click_maps(distance: Tensor) -> Tensor:
    """``distances (2, H, W)`` through bells of three widths, ``(6, H, W)``: three for the background, three for the foreground."""
    return torch.stack([torch.exp(-(distance**2) / (2 * sigma**2)) for sigma in SIGMAS], 1).flatten(0, 1)
