"""Which people of a picture a rule chooses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..instmatt_core.detect.geometry import overlaps
from ..instmatt_core.errors import UsageError
from .values import Mattes, People, among
from .wording import people as read_people

NUMBERS, OVERLAP = "numbers", "overlap with boxes"
RULES = [NUMBERS, "leftmost", "rightmost", "largest", "surest", OVERLAP]


def choose(
    batch: People | Mattes, rule: str, *, numbers: str, amount: int, invert: bool, boxes: Sequence[Tensor] | None
) -> list[list[int]]:
    """Indices of the chosen people, in their order, for each frame.

    In a tracked video a rule looks at the whole video, so that the same people are chosen in each frame.

    Raises:
        UsageError: boxes are missing, or the numbers cannot be read.
    """
    if rule == OVERLAP and boxes is None:
        raise UsageError("to choose by boxes, connect boxes")
    per_frame = [_values(batch, i, rule, boxes) for i in range(len(batch.frames))]
    if batch.tracked and per_frame:
        # Where someone is absent the value is NaN; of the others the mean counts.
        per_frame = [torch.stack(per_frame).nanmean(0)] * len(per_frame)
    chosen = []
    for frame, values in zip(batch.frames, per_frame, strict=True):
        if rule == NUMBERS:
            listed, leave_out = read_people(numbers)
            kept = set(among(frame, listed, leave_out))
        else:
            best = torch.argsort(values.nan_to_num(-torch.inf), descending=True, stable=True)[:amount].tolist()
            kept = {k for k in best if rule != OVERLAP or values[k] > 0}
        chosen.append([k for k in range(len(values)) if (k in kept) != invert])
    return chosen


def _values(batch: People | Mattes, index: int, rule: str, boxes: Sequence[Tensor] | None) -> Tensor:
    """``(K,)``, the higher the better; NaN for the absent."""
    maps, frame = batch.maps[index], batch.frames[index]
    area = maps.flatten(1).sum(1)
    if rule == "largest":
        values = area
    elif rule == "surest":
        values = frame.scores.float()
    elif rule == OVERLAP:
        assert boxes is not None
        values = overlaps(frame.boxes, boxes[index]).amax(1) if len(boxes[index]) else torch.zeros(len(frame))
    else:
        centres = (maps.sum(1) * torch.arange(maps.shape[2])).sum(1) / area.clamp(min=1e-6)
        values = -centres if rule == "leftmost" else centres
    return torch.where(area > 0, values, torch.nan)
