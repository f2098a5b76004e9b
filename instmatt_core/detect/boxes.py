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
from ..windows import around, mask_boxes
from .geometry import assign, distinct, overlaps

Detector = Callable[..., InstanceMasks]
Drawer = Callable[[Tensor, Tensor, list[Tensor]], tuple[Tensor, float]]
MARGIN = 0.15  # of a box's longer side, round it; GrabCut learns from there what is not the person
LEAST_SURE = 0.2  # of a closer look; with less, nobody seems to be there
LEAST_IOU = 0.5  # least IoU of a box with that of the person in it
SAME_SHARE = 0.8  # share of the smaller mask in another one from which on both are of one person
Box = tuple[int, int, int, int]  # x0, y0, x1, y1


def masks_in_boxes(
    image: Tensor, boxes: Tensor, detector: Detector, closer: Drawer, progress: Callable[[float], None] = lambda share: None
) -> InstanceMasks:
    """A person for each box ``(K, 4)`` x0, y0, x1, y1 px of ``image (3, H, W)``; boxes without any area are left out.

    That is the person of the whole picture who fills the box best, each being one box's only; if nobody does, whom a closer look draws
    there; failing that, what GrabCut (Rother, Kolmogorov, Blake, 2004) separates from the surroundings. Boxes that give the same person
    again are left out, too.

    Args:
        detector: finds the people of a picture.
        closer: draws who is in a box, told of the others' masks, as :class:`.people.looks.CloserLook` does.

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
    known = [torch.zeros(height, width), *(everyone.masks[k] for k in theirs.values())]  # nothing of who is missed, and the others
    masks = []
    for index, (x0, y0, x1, y1) in enumerate(inside):
        progress((index + 0.5) / len(inside))
        if index in theirs:
            masks.append(everyone.masks[theirs[index]])
            continue
        box = torch.tensor((x0, y0, x1, y1), dtype=torch.float32)
        mask, sure = closer(image, box, known)
        fits = sure >= LEAST_SURE and bool(overlaps(mask_boxes(mask[None]), box[None]) >= LEAST_IOU)
        masks.append(mask if fits else _grab_cut(image, (x0, y0, x1, y1)))
    if not masks:
        return _nobody(height, width)
    surest_first = sorted(range(len(masks)), key=lambda i: (i not in theirs, -int((masks[i] > 0.5).sum())))
    stacked = torch.stack([masks[i] for i in surest_first])
    return InstanceMasks.from_masks(stacked[distinct(stacked > 0.5, SAME_SHARE)])


def _assign(people: InstanceMasks, boxes: list[Box]) -> dict[int, int]:
    """By box, the person who fills it best; nobody fills two."""
    return assign(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), people.boxes.float(), LEAST_IOU)


def _grab_cut(image: Tensor, box: Box) -> Tensor:
    rows, columns = around(torch.tensor(box), (image.shape[1], image.shape[2]), MARGIN, 1)
    crop = np.ascontiguousarray(to_uint8(image[:, rows, columns]))
    x0, y0, x1, y1 = (v - start for v, start in zip(box, (columns.start, rows.start) * 2, strict=True))
    labels = np.full(crop.shape[:2], cv2.GC_BGD, np.uint8)
    labels[y0:y1, x0:x1] = cv2.GC_PR_FGD
    if (labels == cv2.GC_BGD).any():  # else the box is the whole picture, and there are no surroundings to learn from
        cv2.setRNGSeed(0)
        cv2.grabCut(crop, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    mask = torch.zeros(image.shape[1:])
    mask[rows, columns] = torch.from_numpy(((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.float32))
    return mask


def _nobody(height: int, width: int) -> InstanceMasks:
    return InstanceMasks(torch.zeros(0, height, width), torch.zeros(0, 4), torch.zeros(0))
