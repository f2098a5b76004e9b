"""Boxes of people in a picture, by YOLOX-Nano."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...image import resize
from ...weights.bundled import load_network
from ..geometry import clip, suppress
from .network import STRIDES, YOLOXNano

SIDE = 416  # px of the longer side, as it was trained
STEP = 32  # px; the network wants sides that are multiples of it
GREY = 114.0  # what is outside the picture, as it was trained
SAME_IOU = 0.65  # IoU above which two boxes are of one person


class YOLOX:
    """Finds boxes of people; call it with a picture.

    Args:
        device: where the network runs.
        min_score: least certainty of a person, in [0, 1].
    """

    def __init__(self, device: str | torch.device = "cpu", *, min_score: float = 0.2):
        self.device, self.min_score = torch.device(device), min_score
        self.network = load_network(YOLOXNano(), "yolox_nano", self.device)

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``boxes (K, 4)`` x0, y0, x1, y1 px of people in ``image (3, H, W)``, and ``scores (K,)``, surest first."""
        height, width = image.shape[1:]
        step = SIDE / max(height, width)
        seen = max(1, round(step * height)), max(1, round(step * width))
        x = 255 * resize(image, seen).flip(0)[None].to(self.device)
        x = F.pad(x, (0, -seen[1] % STEP, 0, -seen[0] % STEP), value=GREY)
        with torch.inference_mode():
            boxes, scores = decode(self.network(x.contiguous(memory_format=torch.channels_last)))
        sure = scores >= self.min_score
        boxes, scores = boxes[sure].cpu(), scores[sure].cpu()
        kept = suppress(boxes, scores, torch.zeros(len(boxes)), SAME_IOU)
        scale = torch.tensor((width / seen[1], height / seen[0])).repeat(2)
        return clip(boxes[kept] * scale, (height, width)), scores[kept]


def decode(maps: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes ``(N, 4)`` in px of the input, and scores ``(N,)``, of all cells of one picture's maps ``(1, 6, h, w)``."""
    boxes, scores = [], []
    for cells, stride in zip(maps, STRIDES, strict=True):
        shift, growth, something, person = cells[0].float().flatten(1).split((2, 2, 1, 1))
        y, x = torch.meshgrid(*(torch.arange(n, device=cells.device) for n in cells.shape[2:]), indexing="ij")
        middle, half = shift + torch.stack((x, y)).flatten(1), growth.exp() / 2
        boxes.append(torch.cat((middle - half, middle + half)).T * stride)
        scores.append((something.sigmoid() * person.sigmoid())[0])
    return torch.cat(boxes), torch.cat(scores)
