"""What flows between the nodes: the core's values, one per frame of an IMAGE batch.

A batch is a video or several photos. In a tracked video every frame has the same people in the same order, absent ones empty. A
frame's ``sources`` are its people's numbers, from 0: they stay when others are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from ..instmatt_core.errors import GuidanceError, ImageError, UsageError
from ..instmatt_core.guidance import tri_masks
from ..instmatt_core.instances import InstanceMasks, InstanceMattes, TriMasks, share_, take
from ..instmatt_core.windows import mask_boxes

Batch = TypeVar("Batch", "People", "Mattes")
Frame = TypeVar("Frame", InstanceMasks, InstanceMattes)


@dataclass(frozen=True)
class People:
    """The people of each frame."""

    frames: tuple[InstanceMasks, ...]
    tracked: bool = False

    @property
    def maps(self) -> list[Tensor]:
        """``(K, H, W)`` of each frame."""
        return [frame.masks for frame in self.frames]


@dataclass(frozen=True)
class Guides:
    """People with their trimaps ``(K, H, W)``, per frame."""

    people: People
    trimaps: tuple[Tensor, ...]

    @property
    def tri_masks(self) -> list[TriMasks]:
        """The tri-masks of each frame."""
        return [tri_masks(frame) for frame in self.people.frames]


@dataclass(frozen=True)
class Mattes:
    """The mattes of each frame."""

    frames: tuple[InstanceMattes, ...]
    tracked: bool = False

    @property
    def maps(self) -> list[Tensor]:
        """``(K, H, W)`` of each frame."""
        return [frame.alphas for frame in self.frames]

    @classmethod
    def of(cls, alphas: Sequence[Tensor], people: People | Mattes, info: dict[str, object]) -> Mattes:
        """Mattes ``(K, H, W)`` of the frames of ``people``, with their numbers. Empty ones are dropped, except from a tracked video."""
        frames = []
        before: Sequence[InstanceMasks | InstanceMattes] = people.frames
        for alpha, frame in zip(alphas, before, strict=True):
            whole = share_(alpha.clamp(0, 1))
            if people.tracked:
                frames.append(InstanceMattes(whole, mask_boxes(whole), frame.scores, info, frame.sources))
            else:
                frames.append(InstanceMattes.from_alphas(whole, frame.scores, info, frame.sources))
        return cls(tuple(frames), people.tracked)


def numbered(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The people of each frame with new numbers, in their order."""
    return tuple(replace(frame, sources=tuple(range(len(frame)))) for frame in frames)


def numbers(frame: InstanceMasks | InstanceMattes) -> list[int]:
    """The numbers of a frame's people, from 0."""
    return list(range(len(frame)) if frame.sources is None else map(int, frame.sources))


def among(frame: InstanceMasks | InstanceMattes, listed: Collection[int], leave_out: bool) -> list[int]:
    """Indices of a frame's people whose numbers, from 0, are ``listed``; with ``leave_out``, of the others."""
    return [k for k, number in enumerate(numbers(frame)) if (number in listed) != leave_out]


def check_numbers(wanted: Iterable[int], batch: People | Mattes) -> None:
    """Refuse numbers, from 0, that nobody has in any picture; with nobody at all, any number goes.

    Raises:
        UsageError: there is one.
    """
    known = sorted({number for frame in batch.frames for number in numbers(frame)})
    unknown = sorted({*wanted} - {*known})
    if known and unknown:
        raise UsageError(f"there is no person {unknown[0] + 1}; people here are {', '.join(str(number + 1) for number in known)}")


def check_fit(images: Sequence[Tensor], batch: People | Mattes) -> None:
    """Refuse people that are not those of the pictures.

    Raises:
        ImageError: another number of frames, or another size.
    """
    if len(images) != len(batch.frames):
        raise ImageError(
            f"the image batch has {len(images)} pictures, but the people come from {len(batch.frames)}: connect the same IMAGE"
        )
    frames: Sequence[InstanceMasks | InstanceMattes] = batch.frames
    for image, frame in zip(images, frames, strict=True):
        if frame.size != tuple(image.shape[1:]):
            raise ImageError(
                f"the picture is {image.shape[2]} x {image.shape[1]} px, the people are from one of {frame.size[1]} x {frame.size[0]}: "
                "connect the same IMAGE, or resize it before the people are found"
            )


def per_person(maps: Sequence[Tensor], tracked: bool) -> list[Tensor]:
    """``(K, ...)`` of each frame, as one ``(B, ...)`` for each person.

    In a tracked video a person has all B frames; otherwise each person of each picture stands alone, B = 1.
    """
    if tracked:
        return [torch.stack([frame[k] for frame in maps]) for k in range(len(maps[0]) if maps else 0)]
    return [frame[k][None] for frame in maps for k in range(len(frame))]


def count(batch: People | Mattes) -> int:
    """Different people of a tracked video; otherwise people over all pictures."""
    sizes = [len(frame) for frame in batch.frames]
    return max(sizes, default=0) if batch.tracked else sum(sizes)


def only(batch: Batch, chosen: Callable[[int], Sequence[int]]) -> Batch:
    """Some of the people of each frame: ``chosen(frame)`` gives their indices."""
    frames = tuple(take(frame, torch.tensor(list(chosen(i)), dtype=torch.long)) for i, frame in enumerate(batch.frames))
    return replace(batch, frames=frames)


def people_of_masks(masks: Sequence[Tensor], frames: int, tracked: bool = False) -> list[Tensor]:
    """MASK batches from anywhere as ``(K, H, W)`` for each picture.

    For one picture every mask is a person. For B pictures, each batch of B masks is one person's. A single batch of K * B is K people's
    if they are ``tracked``, person after person, as our own outputs have it; else nobody can tell whose they are.

    Raises:
        GuidanceError: another number of masks.
    """
    if frames == 1:
        return [torch.cat(list(masks))]
    if all(len(batch) == frames for batch in masks):
        return [torch.stack([batch[i] for batch in masks]) for i in range(frames)]
    if tracked and len(masks) == 1 and len(masks[0]) % frames == 0:
        return list(masks[0].unflatten(0, (-1, frames)).transpose(0, 1))
    raise GuidanceError(
        f"which of these masks belongs to which of {frames} pictures cannot be told: they come in batches of "
        f"{[len(batch) for batch in masks]}. Give a list with a batch of {frames} for each person (of a tracked video, connect mask_list), "
        "or one picture at a time"
    )


def truth_of(mattes: Mattes, masks: Tensor) -> list[Tensor]:
    """True mattes ``(N, H, W)`` as ``(K, H, W)`` for each picture.

    Raises:
        GuidanceError: it cannot be told which belong to which photo.
    """
    pictures = len(mattes.frames)
    if pictures == 1 or mattes.tracked:
        return people_of_masks([masks], pictures, mattes.tracked)
    if len(masks) % pictures or len({len(frame) for frame in mattes.frames}) > 1:
        raise GuidanceError("these photos show different numbers of people, so whose the true mattes are is not known: score one at a time")
    return list(masks.unflatten(0, (pictures, -1)))
