"""From a picture to boxes, classes and masks, with the published settings of the 3x schedule."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..geometry import clip, not_empty, suppress
from .anchors import anchors, refine
from .network import CLASSES, Network
from .sampling import roi_align

STRIDES = (4, 8, 16, 32, 64)  # of p2 to p6; an anchor is eight times as large
PER_LEVEL, PROPOSALS, PROPOSAL_IOU = 1000, 1000, 0.7
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
LEAST_SCORE, DETECTION_IOU, DETECTIONS = 0.05, 0.5, 100


@dataclass(frozen=True)
class Detections:
    """``boxes (N, 4)`` px, ``scores (N,)`` and ``classes (N,)``, surest first."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor

    def __getitem__(self, index: Tensor) -> Detections:
        return Detections(self.boxes[index], self.scores[index], self.classes[index])


def propose(network: Network, levels: list[Tensor], size: tuple[int, int]) -> Tensor:
    """Boxes ``(at most 1000, 4)`` where there may be something, from features p2 to p6 of a picture of ``size``."""
    found = []
    for index, (features, stride) in enumerate(zip(levels, STRIDES, strict=True)):
        logits, deltas = network.proposal_generator["rpn_head"](features)
        best = logits.topk(min(PER_LEVEL, len(logits)))
        places = anchors(features.shape[2], features.shape[3], stride, 8.0 * stride, features.device)
        boxes = clip(refine(places[best.indices], deltas[best.indices]), size)
        keep = not_empty(boxes)
        found.append((boxes[keep], best.values[keep], torch.full_like(best.indices[keep], index)))
    boxes, scores, groups = (torch.cat(parts) for parts in zip(*found, strict=True))
    return boxes[suppress(boxes, scores, groups, PROPOSAL_IOU)[:PROPOSALS]]


def pool(levels: list[Tensor], boxes: Tensor, bins: int) -> Tensor:
    """``(N, 256, bins, bins)`` features of boxes, each from the level that fits its size (FPN, equation 1)."""
    sides = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()
    fitting = (4 + torch.log2(sides / 224 + 1e-8)).floor().clamp(2, 5) - 2
    pooled = levels[0].new_zeros(len(boxes), levels[0].shape[1], bins, bins)
    for index, stride in enumerate(STRIDES[:4]):
        here = fitting == index
        pooled[here] = roi_align(levels[index][0], boxes[here] / stride, bins)
    return pooled


def classify(network: Network, levels: list[Tensor], proposals: Tensor, size: tuple[int, int]) -> Detections:
    """What is in the proposals: at most 100 detections of all classes together."""
    logits, deltas = network.roi_heads["box_predictor"](network.roi_heads["box_head"](pool(levels, proposals, 7)))
    scores = logits.softmax(1)[:, :CLASSES]
    refined = clip(refine(proposals[:, None], deltas.unflatten(1, (CLASSES, 4)), BOX_WEIGHTS), size)
    rows, classes = (scores > LEAST_SCORE).nonzero(as_tuple=True)
    found = Detections(refined[rows, classes], scores[rows, classes], classes)
    return found[suppress(found.boxes, found.scores, found.classes, DETECTION_IOU)[:DETECTIONS]]


def segment(network: Network, levels: list[Tensor], found: Detections) -> Tensor:
    """The detections' masks inside their boxes, ``(N, 28, 28)`` in [0, 1]."""
    logits = network.roi_heads["mask_head"](pool(levels, found.boxes, 14))
    return logits[torch.arange(len(logits), device=logits.device), found.classes].sigmoid()
