"""The people detector: boxes by YOLOX, masks by this project's own networks, and each person's mask drawn again from near by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...image import fit, resize
from ...instances import InstanceMasks, divide, left_to_right
from ...threads import spread
from ...windows import mask_boxes
from ..geometry import areas, assign, distinct, iou, overlaps
from ..yolox import YOLOX
from .looks import SAME_SHARE, CloserLook, FirstLook
from .parts import is_cut, is_small, parts_of

WORKING_SIDE = 1280  # px of the longer side; finer masks than that only cost time and memory
FIRST_SHARE = 0.3  # of the first look's mask in the result
SAME_BOX_IOU = 0.5  # IoU from which on a box is of who has a mask
SAME_MASK_IOU = 0.5  # IoU from which on two masks are of one person
PART_SHARE = 0.9  # share of the smaller mask's area above which, in the end, two masks are of one person
LEAST_LEFT = 0.3  # of a mask when all masks have been made to share the picture; with less, it was somebody else's
SURE_BOX = 0.4  # score of a box whose word is enough where the first look had no mask, or another one
ALONE_SCORE = 0.1  # by which it has to be surer there, unless the person is small, whom the first look misses more easily
FEW = 2  # people who are small; if so many are suspected, parts of the picture are looked at, too
SUSPECTED = 0.15  # how sure the first look and the box are, on average, of somebody who is suspected


@dataclass(frozen=True)
class Seen:
    """People in a picture, as they seem at first: ``boxes (K, 4)`` px; ``masks (K, h, w)``, empty of those of whom there is only a box;
    ``scores (K, 2)``: how sure the first look and the box are, 0 where there is none."""

    boxes: Tensor
    masks: Tensor
    scores: Tensor


class People:
    """Detector of people and their masks; call it with a picture.

    Args:
        device: where the networks run.
        min_score: least certainty of a person, in [0, 1]; see :meth:`draw`.
        max_people: keep at most this many, the surest.
    """

    name = "people"

    def __init__(self, device: str | torch.device = "cpu", *, min_score: float = 0.3, max_people: int = 40):
        self.min_score, self.max_people = min_score, max_people
        device = torch.device(device)
        self.boxes, self.first, self.closer = YOLOX(device), FirstLook(device), CloserLook(device)
        self.networks = nn.ModuleList((self.boxes.network, self.first.network, self.closer.network))

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.first.device

    @device.setter
    def device(self, device: torch.device) -> None:
        self.boxes.device = self.first.device = self.closer.device = device

    def __call__(self, image: Tensor, progress: Callable[[float], None] = lambda share: None) -> InstanceMasks:
        """Find people in ``image (3, H, W)``; the masks have its size and are ordered left to right."""
        size = (image.shape[1], image.shape[2])
        picture = resize(image, fit(size, WORKING_SIDE))
        masks, scores = self.look_everywhere(picture, progress)
        masks, scores = masks[: self.max_people], scores[: self.max_people]
        there = areas(divide(masks) > 0.5) > LEAST_LEFT * areas(masks > 0.5)
        masks = resize(divide(masks[there]), size).clamp_(0, 1)  # rounding
        progress(1.0)
        return left_to_right(InstanceMasks(masks, mask_boxes(masks), scores[there]))

    def look_everywhere(self, image: Tensor, progress: Callable[[float], None]) -> tuple[Tensor, Tensor]:
        """Masks ``(K, h, w)`` and scores ``(K,)`` of people in a picture ``(3, h, w)``, surest first: of the whole, and where people seem
        to be small, of overlapping parts, too."""
        size = (image.shape[1], image.shape[2])
        seen = self.see(image)
        masks, scores = self.draw(image, seen, lambda done: progress(0.1 + 0.3 * done))
        masks, scores = self.settle(masks, scores, len(masks))
        if (is_small(seen.boxes, size) & (seen.scores.mean(1) >= SUSPECTED)).sum() < FEW:
            return masks, scores
        whole, known = len(masks), mask_boxes(masks)
        found, parts = [(masks, scores)], parts_of(size)
        for i, (rows, columns) in enumerate(parts):
            near = self.see(image[:, rows, columns])
            boxes = near.boxes + torch.tensor((columns.start, rows.start)).repeat(2)
            new = (overlaps(boxes, known) < SAME_BOX_IOU).all(1)
            new &= is_small(boxes, size) & ~is_cut(boxes, (rows, columns), size)
            placed = torch.zeros(int(new.sum()), *size)
            placed[:, rows, columns] = near.masks[new]
            drawn, sure = self.draw(image, Seen(boxes[new], placed, near.scores[new]), lambda done: None)
            enough = sure >= self.min_score
            found.append((drawn[enough], sure[enough]))
            known = torch.cat((known, mask_boxes(drawn[enough])))
            progress(0.4 + 0.6 * (i + 1) / len(parts))
        masks, scores = (torch.cat(each) for each in zip(*found, strict=True))
        return self.settle(masks, scores, whole)

    def settle(self, masks: Tensor, scores: Tensor, whole: int) -> tuple[Tensor, Tensor]:
        """Those of masks ``(K, h, w)`` and ``scores (K,)`` who are sure enough and nobody else's part, surest first. The first ``whole``
        were seen in the whole picture: a part of one may be inside another, since one look has told them apart."""
        order = scores.argsort(descending=True)
        order = order[scores[order] >= self.min_score]
        from_whole = order < whole
        same = torch.where(from_whole[:, None] & from_whole, PART_SHARE, SAME_SHARE)
        kept = order[distinct((masks > 0.5)[order], same, SAME_MASK_IOU)]
        return masks[kept], scores[kept]

    def see(self, image: Tensor) -> Seen:
        """Who seems to be in a picture ``(3, h, w)``."""
        masks, sure = self.first(image, self.max_people)
        masks = resize(masks, (image.shape[1], image.shape[2]))
        boxes, certain = self.boxes(image)
        drawn = mask_boxes(masks)
        free = (overlaps(drawn, boxes) < SAME_BOX_IOU).all(0)
        scores = torch.stack((sure, torch.zeros_like(sure)), 1)
        for i, j in assign(drawn, boxes, SAME_BOX_IOU).items():
            scores[i, 1], drawn[i] = certain[j], (drawn[i] + boxes[j]) / 2
        left = free & (certain >= SURE_BOX)
        alone = torch.stack((torch.zeros_like(certain), certain), 1)[left]
        none = torch.zeros(len(alone), *image.shape[1:])
        return Seen(torch.cat((drawn, boxes[left])), torch.cat((masks, none)), torch.cat((scores, alone)))

    def draw(self, image: Tensor, seen: Seen, progress: Callable[[float], None]) -> tuple[Tensor, Tensor]:
        """Masks ``(K, h, w)`` and scores ``(K,)`` after a closer look at everyone.

        A score is the geometric mean of how sure the closer look is and, on average, what came before; 0 where the closer
        look draws somebody else than the first look and the box are about, or where only a box tells of somebody and that is not enough.
        """
        masks, scores = seen.masks.clone(), torch.zeros(len(seen.masks))
        enough = self.min_score + ALONE_SCORE * ~is_small(seen.boxes, (image.shape[1], image.shape[2]))

        def look(i: int) -> tuple[Tensor, float]:
            return self.closer(image, seen.boxes[i], seen.masks, i)

        for i, (drawn, sure) in enumerate(spread(look, range(len(masks)), self.device)):
            progress((i + 1) / len(masks))
            box, first = seen.boxes[i], seen.masks[i]
            certain = (sure * seen.scores[i].mean()).sqrt()
            if iou(first > 0.5, drawn > 0.5) > SAME_MASK_IOU:
                masks[i], scores[i] = FIRST_SHARE * first + (1 - FIRST_SHARE) * drawn, certain
            elif certain >= enough[i] and seen.scores[i, 1] >= SURE_BOX and overlaps(mask_boxes(drawn[None]), box[None]) > SAME_BOX_IOU:
                masks[i], scores[i] = drawn, certain
        return masks, scores
