"""Boxes ``(N, 4)`` as x0, y0, x1, y1 in px, and masks: how much they share, which belong together, which of many to keep."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

COMPARED_SIDE = 512  # px; whether two masks are of one person is seen on masks about this large


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes cut off at the rim of a picture of ``size`` (height, width)."""
    height, width = size
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor((width, height, width, height)))


def not_empty(boxes: Tensor) -> Tensor:
    """``(N,)`` bool: has an area."""
    return (boxes[..., 2:] > boxes[..., :2]).all(-1)


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each of ``boxes (N, 4)`` with each of ``others (M, 4)``: ``(N, M)``; 0 where both are empty."""
    area, other = ((b[:, 2:] - b[:, :2]).prod(1) for b in (boxes, others))
    shared = torch.minimum(boxes[:, None, 2:], others[None, :, 2:]) - torch.maximum(boxes[:, None, :2], others[None, :, :2])
    both = shared.clamp(min=0).prod(2)
    return both / (area[:, None] + other[None, :] - both).clamp(min=torch.finfo(boxes.dtype).tiny)


def assign(boxes: Tensor, others: Tensor, least: float) -> dict[int, int]:
    """By number of ``boxes (N, 4)``, which of ``others (M, 4)`` belongs to it: those pairs that overlap most in all, each to an IoU of at
    least ``least``."""
    return matched(overlaps(boxes, others).numpy(), least)


def matched(shared: np.ndarray, least: float) -> dict[int, int]:
    """By row of ``shared (N, M)``, which column belongs to it: those pairs that share most in all, each at least ``least``."""
    # a pair below the limit is worth nothing, so that it never takes a place from one above it
    pairs = zip(*linear_sum_assignment(np.where(shared >= least, shared, 0), maximize=True), strict=True)
    return {int(i): int(k) for i, k in pairs if shared[i, k] >= least}


def areas(masks: Tensor) -> Tensor:
    """Px of each of ``masks (N, H, W)`` bool: ``(N,)``."""
    counts = [int(mask.count_nonzero()) for mask in masks]  # many times faster than a sum of bools
    return torch.tensor(counts, dtype=torch.long, device=masks.device)


def iou(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two boolean masks; 0 where both are empty."""
    return float((a & b).count_nonzero() / (a | b).count_nonzero().clamp(min=1))


def distinct(masks: Tensor, same: float | Tensor, same_iou: float = 1.0) -> list[int]:
    """Which of ``masks (N, H, W)`` bool, surest first, are not a surer one that stays again, or a part of it.

    Args:
        same: share of the smaller one's area above which two are the same, ``(N, N)`` if it is not one for all.
        same_iou: IoU above which they are, too.
    """
    step = max(1, max(masks.shape[1:]) // COMPARED_SIDE)
    points = masks[:, ::step, ::step].flatten(1).float()
    area = points.sum(1)
    both = points @ points.T
    too_much = both > torch.as_tensor(same) * torch.minimum(area[:, None], area[None])
    too_much |= both > same_iou * (area[:, None] + area[None] - both)
    kept: list[int] = []
    for i in range(len(masks)):
        if not too_much[i, kept].any():
            kept.append(i)
    return kept


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression inside each group: the indices that stay, surest first.

    A box goes if its IoU with a surer one that stays, of the same group, exceeds ``threshold``.
    """
    members = [(groups == group).nonzero()[:, 0] for group in groups.unique()]
    kept = [index[_suppress_one_group(boxes[index], scores[index], threshold)] for index in members]
    stays = torch.cat(kept) if kept else groups.new_zeros(0, dtype=torch.long)
    return stays[scores[stays].argsort(descending=True, stable=True)]


def _suppress_one_group(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    order = scores.argsort(descending=True, stable=True)
    rivals = (overlaps(boxes[order], boxes[order]) > threshold).cpu().numpy()  # in numpy, for the loop's many small steps
    gone = np.zeros(len(rivals), bool)
    stays = []
    for index, row in enumerate(rivals):
        if not gone[index]:
            stays.append(index)
            gone |= row
    return order[stays]
