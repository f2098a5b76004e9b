"""The detector: prepares the picture, keeps the people, puts their masks back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...image import to_uint8
from ...instances import InstanceMasks
from ..findings import people_of
from ..geometry import clip, not_empty
from .inference import classify, propose, segment
from .network import build
from .sampling import paste

SHORT_SIDE, LONG_SIDE = 800, 1333
MEAN_BGR = (103.53, 116.28, 123.675)
PERSON = 0


class MaskRcnn:
    """Detector of people and their masks; call it with a picture.

    Args:
        state: detectron2's weights (``model_final_f10217``), converted.
        device: where the network runs.
        min_score: least score of a person, in [0, 1]; InstMatt's paper takes 0.7.
        max_people: keep at most this many, the surest.

    Raises:
        WeightsError: the weights are another network's.
    """

    name = "mask-rcnn"

    def __init__(self, state: Mapping[str, Tensor], device: str | torch.device = "cpu", *, min_score: float = 0.7, max_people: int = 20):
        self.device = torch.device(device)
        self.min_score, self.max_people = min_score, max_people
        self.network = build(state).to(self.device)

    @torch.inference_mode()
    def __call__(self, image: Tensor, progress: Callable[[float], None] = lambda share: None) -> InstanceMasks:
        """Find people in ``image (3, H, W)``; the masks have its size and are ordered left to right."""
        size = (image.shape[1], image.shape[2])
        x, working = prepare(image)
        levels = self.network.backbone(x.to(self.device).contiguous(memory_format=torch.channels_last))
        progress(0.5)
        found = classify(self.network, levels, propose(self.network, levels, working), working)
        progress(0.8)
        found = found[(found.classes == PERSON) & (found.scores > self.min_score)]
        masks = segment(self.network, levels, found).cpu()
        progress(0.9)
        scale = torch.tensor([size[1] / working[1], size[0] / working[0]]).repeat(2)
        boxes = clip(found.boxes.cpu() * scale, size)
        pasted = torch.zeros(len(masks), *size, dtype=torch.bool)
        for target, mask, box, visible in zip(pasted, masks, boxes, not_empty(boxes), strict=True):
            if visible:
                target[:] = paste(mask, box, size) >= 0.5
        progress(1.0)
        return people_of(pasted, found.scores.cpu(), max_people=self.max_people)


def prepare(image: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """The network's input ``(1, 3, h, w)`` with sides that 32 divides, and the height and width that the picture fills of it."""
    height, width = working_size(image.shape[1], image.shape[2])
    small = Image.fromarray(to_uint8(image)).resize((width, height), Image.Resampling.BILINEAR)
    bgr = torch.from_numpy(np.array(small)).permute(2, 0, 1).flip(0).float()
    bgr -= torch.tensor(MEAN_BGR)[:, None, None]
    return F.pad(bgr, (0, -width % 32, 0, -height % 32))[None], (height, width)


def working_size(height: int, width: int) -> tuple[int, int]:
    """Short side 800 px; if the long one then exceeds 1333, long side 1333. Rounded half up."""
    sides = [side * (SHORT_SIDE / min(height, width)) for side in (height, width)]
    shrink = min(1.0, LONG_SIDE / max(sides))
    return max(1, int(sides[0] * shrink + 0.5)), max(1, int(sides[1] * shrink + 0.5))
