"""From instance masks to what matting needs: trimaps per person, tri-masks (InstMatt, section 3.1)."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from .instances import InstanceMasks, TriMasks, share
from .windows import mask_boxes, window_around

BACKGROUND, UNKNOWN, FOREGROUND = 0.0, 0.5, 1.0
TORN = 0.25  # a mask between this and as far below one does not tell whether the person is there


def tri_masks(instances: InstanceMasks) -> TriMasks:
    """Target, reference and background of every person, ``(K, 3, H, W)``. Where masks together exceed one they are scaled down first, so
    that the three sum to one everywhere."""
    return TriMasks(tri_masks_of(share(instances.masks)))


def tri_masks_of(masks: Tensor) -> Tensor:
    """``(K, 3, H, W)`` of masks m_i ``(K, H, W)`` that together do not exceed one: T = m_i, R = sum of the others, B = the rest."""
    total = masks.sum(0, keepdim=True)
    return torch.stack((masks, total - masks, (1 - total).clamp(min=0).expand_as(masks)), 1)


def sharpen(instances: InstanceMasks) -> InstanceMasks:
    """The masks as InstMatt was trained on: a pixel is somebody's or nobody's, the strongest mask over one half wins."""
    if not len(instances):
        return instances
    best, winner = instances.masks.max(0)
    own = torch.arange(len(instances))[:, None, None] == winner
    return replace(instances, masks=(own & (best > 0.5)).float())


def steepened(masks: Tensor) -> Tensor:
    """Masks ``(K, H, W)`` that are unsure only where a detector is really torn: 0 up to :data:`TORN`, 1 from as far below one, linear
    between; together at most one."""
    return share(((masks - TORN) / (1 - 2 * TORN)).clamp(0, 1))


def trimaps(instances: InstanceMasks, *, band: float = 0.025, hair: float = 0.25) -> Tensor:
    """A trimap for every person, ``(K, H, W)`` with 0 background, 0.5 unknown, 1 foreground.

    The unknown band lies on both sides of the mask's edge. Other people's sure pixels are background.

    Args:
        instances: the people.
        band: half the band's width, as a share of the person's size (square root of the mask's area).
        hair: extra width outside of the head, as a share of the head's radius; where a detector gives no head, it is
            taken to be the topmost part of the mask.
    """
    result = torch.zeros_like(instances.masks)
    cores = torch.zeros_like(instances.masks, dtype=torch.bool)
    for k, mask in enumerate(instances.masks):
        result[k], cores[k] = _trimap(mask.numpy(), _head_of(instances, k), band, hair)
    for k in range(len(result)):
        others = cores[torch.arange(len(cores)) != k].any(0)
        clash = others & cores[k]  # two people sure of one pixel: neither is
        result[k][others] = BACKGROUND
        result[k][clash] = UNKNOWN
    return result


def tells_enough(trimap: Tensor) -> bool:
    """Whether a trimap ``(H, W)`` has sure foreground and sure background, and is at least 3 px wide and high: else there is nothing to
    solve it from."""
    return min(trimap.shape) >= 3 and bool((trimap == FOREGROUND).any() and (trimap == BACKGROUND).any())


def _trimap(mask: np.ndarray, head: np.ndarray, band: float, hair: float) -> tuple[Tensor, Tensor]:
    height, width = mask.shape
    inside = mask > 0.5
    area = int(inside.sum())
    if not area:
        return torch.zeros(height, width), torch.zeros(height, width, dtype=torch.bool)
    radius = max(1.5, band * area**0.5)
    x, y, size = head
    window = window_around(inside, radius + hair * size + 2, (height, width))
    local = mask[window]
    distance_in = cv2.distanceTransform((local > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    distance_out = cv2.distanceTransform((local <= 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = (axis.astype(np.float32) for axis in np.ogrid[window])
    from_head = np.hypot(columns - np.float32(x), rows - np.float32(y))
    # The hair zone is the head's disc and its surroundings, fading out over half a radius.
    zone = np.clip((2.0 * size - from_head) / (0.5 * size + 1e-6), 0, 1) if size > 0 else np.zeros_like(local)
    core = (distance_in > radius * (1 + 0.5 * zone)) & (local > 0.9)
    far = (distance_out > radius + hair * size * zone) & (local < 0.3)
    trimap = np.where(core, FOREGROUND, np.where(far, BACKGROUND, UNKNOWN)).astype(np.float32)
    full, sure = np.zeros((height, width), np.float32), np.zeros((height, width), bool)
    full[window], sure[window] = trimap, core
    return torch.from_numpy(full), torch.from_numpy(sure)


def _head_of(instances: InstanceMasks, k: int) -> np.ndarray:
    """Centre x, y and radius of a person's head in px."""
    if instances.heads is not None and torch.isfinite(instances.heads[k]).all():
        return instances.heads[k].numpy()
    mask = instances.masks[k]
    x0, y0, x1, y1 = mask_boxes(mask[None])[0].tolist()
    radius = 0.5 * min(x1 - x0, (y1 - y0) / 4)
    top = mask[int(y0) : max(int(y0) + 1, int(y0 + radius))] > 0.5
    columns = top.any(0).nonzero().flatten()
    x = float(columns.float().mean()) if len(columns) else (x0 + x1) / 2
    return np.array([x, y0 + radius, radius])
