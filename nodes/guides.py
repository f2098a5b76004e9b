"""Trimaps painted by hand, and a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..instmatt_core.compositing import person_colour
from ..instmatt_core.errors import UsageError
from ..instmatt_core.guidance import BACKGROUND, FOREGROUND, UNKNOWN
from ..instmatt_core.windows import mask_boxes
from .values import Guides, People, check_numbers, numbers


def override(guides: Guides, person: int, painted: Tensor) -> Guides:
    """The guides with a painted trimap ``(1 or B, H, W)`` for one person, by number, from 0.

    Where paint says sure, that person's mask follows it, and nobody else is sure there.

    Raises:
        UsageError: there are people, but nobody of that number in any frame; or there is neither one trimap nor one for each frame.
    """
    total = len(guides.trimaps)
    if len(painted) not in (1, total):
        raise UsageError(f"{total} pictures need one painted trimap, or one for each; there are {len(painted)}")
    check_numbers([person], guides.people)
    levels = torch.where(painted < 0.25, BACKGROUND, torch.where(painted > 0.75, FOREGROUND, UNKNOWN))
    frames, trimaps = [], []
    for i, (frame, trimap) in enumerate(zip(guides.people.frames, guides.trimaps, strict=True)):
        paint = levels[i % len(levels)]
        if person in numbers(frame) and (paint != BACKGROUND).any():
            masks, trimap, own = frame.masks.clone(), trimap.clone(), numbers(frame).index(person)
            masks[own] = torch.where(paint == UNKNOWN, masks[own], paint)
            others = torch.arange(len(trimap)) != own
            trimap[others] = torch.where(paint == FOREGROUND, BACKGROUND, trimap[others])
            masks[others] = torch.where(paint == FOREGROUND, 0, masks[others])
            trimap[own] = paint
            frame = replace(frame, masks=masks, boxes=mask_boxes(masks))
        frames.append(frame)
        trimaps.append(trimap)
    return Guides(People(tuple(frames), guides.people.tracked), tuple(trimaps))


def striped(images: Sequence[Tensor], guides: Guides) -> list[Tensor]:
    """Each picture with people in their colours and the uncertain pixels striped."""
    results = []
    for image, trimaps, frame in zip(images, guides.trimaps, guides.people.frames, strict=True):
        height, width = image.shape[1:]
        period = max(6, round(max(height, width) / 60))
        stripes = (torch.arange(height)[:, None] + torch.arange(width)[None]) % period < period / 2
        result = image * 0.6
        for trimap, number in zip(trimaps, numbers(frame), strict=True):
            tint = torch.tensor(person_colour(number))[:, None, None]
            weight = 0.45 * (trimap == FOREGROUND).float() + torch.where(stripes, 0.75, 0.15) * (trimap == UNKNOWN).float()
            result = result + weight * (tint - result)
        results.append(result.clamp(0, 1))
    return results
