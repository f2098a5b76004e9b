"""What every detector of instance masks does with its findings: which are people of their own, and in what order."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..instances import InstanceMasks, left_to_right
from ..windows import mask_boxes
from .geometry import areas, distinct


def people_of(
    masks: Tensor,
    scores: Tensor,
    *,
    max_people: int = 20,
    duplicate: float = 0.8,
    min_area: float = 2e-4,
    max_hole: float = 0.01,
) -> InstanceMasks:
    """Instances from a detector's masks ``(N, H, W)`` bool and scores ``(N,)`` that it is content with, ordered left to right.

    Args:
        max_people: keep at most this many, the surest.
        duplicate: a person is dropped who shares more than this part of the smaller mask with a surer one: it is the same
            person again, or a part of one.
        min_area: least part of the picture that a person covers.
        max_hole: holes are filled up to this part of the person's area; larger ones (an arm akimbo) are real.
    """
    area = areas(masks)
    enough = (area > 0) & (area >= min_area * masks.shape[1] * masks.shape[2])
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[enough[order]]
    chosen = order[distinct(masks[order], duplicate)][:max_people]
    filled = torch.stack([fill_holes(masks[i], max_hole) for i in chosen]) if len(chosen) else masks[:0]
    return left_to_right(InstanceMasks(filled.float(), mask_boxes(filled.float()), scores[chosen].float()))


def fill_holes(mask: Tensor, max_hole: float) -> Tensor:
    """``mask (H, W)`` bool without those holes that are at most ``max_hole`` of its area."""
    outside = np.pad(~mask.numpy(), 1, constant_values=True).astype(np.uint8)  # the rim joins all that is not a hole
    _, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= max_hole * int(mask.sum())
    small[[0, labels[0, 0]]] = False  # the mask itself, and what is around it
    return mask | torch.from_numpy(small[labels[1:-1, 1:-1]])
