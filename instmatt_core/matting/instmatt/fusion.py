"""Progressive fusion of the tri-mattes at three sizes: the finer one wherever the coarser one is undecided."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

LEAST, MOST = 1 / 255, 254 / 255  # an alpha between these, both included, is undecided
WIDTHS = (30, 15)  # px, around what is undecided at /8 and then at /4


def unknown(alphas: Tensor, width: int) -> Tensor:
    """Where any channel of ``(K, C, H, W)`` is undecided, and an ellipse of ``width // 2`` px around it; bool ``(K, H, W)``."""
    undecided = ((alphas >= LEAST) & (alphas <= MOST)).any(1).to(torch.uint8).cpu().numpy()
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width // 2, width // 2))
    grown = [cv2.dilate(plane, ellipse) for plane in undecided]
    return torch.from_numpy(np.stack(grown)).bool().to(alphas.device)


def fuse_coarse(os4: Tensor, os8: Tensor) -> tuple[Tensor, Tensor]:
    """The fused tri-mattes of the two smaller sizes ``(K, 3, H, W)``, and where the full size comes next, bool ``(K, H, W)``."""
    alphas = torch.where(unknown(os8, WIDTHS[0])[:, None], os4, os8)
    return alphas, unknown(alphas, WIDTHS[1])


def fuse(os1: Tensor, os4: Tensor, os8: Tensor) -> tuple[Tensor, Tensor]:
    """The fused tri-mattes ``(K, 3, H, W)``, and where they come from the full size, bool ``(K, H, W)``."""
    alphas, finest = fuse_coarse(os4, os8)
    return torch.where(finest[:, None], os1, alphas), finest
