"""Both detectors of the package together: the people detector says who is there, BlazePose helps to draw them.

The one finds nearly everybody; the other has learned from photographs of all kinds, and its outlines help where those are unlike what the
first has learned from. Measured in docs/people.md; its numbers were chosen as docs/people_development.md says.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..image import fit, resize
from ..instances import InstanceMasks, divide, left_to_right, mask_boxes, take
from .blazepose import BlazePose
from .blazepose.detector import steadiness
from .geometry import iou
from .people import People
from .people.detector import WORKING_SIDE
from .people.looks import CloserLook
from .people.parts import is_small

SAME_IOU = 0.6  # IoU from which on two masks are of one person
BLAZEPOSE_SHARE = 0.3  # of BlazePose's mask in the result, against a people detector's that is not steady at all; half of it between equals
STEP = 2  # pixels from one that is compared to the next
STEADINESS_POWER = 6  # of each mask's weight


class Ensemble:
    """Detector of people and their masks; call it with a picture.

    Args:
        device: where the networks run.
        max_people: keep at most this many, the surest.
    """

    name = "ensemble"

    def __init__(self, device: str | torch.device = "cpu", *, max_people: int = 40):
        self.people, self.blazepose = People(device, max_people=max_people), BlazePose(device)
        self.networks = nn.ModuleList((self.people.networks, self.blazepose.detector, self.blazepose.landmarks))

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.people.device

    @device.setter
    def device(self, device: torch.device) -> None:
        self.people.device = self.blazepose.device = device

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
        """Find people in ``image (3, H, W)``; the masks have its size and are ordered left to right.

        Heads are known of those people whom BlazePose finds, too. It does not look where everybody is small.
        """
        size = (image.shape[1], image.shape[2])
        working = fit(size, WORKING_SIDE)
        picture = resize(image, working)
        people = self.people(picture, lambda done: progress(0.2 * done))
        if not is_small(people.boxes, working).all():  # BlazePose hardly sees those, and takes long to look for them
            people = together(people, self.blazepose(picture, lambda done: progress(0.2 + 0.75 * done)))
        masks = resize(people.masks, size).clamp(0, 1)  # rounding
        heads = None if people.heads is None else people.heads * (size[1] / working[1])
        progress(1.0)
        return InstanceMasks(masks, mask_boxes(masks), people.scores, heads)


def together(people: InstanceMasks, others: InstanceMasks) -> InstanceMasks:
    """All of ``people``, each mask averaged with that of ``others`` who is the same person, if anybody is.

    The steadier of two masks weighs more: among views of one person it is the truer one.
    """
    masks, heads = people.masks.clone(), torch.full((len(people), 3), torch.nan)
    for mask, head in zip(masks, heads, strict=True):
        overlaps = [iou(mask[::STEP, ::STEP] > 0.5, other[::STEP, ::STEP] > 0.5) for other in others.masks]
        if max(overlaps, default=0) < SAME_IOU:
            continue
        best = overlaps.index(max(overlaps))
        own, other = (steadiness(m.numpy()) ** STEADINESS_POWER for m in (mask, others.masks[best]))
        mask.lerp_(others.masks[best], BLAZEPOSE_SHARE * other / max(own + other, 1e-6))
        if others.heads is not None:
            head.copy_(others.heads[best])
    masks = divide(masks)
    found = InstanceMasks(masks, mask_boxes(masks), people.scores, heads)
    return left_to_right(take(found, (masks > 0.5).flatten(1).any(1)))
