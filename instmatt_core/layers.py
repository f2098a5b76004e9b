"""People as layers of a picture: moved, scaled, re-ordered, over another background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .compositing import over
from .errors import UsageError
from .image import resize
from .windows import mask_boxes


@dataclass(frozen=True)
class Placement:
    """Where a person goes: moved right and down by ``dx``, ``dy`` px, scaled about the middle of the feet (the matte's lower edge)."""

    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0


def compose(cutouts: Sequence[Tensor], background: Tensor, *, order: Sequence[int] | None = None) -> Tensor:
    """Lay cut-outs over a background ``(3, H, W)``.

    Args:
        cutouts: straight-alpha RGBA ``(4, H, W)`` of each person.
        background: of the cut-outs' size.
        order: the people from back to front, by index; each goes over those before. None, for people who stand as in the picture:
            they share its pixels, so they are added up, ``sum(a_i F_i) + (1 - sum(a_i)) B``; laid one over the other they would
            let the background through where they touch.

    Raises:
        UsageError: an index is not that of a person.
    """
    if order is None:
        total = torch.zeros_like(background[0])
        result = torch.zeros_like(background)
        for rgba in cutouts:
            result += rgba[3] * rgba[:3]
            total += rgba[3]
        return (result + (1 - total).clamp(min=0) * background).clamp(0, 1)
    result = background
    for index in order:
        if not 0 <= index < len(cutouts):
            raise UsageError(f"there is no person {index + 1}; there are {len(cutouts)}")
        result = over(cutouts[index][:3], cutouts[index][3], result)
    return result.clamp(0, 1)


def place(rgba: Tensor, placement: Placement) -> Tensor:
    """A cut-out ``(4, H, W)`` moved and scaled within its frame; resampled premultiplied, so that edges stay clean."""
    if placement.scale <= 0:
        raise UsageError(f"a person's scale must be positive, not {placement.scale:g}")
    alpha = rgba[3]
    left, _, right, bottom = mask_boxes(alpha[None])[0].tolist()
    if not right:
        left, _, right, bottom = mask_boxes(alpha[None], 0.0)[0].tolist()
    if not right:
        return rgba
    x, y, s = (left + right - 1) / 2, bottom - 1, placement.scale
    matrix = np.array([[s, 0, (1 - s) * x + placement.dx], [0, s, (1 - s) * y + placement.dy]])
    premultiplied = torch.cat((rgba[:3] * alpha, alpha[None])).permute(1, 2, 0).numpy()
    if s < 1:  # the warp only interpolates: what it skips must be averaged before, by whole pixels as far as that goes
        n = min(int(1 / s), max(premultiplied.shape))
        height, width = (-(-side // n) for side in premultiplied.shape[:2])
        padded = np.pad(premultiplied, ((0, n * height - premultiplied.shape[0]), (0, n * width - premultiplied.shape[1]), (0, 0)))
        averaged = cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.array([[n, 0, (n - 1) / 2], [0, n, (n - 1) / 2], [0, 0, 1]])
        premultiplied = cv2.GaussianBlur(averaged, (0, 0), max(0.5 * (1 / (n * s) ** 2 - 1) ** 0.5, 0.01))
    moved = cv2.warpAffine(np.ascontiguousarray(premultiplied), matrix, (rgba.shape[2], rgba.shape[1]), flags=cv2.INTER_LINEAR)
    result = torch.from_numpy(moved).permute(2, 0, 1)
    return torch.cat((result[:3] / result[3].clamp(min=1e-6), result[3:])).clamp(0, 1)


def cover(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """``(3, h, w)`` scaled so that it fills ``size`` (height, width), the overhang cut off evenly."""
    ratio = max(size[0] / picture.shape[1], size[1] / picture.shape[2])
    height, width = (min(side, max(1, round(wanted / ratio))) for side, wanted in zip(picture.shape[1:], size, strict=True))
    top, left = (picture.shape[1] - height) // 2, (picture.shape[2] - width) // 2
    return resize(picture[:, top : top + height, left : left + width], size)
