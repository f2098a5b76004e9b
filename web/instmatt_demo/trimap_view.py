"""A trimap as a picture that can be painted on, and back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from instmatt_core.guidance import BACKGROUND, FOREGROUND, UNKNOWN
from instmatt_core.image import to_uint8

# Brush colours; also the tints of the picture: the person as they are, the band amber, the background nearly black.
BRUSHES = {"#ffffff": FOREGROUND, "#f59e0b": UNKNOWN, "#0f172a": BACKGROUND}
TINTS = {"#f59e0b": 0.55, "#0f172a": 0.8}


def paintable(image: Tensor, trimap: Tensor) -> dict[str, Any]:
    """What the editor shows for a picture ``(3, H, W)`` and its trimap ``(H, W)``: nothing painted yet."""
    shown = image
    for name, share in TINTS.items():
        shown = torch.where(trimap == BRUSHES[name], (1 - share) * image + share * rgb(name)[:, None, None] / 255, shown)
    return {"background": to_uint8(shown), "layers": [], "composite": None}


def painted(value: dict[str, Any] | None, trimap: Tensor) -> Tensor:
    """The trimap ``(H, W)`` with what was painted over it in the editor; a stroke's soft rim takes the nearest brush."""
    result = trimap.clone()
    levels = torch.tensor(list(BRUSHES.values()))
    palette = torch.stack([rgb(name) for name in BRUSHES])
    for layer in (value or {}).get("layers") or []:
        height, width = trimap.shape
        strokes = torch.from_numpy(cv2.resize(np.asarray(layer), (width, height), interpolation=cv2.INTER_NEAREST)).float()
        nearest = (strokes[..., None, :3] - palette).square().sum(-1).argmin(-1)
        result = torch.where(strokes[..., 3] > 127, levels[nearest], result)
    return result


def rgb(name: str) -> Tensor:
    """``(3,)`` in 0..255 of ``#rrggbb``."""
    return torch.tensor([int(name[i : i + 2], 16) for i in (1, 3, 5)], dtype=torch.float32)
