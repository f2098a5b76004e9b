"""What the web extension draws on a node: the picture, and each person's outline, colour, number and score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import torch
from torch import Tensor

from ..instmatt_core.compositing import person_colour
from ..instmatt_core.image import fit, resize

SIDE = 768  # px; a node is smaller than that
FRAMES = 12  # of a batch, evenly spread
UNIT = 1000  # outlines are in thousandths of width and height


def shown(frames: int) -> list[int]:
    """The frames of a batch that the preview shows."""
    return sorted({round(i * (frames - 1) / max(min(frames, FRAMES) - 1, 1)) for i in range(min(frames, FRAMES))})


def small(images: Sequence[Tensor]) -> list[Tensor]:
    """The pictures ``(3, H, W)`` at the size of the preview."""
    return [resize(image, fit((image.shape[1], image.shape[2]), SIDE)) for image in images]


def people_of(maps: Tensor, scores: Tensor, numbers: Sequence[int], chosen: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """For each person with any pixels in ``maps (K, H, W)``: number, score, colour, outlines, and whether chosen.

    Args:
        numbers: of each, from 0; the browser shows them from 1.
        chosen: indices of those who are; None for all.
    """
    described = []
    for k, (plane, score, number) in enumerate(zip(maps, scores.tolist(), numbers, strict=True)):
        outlines = _outlines(plane)
        if outlines:
            colour = "#" + "".join(f"{round(255 * c):02x}" for c in person_colour(number))
            on = chosen is None or k in chosen
            described.append({"number": number + 1, "score": round(score, 3), "colour": colour, "on": on, "outlines": outlines})
    return described


def _outlines(plane: Tensor) -> list[list[int]]:
    """Flat lists x, y, x, y, ... around what is above one half; small pieces are left out unless there is nothing else."""
    reduced = resize(plane, fit((plane.shape[0], plane.shape[1]), SIDE))
    solid = (reduced > 0.5).to(torch.uint8).numpy()
    contours, _ = cv2.findContours(solid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    height, width = solid.shape
    limit = 0.02 * max((cv2.contourArea(c) for c in contours), default=0.0)
    found = []
    for contour in contours:
        if cv2.contourArea(contour) >= limit:
            points = cv2.approxPolyDP(contour, 0.8, closed=True).reshape(-1, 2)
            found.append([round(v) for x, y in points for v in ((x + 0.5) * UNIT / width, (y + 0.5) * UNIT / height)])
    return found
