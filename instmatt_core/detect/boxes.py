"""Boxes that another detector found, turned into masks of the people in them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import GuidanceError
from ..image import to_uint8
from ..instances import InstanceMasks
from .geometry import assign
from .people_masks import distinct

Detector = Callable[..., InstanceMasks]
MARGIN = 0.15  # of a box's sides; detectors want some surroundings
MIN_OVERLAP = 0.5  # least IoU of a box with that of the person in it
SAME = 0.8  # share of the smaller mask in another one from which on both are of one person
Box = tuple[int, int, int, int]  # x0, y0, x1, y1


def masks_in_boxes(
    image: Tensor, boxes: Tensor, detector: Detector, progress: Callable[[float], None] = lambda share: None
) -> InstanceMasks:
    """A person for each box ``(K, 4)`` x0, y0, x1, y1 px of ``image (3, H, W)``; boxes without any area are left out.

    That is the person of the whole picture who fills the box best, each being one box's only; if nobody does, who does when the
    detector looks at the box and its surroundings alone; failing that, what GrabCut (Rother, Kolmogorov, Blake, 2004) separates from
    the surroundings. Boxes that give the same person again are left out, too.

    Raises:
        GuidanceError: the boxes have another shape.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise GuidanceError(f"boxes must be (K, 4), not {tuple(boxes.shape)}")
    height, width = image.shape[1:]
    everyone = detector(image) if len(boxes) else _nobody(height, width)
    inside = [(max(0, round(x0)), max(0, round(y0)), min(width, round(x1)), min(height, round(y1))) for x0, y0, x1, y1 in boxes.tolist()]
    inside = [box for box in inside if box[2] - box[0] >= 2 and box[3] - box[1] >= 2]
    theirs = _assign(everyone, inside)
    masks = []
    for index, (x0, y0, x1, y1) in enumerate(inside):
        progress((index + 0.5) / len(inside))
        if index in theirs:
            mask = everyone.masks[theirs[index]]
        else:
            dx, dy = round(MARGIN * (x1 - x0)) + 1, round(MARGIN * (y1 - y0)) + 1
            left, top, right, bottom = max(0, x0 - dx), max(0, y0 - dy), min(width, x1 + dx), min(height, y1 + dy)
            crop, inner = image[:, top:bottom, left:right], (x0 - left, y0 - top, x1 - left, y1 - top)
            closer = detector(crop)
            found = _assign(closer, [inner])
            mask = torch.zeros(height, width)
            mask[top:bottom, left:right] = closer.masks[found[0]] if found else _grab_cut(crop, inner)
        masks.append(mask)
    if not masks:
        return _nobody(height, width)
    surest_first = sorted(range(len(masks)), key=lambda i: (i not in theirs, -int((masks[i] > 0.5).sum())))
    stacked = torch.stack([masks[i] for i in surest_first])
    return InstanceMasks.from_masks(stacked[distinct(stacked > 0.5, SAME)])


def _assign(people: InstanceMasks, boxes: list[Box]) -> dict[int, int]:
    """By box, the person who fills it best; nobody fills two."""
    return assign(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), people.boxes.float(), MIN_OVERLAP)


def _grab_cut(crop: Tensor, box: Box) -> Tensor:
    x0, y0, x1, y1 = box
    labels = np.full(crop.shape[1:], cv2.GC_BGD, np.uint8)
    labels[y0:y1, x0:x1] = cv2.GC_PR_FGD
    if (labels == cv2.GC_PR_FGD).all():  # the box is the whole crop: there are no surroundings to learn from
        return torch.ones(crop.shape[1:])
    cv2.setRNGSeed(0)
    picture = np.ascontiguousarray(to_uint8(crop))
    cv2.grabCut(picture, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    return torch.from_numpy(((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.float32))


def _nobody(height: int, width: int) -> InstanceMasks:
    return InstanceMasks(torch.zeros(0, height, width), torch.zeros(0, 4), torch.zeros(0))
