"""Parts of a picture that are looked at by themselves, for people who are small in the whole."""

from __future__ import annotations

import torch
from torch import Tensor

SMALL = 0.2  # of the picture's longer side; people no larger than that are small
PARTS, PART = 3, 0.45  # so many rows and columns of parts, each this share of the picture's height and width
EDGE = 4  # px; a mask so near to where a part is cut off is taken for a piece of somebody


def parts_of(size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Rows and columns of the overlapping parts of a picture of ``size`` (height, width)."""
    return [(rows, columns) for rows in spans(size[0]) for columns in spans(size[1])]


def is_small(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Which of ``boxes (K, 4)`` in a picture of that ``size`` are at most :data:`SMALL` long: ``(K,)`` bool."""
    return (boxes[:, 2:] - boxes[:, :2]).amax(1) <= SMALL * max(size)


def is_cut(boxes: Tensor, part: tuple[slice, slice], size: tuple[int, int]) -> Tensor:
    """Which of ``boxes (K, 4)`` reach to where a ``part`` (rows, columns) of a picture of that ``size`` ends, but not the picture:
    ``(K,)`` bool."""
    spans = list(zip(part[::-1], size[::-1], strict=True))
    low = torch.tensor([c.start + EDGE if c.start > 0 else -1 for c, _ in spans])
    high = torch.tensor([c.stop - EDGE if c.stop < n else n + 1 for c, n in spans])
    return ((boxes[:, :2] < low) | (boxes[:, 2:] > high)).any(1)


def spans(length: int) -> list[slice]:
    """The overlapping :data:`PARTS` of a side of ``length`` px."""
    side = max(1, round(PART * length))
    return [slice(start, start + side) for start in (round(i * (length - side) / (PARTS - 1)) for i in range(PARTS))]
