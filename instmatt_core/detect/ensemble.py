"""The default detector: the people detector says who is there, MobileSAM draws everybody's outline again.

The one finds nearly everybody and keeps them apart; the other comes of SAM, which has learned outlines from eleven million photographs.
Measured in docs/people.md and docs/outline.md.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..image import fit, resize
from ..instances import InstanceMasks, divide, left_to_right, take
from ..threads import spread
from ..windows import mask_boxes
from .geometry import iou
from .mobile_sam import OutlineLook
from .people import People
from .people.detector import WORKING_SIDE
from .people.looks import CloserLook

SAME_IOU = 0.6  # IoU from which on two masks are of one person


class Ensemble:
    """Detector of people and their masks; call it with a picture.

    Args:
        device: where the networks run.
        max_people: keep at most this many, the surest.
    """

    name = "ensemble"

    def __init__(self, device: str | torch.device = "cpu", *, max_people: int = 40):
        self.people, self.outline = People(device, max_people=max_people), OutlineLook(torch.device(device))
        self.networks = nn.ModuleList((self.people.networks, self.outline.network))

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.people.device

    @device.setter
    def device(self, device: torch.device) -> None:
        self.people.device = self.outline.device = device

    @property
    def closer(self) -> CloserLook:
        """Draws the person in a box."""
        return self.people.closer

    @property
    def max_people(self) -> int:
        """Keep at most this many, the surest."""
        return self.people.max_people

    @max_people.setter
    def max_people(self, most: int) -> None:
        self.people.max_people = most

    def __call__(self, image: Tensor, progress: Callable[[float], None] = lambda share: None) -> InstanceMasks:
        """Find people in ``image (3, H, W)``; the masks have its size and are ordered left to right."""
        size = (image.shape[1], image.shape[2])
        picture = resize(image, fit(size, WORKING_SIDE))
        people = self.people(picture, lambda done: progress(0.4 * done))
        people = self.redrawn(picture, people, lambda done: progress(0.4 + 0.5 * done))
        masks = resize(people.masks, size).clamp_(0, 1)  # rounding
        progress(1.0)
        return InstanceMasks(masks, mask_boxes(masks), people.scores)

    def redrawn(self, image: Tensor, people: InstanceMasks, progress: Callable[[float], None]) -> InstanceMasks:
        """All of ``people``, with the masks that are drawn again, unless one of these is somebody else's."""
        masks = people.masks.clone()

        def draw(i: int) -> Tensor:
            return self.outline(image, people.boxes[i], people.masks, i)

        for i, drawn in enumerate(spread(draw, range(len(people)), self.device)):
            progress((i + 1) / len(people))
            if iou(people.masks[i] > 0.5, drawn > 0.5) >= SAME_IOU:
                masks[i] = drawn
        masks = divide(masks)
        found = InstanceMasks(masks, mask_boxes(masks), people.scores)
        return left_to_right(take(found, (masks > 0.5).flatten(1).any(1)))
