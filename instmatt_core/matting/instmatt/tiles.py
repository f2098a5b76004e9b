"""Large pictures in overlapping tiles, so that memory stays within a budget whatever the picture and the number of people."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .padding import MARGIN

MEMORY_MB = 2000
BYTES = (700, 200)  # per px of a tile: for the network, and for each instance's feature, alphas and tri-mask
OVERLAP = 128  # px shared by neighbouring tiles
LEAST = 384  # px of a tile's side: less would show the network too little of a person

Tile = tuple[slice, slice]


def plan(size: tuple[int, int], count: int, memory_mb: int) -> list[Tile]:
    """Rows and columns of the tiles; one that holds everything if the budget allows."""
    pixels = memory_mb * 1e6 / (BYTES[0] + BYTES[1] * count)
    if (size[0] + 2 * MARGIN) * (size[1] + 2 * MARGIN) <= pixels:
        return [(slice(0, size[0]), slice(0, size[1]))]
    side = max(LEAST, int(pixels**0.5) - 2 * MARGIN)
    return [(rows, columns) for rows in _spans(size[0], side) for columns in _spans(size[1], side)]


def _spans(length: int, side: int) -> list[slice]:
    if length <= side:
        return [slice(0, length)]
    count = -(-(length - OVERLAP) // (side - OVERLAP))
    starts = [round(i * (length - side) / (count - 1)) for i in range(count)]
    return [slice(start, start + side) for start in starts]


def stitch(
    image: Tensor,
    guides: Tensor,
    tiles: list[Tile],
    matte: Callable[[Tensor, Tensor, Callable[[float], None]], Tensor],
    progress: Callable[[float], None],
) -> Tensor:
    """Alphas ``(K, H, W)`` of all tiles; where they overlap, one fades into the next.

    In a tile only those who are there are matted.
    """
    total, weights = torch.zeros(len(guides), *image.shape[1:]), torch.zeros(image.shape[1:])
    for index, tile in enumerate(tiles):
        rows, columns = tile
        area = (..., rows, columns)
        here = guides[:, 0][area].flatten(1).any(1) if len(tiles) > 1 else torch.ones(len(guides), dtype=torch.bool)
        weight = fade(tile, (image.shape[1], image.shape[2]))
        if here.any():

            def report(part: float, index: int = index) -> None:
                progress((index + part) / len(tiles))

            total[here, rows, columns] += weight * matte(image[area], guides[area][here], report)
        weights[rows, columns] += weight
        progress((index + 1) / len(tiles))
    return total / weights


def fade(tile: Tile, size: tuple[int, int]) -> Tensor:
    """Weights ``(h, w)`` that fall off over the overlap at each side where another tile goes on."""
    ramps = []
    for span, length in zip(tile, size, strict=True):
        index = torch.arange(span.stop - span.start, dtype=torch.float32) + 1
        ramp = torch.ones_like(index)
        if span.start > 0:
            ramp = torch.minimum(ramp, index / OVERLAP)
        if span.stop < length:
            ramp = torch.minimum(ramp, index.flip(0) / OVERLAP)
        ramps.append(ramp)
    return ramps[0][:, None] * ramps[1]
