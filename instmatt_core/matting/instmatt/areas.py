"""Which pixels to compute: strips of a map, and rectangles round what matters in it. Coordinates are px of the padded picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor


class Area(NamedTuple):
    """A rectangle."""

    rows: slice
    columns: slice

    @property
    def index(self) -> Any:
        """Cuts it out of a map ``(..., H, W)``."""
        return ..., self.rows, self.columns

    def at(self, scale: int) -> Area:
        """The same on a map at 1/scale; the corners must be multiples of it."""
        return Area(*(slice(s.start // scale, s.stop // scale) for s in self))

    def grown(self, by: int, size: tuple[int, int]) -> Area:
        """Wider on every side, but within a map of ``size``."""
        return Area(*(slice(max(s.start - by, 0), min(s.stop + by, length)) for s, length in zip(self, size, strict=True)))

    def within(self, outer: Area) -> Area:
        """Where it is in what ``outer`` cuts out."""
        return Area(*(slice(s.start - o.start, s.stop - o.start) for s, o in zip(self, outer, strict=True)))


def strips(size: tuple[int, int], rows: int) -> Iterator[Area]:
    """The whole of a map, ``rows`` at a time."""
    for top in range(0, size[0], rows):
        yield Area(slice(top, min(top + rows, size[0])), slice(0, size[1]))


def round_what(wanted: Tensor, area: Area, rows: int, gap: int, multiple: int = 1) -> list[Area]:
    """Rectangles in ``area``, at most so many rows high, that hold all that is wanted there (bool ``(H, W)``).

    Args:
        gap: how many columns without anything wanted part two rectangles.
        multiple: of which all corners are, if those of ``area`` are.
    """
    found = []
    for top in range(area.rows.start, area.rows.stop, rows):
        band = slice(top, min(top + rows, area.rows.stop))
        columns = wanted[band, area.columns].any(0).nonzero().flatten().cpu().numpy()
        for run in np.split(columns, np.nonzero(np.diff(columns) > gap)[0] + 1):
            if len(run):
                left, right = int(run[0]) // multiple * multiple, -(-(int(run[-1]) + 1) // multiple) * multiple
                found.append(Area(band, slice(area.columns.start + left, area.columns.start + right)))
    return found


def widened(where: Tensor, by: int) -> Tensor:
    """All pixels at most ``by`` rows and columns from one of ``where``, bool ``(H, W)``."""
    square = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return torch.from_numpy(cv2.dilate(where.to(torch.uint8).cpu().numpy(), square)).to(where.device, torch.bool)
