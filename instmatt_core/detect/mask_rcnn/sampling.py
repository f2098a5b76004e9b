"""Bilinear sampling on axis-aligned grids, as products of matrices: ``Wy F Wx^T``.

Bilinear weights are a product of one weight per axis, so the mean over a grid of samples is one too. ROIAlign written so is
exact, and for a box of h x w cells costs about 2 * 7 * h * w multiplications per channel, in few large steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

BATCH = 8  # boxes at once, of like size; more is slower on a CPU


def hat(positions: Tensor, cells: Tensor) -> Tensor:
    """Linear interpolation's weight of each of ``cells (..., L)`` at ``positions (..., P)``: ``(..., P, L)``."""
    return (1 - (positions[..., :, None] - cells[..., None, :]).abs()).clamp(min=0)


def roi_align(features: Tensor, boxes: Tensor, bins: int) -> Tensor:
    """ROIAlign (Mask R-CNN, section 3), aligned by half a cell, with as many samples in a bin as it has cells.

    Args:
        features: ``(C, H, W)``.
        boxes: ``(N, 4)`` in cells of the features; cell 0 reaches from 0 to 1.

    Returns:
        ``(N, C, bins, bins)``.
    """
    channels, height, width = features.shape
    if not len(boxes):
        return features.new_zeros(0, channels, bins, bins)
    cells = features.permute(1, 2, 0).contiguous()
    result = features.new_zeros(len(boxes), bins, bins, channels)
    sides = (boxes[:, 2:] - boxes[:, :2]).ceil()
    order = ((sides[:, 1] / 8).ceil() * (width + height) + sides[:, 0]).argsort()  # like heights together, then like widths
    for index in order.split(BATCH):
        rows, down = _window(boxes[index, 1], boxes[index, 3], bins, height)
        columns, across = _window(boxes[index, 0], boxes[index, 2], bins, width)
        window = cells[rows[:, :, None], columns[:, None, :]]  # (n, h, w, C)
        shrunk = (down @ window.flatten(2)).unflatten(2, (-1, channels))  # (n, bins, w, C)
        result[index] = across[:, None] @ shrunk
    return result.permute(0, 3, 1, 2)


def _window(start: Tensor, end: Tensor, bins: int, length: int) -> tuple[Tensor, Tensor]:
    """For each box the cells it needs along one axis ``(n, L)``, and their weights in each bin ``(n, bins, L)``.

    Samples up to a cell outside the features take the cell at the rim; further out they count as 0.
    """
    start = start - 0.5
    bin_side = (end - 0.5 - start) / bins
    samples = bin_side.ceil().clamp(min=0)
    most = max(1, int(samples.max()))
    within = torch.arange(most, device=start.device)
    share = (within + 0.5) / samples[:, None].clamp(min=1)  # (n, most) of a bin
    offsets = torch.arange(bins, device=start.device)[None, :, None] + share[:, None, :]
    positions = start[:, None, None] + offsets * bin_side[:, None, None]  # (n, bins, most)
    counted = (within < samples[:, None])[:, None, :] & (positions >= -1) & (positions <= length)
    positions = positions.clamp(0, length - 1)
    first = start.floor().clamp(0, length - 1).long()
    reach = int((end.ceil().clamp(max=length).long() - first).max().clamp(min=1)) + 1
    cells = first[:, None] + torch.arange(reach, device=start.device)
    weights = hat(positions.flatten(1), cells.to(start.dtype)).unflatten(1, (bins, most))  # (n, bins, most, reach)
    mean = (weights * counted[..., None]).sum(2) / samples[:, None, None].clamp(min=1)
    return cells.clamp(max=length - 1), mean


def paste(mask: Tensor, box: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask ``(M, M)`` stretched over its box, sampled at the pixels of a picture of ``size``; 0 outside: ``(H, W)``."""
    side = len(mask)
    cells = torch.arange(side, device=mask.device, dtype=mask.dtype)

    def weights(start: Tensor, end: Tensor, length: int) -> Tensor:
        pixels = torch.arange(length, device=mask.device) + 0.5
        return hat((pixels - start) / (end - start) * side - 0.5, cells)

    return weights(box[1], box[3], size[0]) @ mask @ weights(box[0], box[2], size[1]).T
