"""Anchors of Mask R-CNN, and their refinement; boxes ``(N, 4)`` as x0, y0, x1, y1 in px."""

from __future__ import annotations

import math

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
