"""Edges of existing mattes cleaned up: specks removed, the soft band solved again."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import GuidanceError
from ..guidance import BACKGROUND, FOREGROUND, UNKNOWN, tells_enough
from ..instances import share
from .closed_form import solve_or_keep, solve_trimap, solve_trimaps

SURE = 0.05  # an alpha this close to 0 or 1 is taken to be meant as 0 or 1
OPAQUE = 0.6  # mean alpha of what can be a part of the body


def clean_edges(
    image: Tensor,
    alphas: Tensor,
    *,
    band: int = 4,
    speck: float = 0.01,
    solve: Callable[[Tensor, Tensor, Callable[[float], None]], Tensor] = solve_trimaps,
    progress: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Alphas ``(K, H, W)`` of ``image (3, H, W)`` with specks gone and edges recomputed.

    Args:
        image, alphas: the picture and its mattes.
        band: px by which the soft part of a matte is widened, on both sides, before it is solved again; 0 leaves edges as they are, and
            so does a person who is nowhere wider than that.
        speck: separate pieces of a matte smaller than this share of its largest piece are removed.
        solve: ``(image, trimaps (K, H, W), progress) -> alphas``: closed-form matting, or another such as ``SIM.solve_trimaps``.
        progress: called with the share done.

    Raises:
        GuidanceError: the mattes are not of the picture's size.
    """
    if alphas.ndim != 3 or alphas.shape[1:] != image.shape[1:]:
        raise GuidanceError(f"the mattes are {tuple(alphas.shape[1:])}, the picture is {tuple(image.shape[1:])} (height, width)")
    kept = torch.stack([without_specks(alpha, speck) for alpha in alphas]) if len(alphas) else alphas
    if not band:
        return share(kept)
    guides = torch.stack([soft_band(alpha, band) for alpha in kept]) if len(kept) else kept.clone()
    return solve_or_keep(image, guides, kept, solve, progress)


def seconded(image: Tensor, alpha: Tensor, band: int, part: float) -> Tensor:
    """``alpha (H, W)``, averaged with what closed form makes of its soft part and ``band`` px around it, which has ``part`` of the say:
    a network's mistakes and those of the colours of ``image (3, H, W)`` have little in common. A matte that leaves nothing sure stays
    as it is."""
    guide = soft_band(alpha, band)
    return (1 - part) * alpha + part * solve_trimap(image, guide) if tells_enough(guide) else alpha


def soft_band(alpha: Tensor, band: int) -> Tensor:
    """The trimap ``(H, W)`` whose unknown part is the soft part of ``alpha (H, W)`` and ``band`` px around it."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    sure = [cv2.erode(part.numpy().astype(np.uint8), disc) > 0 for part in (alpha > 1 - SURE, alpha < SURE)]
    return torch.from_numpy(np.where(sure[0], FOREGROUND, np.where(sure[1], BACKGROUND, UNKNOWN)).astype(np.float32))


def without_specks(alpha: Tensor, speck: float, mask: Tensor | None = None) -> Tensor:
    """``alpha (H, W)`` without connected pieces smaller than ``speck`` times the largest, unless they touch ``mask (H, W)``."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > SURE).to(torch.uint8).numpy(), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0  # the background is no piece
    keep = areas >= speck * areas.max()
    if mask is not None:
        keep[np.unique(labels[mask.numpy() > 0.5])] = True
    keep[0] = True  # what is too faint to be a piece stays as it is
    return alpha * torch.from_numpy(keep[labels].astype(np.float32))


def without_haze(alpha: Tensor, mask: Tensor, reach: float) -> Tensor:
    """``alpha (H, W)`` without what is faint far from ``mask (H, W)``: a limb that the mask lacks is opaque, and hair is near.

    Faint are connected pieces beyond ``reach`` times the person's size, the square root of the mask's area, whose mean alpha is less
    than :data:`OPAQUE`; they fade to nothing at twice that distance.
    """
    inside = (mask > 0.5).numpy()
    distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5) / max(1.0, reach * float(np.sqrt(inside.sum())))
    _, labels = cv2.connectedComponents(((alpha > SURE).numpy() & (distance > 1)).astype(np.uint8), connectivity=8)
    sums, counts = np.bincount(labels.ravel(), alpha.numpy().ravel()), np.bincount(labels.ravel())
    faint = (sums < OPAQUE * counts)[labels]
    return alpha * torch.from_numpy(np.where(faint, np.clip(2 - distance, 0, 1), 1).astype(np.float32))
