"""What the authors' evaluation script does before and after the network, for results that compare with the paper's."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ...image import to_uint8
from ...instances import InstanceMattes
from ...windows import mask_boxes
from .blocks import upsample
from .inference import People

SIDE = 640
LEAST_PIXELS = 1000  # a matte that sums to no more is dropped, whatever the picture's size


def squash(image: Tensor) -> Tensor:
    """``(3, H, W)`` to ``(3, 640, 640)`` whatever its shape, by way of 8 bits."""
    small = cv2.resize(to_uint8(image), (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4)
    return torch.from_numpy(small).permute(2, 0, 1).float() / 255


def mattes(image: Tensor, people: People) -> InstanceMattes:
    """The people's mattes in 8 bits at the picture's size, in the network's order; they may overlap."""
    labels = upsample(people.trimaps, SIDE // people.trimaps.shape[-1]).argmax(1)
    levels = torch.where(labels == 1, people.alphas * 255, torch.where(labels == 2, 255.0, 0.0)).to(torch.uint8)  # truncates
    height, width = image.shape[1:]
    full = [cv2.resize(level.numpy(), (width, height), interpolation=cv2.INTER_LANCZOS4) for level in levels]
    keep = [k for k, level in enumerate(full) if level.sum() / 255 > LEAST_PIXELS]
    alphas = torch.from_numpy(np.stack([full[k] for k in keep])).float() / 255 if keep else torch.zeros(0, height, width)
    return InstanceMattes(alphas, mask_boxes(alphas), people.scores[keep], {"matting": "e2e-him", "compat": "paper"})
