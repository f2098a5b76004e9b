"""Boxes of masks, and windows of a picture round them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def mask_boxes(masks: Tensor, threshold: float = 0.5) -> Tensor:
    """``(K, 4)`` tight boxes x0, y0, x1, y1 of ``masks > threshold``; zeros for an empty mask."""
    boxes = torch.zeros(len(masks), 4)
    for box, mask in zip(boxes, masks, strict=True):
        inside = mask > threshold
        columns, rows = inside.any(0).nonzero().flatten(), inside.any(1).nonzero().flatten()
        if len(rows):
            box[:] = torch.stack((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return boxes


def around(box: Tensor, size: tuple[int, int], share: float, least: float = 0) -> tuple[slice, slice]:
    """Rows and columns of a box (x0, y0, x1, y1) px and its surroundings in a picture of ``size`` (height, width).

    Args:
        share: how wide the surroundings are on every side, as a share of the box's longer side.
        least: how many px at least.
    """
    x0, y0, x1, y1 = box.tolist()
    margin = max(least, share * max(x1 - x0, y1 - y0))
    rows, columns = (slice(int(max(0, a - margin)), min(n, int(b + margin) + 1)) for a, b, n in ((y0, y1, size[0]), (x0, x1, size[1])))
    return rows, columns


def square_around(box: Tensor, size: tuple[int, ...], share: float, least: int = 16) -> tuple[slice, slice]:
    """As :func:`around`, but a square of at least ``least`` px, moved into the picture, and cut only where it is larger than that."""
    side = max(least, round((1 + 2 * share) * float((box[2:] - box[:2]).max())))
    corners = ((box[:2] + box[2:] - side) / 2).round().int().tolist()
    starts = [min(max(0, corner), max(0, n - side)) for corner, n in zip(corners, size[::-1], strict=True)]
    columns, rows = (slice(start, min(start + side, n)) for start, n in zip(starts, size[::-1], strict=True))
    return rows, columns


def window_around(inside: np.ndarray | Tensor, margin: float, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of everything ``inside`` (bool ``(H, W)``, not empty) and of ``margin`` px round it, within ``size``."""
    inside = np.asarray(inside)
    rows, columns = inside.any(1).nonzero()[0], inside.any(0).nonzero()[0]
    m = int(np.ceil(margin))
    return (
        slice(max(0, rows[0] - m), min(size[0], rows[-1] + 1 + m)),
        slice(max(0, columns[0] - m), min(size[1], columns[-1] + 1 + m)),
    )
