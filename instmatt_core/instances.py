"""The values that flow between the steps: instance masks, tri-masks, instance mattes. K = 0 is normal everywhere."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from .errors import GuidanceError, ImageError
from .image import as_image, write_bytes, write_png

Instances = TypeVar("Instances", "InstanceMasks", "InstanceMattes")


@dataclass(frozen=True)
class InstanceMasks:
    """What a detector found.

    Attributes:
        masks: ``(K, H, W)`` float32 in [0, 1].
        boxes: ``(K, 4)`` x0, y0, x1, y1 in px.
        scores: ``(K,)`` in [0, 1].
        heads: ``(K, 3)`` centre x, y and radius of the head in px, NaN where it is not seen; None if the detector cannot tell.
    """

    masks: Tensor
    boxes: Tensor
    scores: Tensor
    heads: Tensor | None = None

    def __post_init__(self) -> None:
        _check(self.masks, "masks", self.boxes, self.scores)
        if self.heads is not None and tuple(self.heads.shape) != (len(self.masks), 3):
            raise GuidanceError(f"heads must be ({len(self.masks)}, 3), not {tuple(self.heads.shape)}")

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.masks.shape[1], self.masks.shape[2]

    @classmethod
    def from_masks(cls, masks: Tensor, scores: Tensor | None = None) -> InstanceMasks:
        """Masks from anywhere, ``(K, H, W)`` in [0, 1]; boxes are measured at 0.5, empty masks are dropped."""
        if masks.ndim != 3:
            raise GuidanceError(f"masks must be (K, H, W), not {tuple(masks.shape)}")
        masks = masks.detach().to("cpu", torch.float32).clamp(0, 1)
        scores = torch.ones(len(masks)) if scores is None else scores.detach().cpu()
        keep = (masks > 0.5).flatten(1).any(1)
        return left_to_right(cls(masks[keep], mask_boxes(masks[keep]), scores[keep]))


@dataclass(frozen=True)
class TriMasks:
    """``tri (K, 3, H, W)``: target, reference (all others) and background; sums to one at each pixel."""

    tri: Tensor

    def __post_init__(self) -> None:
        if self.tri.ndim != 4 or self.tri.shape[1] != 3:
            raise GuidanceError(f"tri-masks must be (K, 3, H, W), not {tuple(self.tri.shape)}")

    def __len__(self) -> int:
        return len(self.tri)


@dataclass(frozen=True)
class InstanceMattes:
    """One alpha matte per person, left to right.

    Attributes:
        alphas: ``(K, H, W)`` float32 in [0, 1]; 1 on the person; all together at most 1 at a pixel.
        boxes: ``(K, 4)`` x0, y0, x1, y1 in px.
        scores: ``(K,)`` in [0, 1].
        info: what made them (detector, matting, versions), for the record.
    """

    alphas: Tensor
    boxes: Tensor
    scores: Tensor
    info: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.alphas, "alphas", self.boxes, self.scores)

    def __len__(self) -> int:
        return len(self.alphas)

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.alphas.shape[1], self.alphas.shape[2]

    @classmethod
    def from_alphas(cls, alphas: Tensor, scores: Tensor, info: dict[str, Any]) -> InstanceMattes:
        """Left to right, boxes measured at 0.5; who is nowhere above 0.5 is dropped."""
        keep = (alphas > 0.5).flatten(1).any(1)
        return left_to_right(cls(alphas[keep], mask_boxes(alphas[keep]), scores[keep], info))

    def cutouts(self, image: Any) -> list[Tensor]:
        """Each person as straight-alpha RGBA ``(4, H, W)`` with the old background's colour removed from soft edges.

        Args:
            image: the picture the mattes belong to, in any form that :func:`instmatt_core.matte` takes.
        """
        from .compositing import cutout

        picture = as_image(image)
        if tuple(picture.shape[1:]) != self.size:
            raise ImageError(f"the picture is {tuple(picture.shape[1:])}, the mattes are {self.size}")
        return [cutout(picture, alpha) for alpha in self.alphas]

    def save(self, folder: str | os.PathLike[str], *, depth: int = 8) -> list[Path]:
        """Write ``00.png, 01.png, ...`` (grey mattes, the HIM2K layout) and ``people.json``; returns the files."""
        folder = Path(folder)
        paths = []
        for index, alpha in enumerate(self.alphas):
            paths.append(folder / f"{index:02d}.png")
            write_png(paths[-1], alpha, depth=depth)
        paths.append(folder / "people.json")
        write_bytes(paths[-1], (json.dumps(self.describe(), indent=2) + "\n").encode())
        return paths

    def describe(self) -> dict[str, Any]:
        """The content of ``people.json``: size, people with box and score, and ``info``."""
        people = [
            {"index": i, "alpha": f"{i:02d}.png", "box": [round(v, 1) for v in box.tolist()], "score": round(float(score), 4)}
            for i, (box, score) in enumerate(zip(self.boxes, self.scores, strict=True))
        ]
        return {"height": self.size[0], "width": self.size[1], "people": people, **self.info}


def _check(maps: Tensor, name: str, boxes: Tensor, scores: Tensor) -> None:
    if maps.ndim != 3 or not maps.is_floating_point():
        raise GuidanceError(f"{name} must be float (K, H, W), not {maps.dtype} {tuple(maps.shape)}")
    if tuple(boxes.shape) != (len(maps), 4) or tuple(scores.shape) != (len(maps),):
        raise GuidanceError(
            f"{len(maps)} {name} need boxes ({len(maps)}, 4) and as many scores; got {tuple(boxes.shape)}, {tuple(scores.shape)}"
        )


def mask_boxes(masks: Tensor, threshold: float = 0.5) -> Tensor:
    """``(K, 4)`` tight boxes x0, y0, x1, y1 of ``masks > threshold``; zeros for an empty mask."""
    boxes = torch.zeros(len(masks), 4)
    for box, mask in zip(boxes, masks, strict=True):
        inside = mask > threshold
        columns, rows = inside.any(0).nonzero().flatten(), inside.any(1).nonzero().flatten()
        if len(rows):
            box[:] = torch.stack((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return boxes


def around(box: Tensor, size: tuple[int, int], share: float, least: float = 0) -> tuple[slice, slice]:
    """Rows and columns of a box (x0, y0, x1, y1) px and its surroundings in a picture of ``size`` (height, width).

    Args:
        share: how wide the surroundings are on every side, as a share of the box's longer side.
        least: how many px at least.
    """
    x0, y0, x1, y1 = box.tolist()
    margin = max(least, share * max(x1 - x0, y1 - y0))
    rows, columns = (slice(int(max(0, a - margin)), int(min(n, b + margin)) + 1) for a, b, n in ((y0, y1, size[0]), (x0, x1, size[1])))
    return rows, columns


def left_to_right(instances: Instances) -> Instances:
    """The same instances, ordered by the horizontal centre of gravity of their mask or matte."""
    maps = instances.masks if isinstance(instances, InstanceMasks) else instances.alphas
    columns = maps.sum(1)  # (K, W)
    centres = (columns * torch.arange(columns.shape[1])).sum(1) / columns.sum(1).clamp(min=1e-6)
    return take(instances, torch.argsort(centres, stable=True))


def take(instances: Instances, index: Tensor) -> Instances:
    """Some of the instances, by index or boolean mask ``(K,)``."""
    parts: dict[str, Any] = {f.name: getattr(instances, f.name) for f in fields(instances)}
    chosen: dict[str, Any] = {name: part[index] for name, part in parts.items() if isinstance(part, Tensor)}
    return replace(instances, **chosen)


def share(alphas: Tensor) -> Tensor:
    """Scale alphas ``(K, H, W)`` down where together they exceed one."""
    return alphas / alphas.sum(0, keepdim=True).clamp(min=1.0)
