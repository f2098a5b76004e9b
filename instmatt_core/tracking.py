"""The same person, the same number, in every frame of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .detect.geometry import matched
from .errors import GuidanceError
from .image import fit, resize
from .instances import InstanceMasks, take

WORKING_SIDE = 256  # overlaps are measured on masks of this size


@dataclass
class _Track:
    mask: np.ndarray  # (P,) bool, where the person was last seen, on the small picture
    last: int  # the frame of that


def track(frames: Sequence[InstanceMasks], *, min_overlap: float = 0.2, memory: int = 5, least_seen: int = 3) -> list[InstanceMasks]:
    """Number people through consecutive frames by the overlap of their masks.

    People are assigned to those of earlier frames so that the total IoU is greatest. Whoever is missing for no more than
    ``memory`` frames keeps the number; numbers follow first appearance, and within a frame go left to right.

    Args:
        frames: the people of each frame, all of one size.
        min_overlap: least IoU with where the person was last seen.
        memory: how many frames a person may be absent.
        least_seen: who is in fewer frames is taken for a mistake of the detector and left out; in a video of fewer than four times as
            many frames, who is in less than a quarter of them.

    Returns:
        As many frames; each with all K people of the whole video in one order. Absent ones have an empty mask, score 0.

    Raises:
        GuidanceError: frames differ in size.
    """
    if len({frame.size for frame in frames}) > 1:
        raise GuidanceError(f"frames of a video must be of one size; these are {sorted({frame.size for frame in frames})}")
    tracks: list[_Track] = []
    numbers = []
    for index, frame in enumerate(frames):
        masks = _small(frame.masks)
        numbers.append(_continue(tracks, masks, index, min_overlap, memory))
        for number, mask in zip(numbers[-1], masks, strict=True):
            tracks[number].mask, tracks[number].last = mask, index
    seen = np.bincount([number for of_frame in numbers for number in of_frame], minlength=len(tracks))
    new = {old: i for i, old in enumerate(np.flatnonzero(seen >= min(least_seen, len(frames) // 4)).tolist())}
    result = []
    for frame, of_frame in zip(frames, numbers, strict=True):
        kept = [i for i, number in enumerate(of_frame) if number in new]
        result.append(_in_order(take(frame, torch.tensor(kept, dtype=torch.long)), [new[of_frame[i]] for i in kept], len(new)))
    return result


def _continue(tracks: list[_Track], masks: np.ndarray, index: int, min_overlap: float, memory: int) -> list[int]:
    """The number of each mask; tracks are appended for people not seen before."""
    alive = [number for number, t in enumerate(tracks) if index - t.last <= memory + 1]
    overlap = np.array([[_iou(mask, tracks[number].mask) for number in alive] for mask in masks]).reshape(len(masks), len(alive))
    found = {i: alive[j] for i, j in matched(overlap, min_overlap).items()}
    for i, mask in enumerate(masks):
        if i not in found:
            found[i] = len(tracks)
            tracks.append(_Track(mask, index))
    return [found[i] for i in range(len(masks))]


def _in_order(frame: InstanceMasks, numbers: list[int], total: int) -> InstanceMasks:
    place = torch.tensor(numbers, dtype=torch.long)

    def spread(values: Tensor, absent: float) -> Tensor:
        result = values.new_full((total, *values.shape[1:]), absent)
        result[place] = values
        return result

    heads = torch.full((len(frame), 3), torch.nan) if frame.heads is None else frame.heads
    return InstanceMasks(spread(frame.masks, 0), spread(frame.boxes, 0), spread(frame.scores, 0), spread(heads, torch.nan))


def _small(masks: Tensor) -> np.ndarray:
    size = fit((masks.shape[1], masks.shape[2]), WORKING_SIDE)
    small = resize(masks, size) if len(masks) else masks
    peak = small.flatten(1).amax(1)[:, None, None] if len(masks) else small  # who is smaller than a small pixel must not vanish
    return ((small > 0.5 * peak) & (small > 0)).flatten(1).numpy()


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0
