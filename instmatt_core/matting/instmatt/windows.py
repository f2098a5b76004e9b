"""What the refiner looks at: which instances take part, and the windows where they contradict each other."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

STEP = 10  # px between the candidates for a window's centre
WORTH = 0.01  # least disagreement of a candidate
OVERLAP = 0.3  # most IoU of two windows that are also near each other


def duplicates(targets: Tensor) -> Tensor:
    """Which of ``(K, H, W)`` show somebody whom another one shows already, bool ``(K,)``.

    The shared part of two, over the smaller one, tells: more than 0.3 with two or more others, or more than 0.5 with an earlier one.
    """
    count = len(targets)
    if count > 8:
        targets = F.interpolate(targets[None], scale_factor=0.5, mode="nearest")[0]
    inside = (targets > 0.01).flatten(1).float()
    areas = inside.sum(1)
    shared = inside @ inside.T / (torch.minimum(areas[:, None], areas[None]) + 1)
    shared.fill_diagonal_(0)
    with_earlier = torch.tril(shared, -1) > 0.5
    return ((shared > 0.3).sum(1) >= 2) | with_earlier.any(1)


def disagreement(alphas: Tensor) -> Tensor:
    """How far everyone's target and the background are from adding up to one, ``(H, W)``, from tri-mattes ``(K, 3, H, W)``."""
    return (1 - alphas[:, 0].sum(0) - alphas[:, 2].mean(0)).abs()


def window_side(count: int, size: tuple[int, int]) -> int:
    """Side of a window in px for that many instances on a map of ``size``."""
    return min(320 if count <= 8 else 256 if count <= 14 else 128, *size)


def choose(error: np.ndarray, side: int) -> list[tuple[int, int]]:
    """Windows ``(top, left)`` over a map of disagreement ``(H, W)``, worst first; always at least one."""
    height, width = error.shape
    rows, columns = np.meshgrid(np.arange(height // STEP) * STEP, np.arange(width // STEP) * STEP, indexing="ij")
    scores = error[rows, columns].ravel()
    top = np.clip(rows.ravel() - side // 2, 0, height - side)
    left = np.clip(columns.ravel() - side // 2, 0, width - side)
    order = np.argsort(scores)[::-1]
    worth = order[scores[order] > WORTH]
    order = worth if len(worth) else order[:1]
    chosen = []
    while len(order):
        best, rest = order[0], order[1:]
        chosen.append((int(top[best]), int(left[best])))
        down, right = np.abs(top[rest] - top[best]), np.abs(left[rest] - left[best])
        shared = np.clip(side - down + 1, 0, None) * np.clip(side - right + 1, 0, None)
        iou = shared / (2 * (side + 1) ** 2 - shared)
        order = rest[~((iou > OVERLAP) & (down < side // 2) & (right < side // 2))]
    return chosen
