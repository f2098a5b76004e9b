"""The semantic trimap: for every unknown pixel, how much its surroundings look like each class of matting pattern.

The classifier looks at overlapping windows of two sizes; its class activation maps, averaged, are the answer. The maps are kept small
and enlarged where they are asked for, so that a large picture takes little memory.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...guidance import UNKNOWN
from .classifier import CLASSES, UNKNOWN_LEVEL
from .inference import FastClassifier

SIDES = (320, 800)  # of the windows, px; each steps by half of its side
ROWS = 512  # enlarged at a time to find the extremes


class Window(NamedTuple):
    """A part of the picture that the classifier saw; ``maps (20, h/32, w/32)`` is what it made of it."""

    rows: slice
    columns: slice
    maps: Tensor


class SemanticTrimap:
    """Class activation of a whole picture.

    Args:
        image: ``(3, H, W)``, normalised.
        trimap: ``(H, W)`` of 0, 0.5, 1, on the same device. Windows without an unknown pixel are left out.
        as_published: cut windows that are larger than the picture as the authors' script does, see :func:`spans`.
    """

    def __init__(self, classifier: FastClassifier, image: Tensor, trimap: Tensor, as_published: bool = False):
        self.unknown = trimap == UNKNOWN
        self.windows = []
        seen = torch.cat((image, trimap.where(~self.unknown, UNKNOWN_LEVEL)[None]))
        height, width = trimap.shape
        for side in SIDES:
            for rows in spans(height, side, as_published):
                for columns in spans(width, side, as_published):
                    if self.unknown[rows, columns].any():
                        self.windows.append(Window(rows, columns, classifier(seen[None, :, rows, columns])[0]))
        strips = [self._mean(slice(top, min(top + ROWS, height)), slice(0, width)) for top in range(0, height, ROWS)]
        self.lowest, self.highest = min(s.min() for s in strips), max(s.max() for s in strips)

    def at(self, rows: slice, columns: slice) -> Tensor:
        """``(20, h, w)`` of a part: 0 to 1, from the least to the most active class and pixel of the whole picture; 0 where known."""
        return (self._mean(rows, columns) - self.lowest) / (self.highest - self.lowest) * self.unknown[rows, columns]

    def _mean(self, rows: slice, columns: slice) -> Tensor:
        """Class activations of a part, averaged over the windows that cover a pixel; 0 where there is none."""
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        total, count = self.unknown.new_zeros(CLASSES, *shape, dtype=torch.float32), self.unknown.new_zeros(shape, dtype=torch.float32)
        for window in self.windows:
            here, there = zip(overlap(rows, window.rows), overlap(columns, window.columns), strict=True)
            if all(s.start < s.stop for s in here):
                size = (window.rows.stop - window.rows.start, window.columns.stop - window.columns.start)
                enlarged = F.interpolate(window.maps[None], size=size, mode="bilinear", align_corners=False)[0]
                total[:, here[0], here[1]] += enlarged[:, there[0], there[1]]
                count[here] += 1
        return total.div_(count.clamp_(min=1))


def overlap(part: slice, window: slice) -> tuple[slice, slice]:
    """What both have in common, as seen from the one and from the other; empty where stop is not beyond start."""
    start, stop = max(part.start, window.start), min(part.stop, window.stop)
    return slice(start - part.start, stop - part.start), slice(start - window.start, stop - window.start)


def spans(length: int, side: int, as_published: bool = False) -> list[slice]:
    """Windows along an axis of ``length`` px.

    One that is longer than the axis is the whole axis; as published, its negative start counts from the axis' end, so that where
    length is between side / 2 and side only the last side - length px are seen.
    """
    starts = [*range(0, length - side, side // 2), length - side]
    found = [(start if as_published else max(start, 0), start + side) for start in starts]
    return [slice(*slice(*pair).indices(length)[:2]) for pair in found]
