"""Boxes ``(N, 4)`` as x0, y0, x1, y1 in px: anchors, refinement, overlap, suppression."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

RATIOS = (0.5, 1.0, 2.0)  # height over width
MAX_GROWTH = math.log(1000 / 16)  # of a side, by one refinement


def anchors(height: int, width: int, stride: int, side: float, device: torch.device | None = None) -> Tensor:
    """One anchor of area ``side ** 2`` for each ratio, around each place of a level: ``(height * width * 3, 4)``."""
    ratios = torch.tensor(RATIOS, device=device)
    half_widths = side / ratios.sqrt() / 2
    halves = torch.stack((half_widths, half_widths * ratios), 1)  # (3, 2)
    y, x = torch.meshgrid(*(torch.arange(n, device=device) * float(stride) for n in (height, width)), indexing="ij")
    centres = torch.stack((x, y), -1)[:, :, None]
    return torch.cat((centres - halves, centres + halves), -1).flatten(0, 2)


def refine(boxes: Tensor, deltas: Tensor, weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """Apply ``deltas (N, ..., 4)`` (shift in sides, log of growth, each times its weight) to ``boxes (N, ..., 4)``."""
    shift, growth = (deltas / deltas.new_tensor(weights)).split(2, -1)
    sides = boxes[..., 2:] - boxes[..., :2]
    centres = boxes[..., :2] + 0.5 * sides + shift * sides
    halves = 0.5 * sides * growth.clamp(max=MAX_GROWTH).exp()
    return torch.cat((centres - halves, centres + halves), -1)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes cut off at the rim of a picture of ``size`` (height, width)."""
    height, width = size
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor((width, height, width, height)))


def not_empty(boxes: Tensor) -> Tensor:
    """``(N,)`` bool: has an area."""
    return (boxes[..., 2:] > boxes[..., :2]).all(-1)


def overlaps(boxes: Tensor) -> Tensor:
    """Intersection over union of each box with each, ``(N, N)``; 0 where both are empty."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    shared = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    both = shared.clamp(min=0).prod(2)
    return both / (area[:, None] + area[None, :] - both).clamp(min=torch.finfo(boxes.dtype).tiny)


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
    rivals = (overlaps(boxes[order]) > threshold).cpu().numpy()  # in numpy, for the loop's many small steps
    gone = np.zeros(len(rivals), bool)
    stays = []
    for index, row in enumerate(rivals):
        if not gone[index]:
            stays.append(index)
            gone |= row
    return order[stays]
