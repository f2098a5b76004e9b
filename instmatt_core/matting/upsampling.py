"""Mattes of a picture that was made smaller or larger, carried back to its own size by its colours."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..image import resize

NOISE = 1e-12  # covariance of colour and alpha that is nothing but rounding


def carry(picture: Tensor, seen: Tensor, alpha: Tensor, radius: int = 2, epsilon: float = 1e-5) -> Tensor:
    """Alpha ``(H, W)`` of ``picture (3, H, W)`` from ``alpha (h, w)`` of ``seen (3, h, w)``, the same picture shrunk or enlarged.

    It is, in every window, the linear function of the colours that fits that alpha best: the colour guided filter (He, Sun,
    Tang, ECCV 2010), whose windows are those of the matting Laplacian.
    """
    guide, target = seen.permute(1, 2, 0).numpy().astype(np.float64), alpha.numpy().astype(np.float64)
    side = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, side, borderType=cv2.BORDER_REFLECT)

    mean_i, mean_a = mean(guide), mean(target)
    second = np.stack([mean(guide[..., i] * guide[..., j]) for i in range(3) for j in range(3)], -1)
    covariance = second.reshape(*guide.shape[:2], 3, 3) - mean_i[..., :, None] * mean_i[..., None, :]
    cross = mean(guide * target[..., None]) - mean_i * mean_a[..., None]
    slope, varied = np.zeros_like(cross), np.abs(cross).max(-1) > NOISE  # elsewhere alpha is the same all over the window
    slope[varied] = np.linalg.solve(covariance[varied] + epsilon * np.eye(3), cross[varied][..., None])[..., 0]
    offset = mean_a - (slope * mean_i).sum(-1)
    size = tuple(picture.shape[1:])
    terms = torch.from_numpy(np.dstack((mean(slope), mean(offset))).astype(np.float32)).permute(2, 0, 1)
    full = resize(terms[3], size)
    for channel in range(3):  # one at a time: these are as large as the picture
        full.addcmul_(picture[channel], resize(terms[channel], size))
    return full.clamp_(0, 1)
