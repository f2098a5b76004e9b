"""Mattes of a picture that was made smaller or larger, carried back to its own size by its colours."""

from __future__ import annotations

from itertools import combinations_with_replacement

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
    colours, target = seen.numpy().astype(np.float64), alpha.numpy().astype(np.float64)
    side = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, side, borderType=cv2.BORDER_REFLECT)

    means, mean_a = [mean(colour) for colour in colours], mean(target)
    cross = [mean(colour * target) - m * mean_a for colour, m in zip(colours, means, strict=True)]
    varied = np.maximum.reduce([np.abs(c) for c in cross]) > NOISE  # elsewhere alpha is the same all over the window
    covariance = np.empty((np.count_nonzero(varied), 3, 3))
    for i, j in combinations_with_replacement(range(3), 2):
        covariance[:, i, j] = covariance[:, j, i] = (mean(colours[i] * colours[j]) - means[i] * means[j])[varied]
    wanted = np.stack([c[varied] for c in cross], -1)[..., None]
    slopes = np.zeros_like(colours)
    slopes[:, varied] = np.linalg.solve(covariance + epsilon * np.eye(3), wanted)[..., 0].T
    offset = mean_a - sum(slope * m for slope, m in zip(slopes, means, strict=True))
    size = tuple(picture.shape[1:])
    terms = torch.from_numpy(np.stack([mean(term) for term in (*slopes, offset)]).astype(np.float32))
    full = resize(terms[3], size)
    for channel in range(3):  # one at a time: these are as large as the picture
        full.addcmul_(picture[channel], resize(terms[channel], size))
    return full.clamp_(0, 1)
