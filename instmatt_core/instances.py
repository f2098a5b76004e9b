"""The values that flow between the steps: instance masks, tri-masks, instance mattes. K = 0 is normal everywhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from . import saving
from .compositing import cutout
from .errors import GuidanceError, ImageError, UsageError
from .image import HIGHEST, as_image
from .windows import mask_boxes

Names = tuple[int | str, ...]
Instances = TypeVar("Instances", "InstanceMasks", "InstanceMattes")


@dataclass(frozen=True)
class InstanceMasks:
    """What a detector found.

    Attributes:
        masks: ``(K, H, W)`` float32 in [0, 1].
        boxes: ``(K, 4)`` x0, y0, x1, y1 in px.
        scores: ``(K,)`` in [0, 1].
        heads: ``(K, 3)`` centre x, y and radius of the head in px, NaN where it is not seen; None if the detector cannot tell.
        sources: of masks that were given, which one each is: its index or its file's name; None where a detector found the people.
        notes: remarks on what reading given masks had to decide.
    """

    masks: Tensor
    boxes: Tensor
    scores: Tensor
    heads: Tensor | None = None
    sources: Names | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.masks, "masks", self.boxes, self.scores)
        _check_sources(self.sources, len(self.masks))
        if self.heads is not None and tuple(self.heads.shape) != (len(self.masks), 3):
            raise GuidanceError(f"heads must be ({len(self.masks)}, 3), not {tuple(self.heads.shape)}")

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.masks.shape[1], self.masks.shape[2]

    @classmethod
    def from_masks(cls, masks: Any, scores: Tensor | None = None, *, names: Sequence[int | str] | None = None) -> InstanceMasks:
        """Masks from anywhere, in another order: left to right by their centres of gravity; ``sources`` tells which is which.

        Masks that are nowhere above 0.5 are left out, which ``notes`` tells. Boxes are measured at 0.5.

        Args:
            masks: a tensor or array ``(K, H, W)``, or a list of tensors or arrays ``(H, W)``: floats in [0, 1], booleans, uint8 or
                uint16; integers that are 0 and 1 alone are taken for that.
            scores: ``(K,)``; ones by default.
            names: what ``sources`` and ``notes`` call each; its index by default.

        Raises:
            GuidanceError: another type or shape, or values that are not finite or not in that range.
        """
        masks = _stacked(masks)
        scores = torch.ones(len(masks)) if scores is None else scores.detach().cpu()
        names = tuple(range(len(masks)) if names is None else names)
        keep = (masks > 0.5).flatten(1).any(1)
        empty = list(compress(names, (~keep).tolist()))
        notes = (f"{called(empty)} left out: nowhere above one half",) if empty else ()
        return _kept(cls(masks, mask_boxes(masks), scores, sources=names, notes=notes), keep)


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
        info: what made them (detector, matting, versions), and "notes", remarks on what it had to decide; for the record.
        sources: of which given mask each was made, by its index or its file's name; None where a detector found the people.
    """

    alphas: Tensor
    boxes: Tensor
    scores: Tensor
    info: dict[str, Any] = field(default_factory=dict)
    sources: Names | None = None

    def __post_init__(self) -> None:
        _check(self.alphas, "alphas", self.boxes, self.scores)
        _check_sources(self.sources, len(self.alphas))

    def __len__(self) -> int:
        return len(self.alphas)

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.alphas.shape[1], self.alphas.shape[2]

    @classmethod
    def from_alphas(cls, alphas: Tensor, scores: Tensor, info: dict[str, Any], sources: Names | None = None) -> InstanceMattes:
        """Left to right by their centres of gravity, boxes measured at 0.5; who is nowhere above 0.5 is dropped."""
        return _kept(cls(alphas, mask_boxes(alphas), scores, info, sources), (alphas > 0.5).flatten(1).any(1))

    def cutouts(self, image: Any) -> list[Tensor]:
        """Each person as straight-alpha RGBA ``(4, H, W)`` with the old background's colour removed from soft edges.

        Args:
            image: the picture the mattes belong to, in any form that :func:`instmatt_core.matte` takes.

        Raises:
            ImageError: it cannot be read, or is of another size.
        """
        picture = self.fitting(image)
        return [cutout(picture, alpha) for alpha in self.alphas]

    def fitting(self, image: Any) -> Tensor:
        """The picture the mattes belong to, in any form that :func:`instmatt_core.matte` takes, as ``(3, H, W)``.

        Raises:
            ImageError: it cannot be read, or is of another size.
        """
        picture = as_image(image)
        if tuple(picture.shape[1:]) != self.size:
            raise ImageError(f"the picture is {tuple(picture.shape[1:])}, the mattes are {self.size} (height, width)")
        return picture

    def save(self, folder: str | os.PathLike[str], *, depth: int = 8, kinds: Iterable[str] = ("alpha",), image: Any = None) -> list[Path]:
        """Write ``00.png, 01.png, ...`` (grey mattes, the HIM2K layout) and ``people.json``; returns the files.

        The files of an earlier result in that folder are removed, nobody else's. ``people.json`` goes first and is written last: where
        it is, the result is complete.

        Args:
            folder: made if need be.
            depth: bits of the mattes, 8 or 16.
            kinds: of "alpha", "cutout" (``NN_cutout.png``: straight-alpha RGBA with clean colour) and "overlay" (``overlay.png``).
            image: the picture, which cut-outs and overlay need; see :meth:`cutouts`.

        Raises:
            UsageError: another kind, or cut-outs or an overlay without the picture.
            ImageError: another depth, a picture of another size, or a file that cannot be written.
        """
        return saving.save(self, Path(folder), kinds, image, depth)

    def describe(self, kinds: Iterable[str] = ("alpha",)) -> dict[str, Any]:
        """The content of ``people.json``: size, people with files, box, score and, where masks were given, theirs; and ``info``.

        Args:
            kinds: of what there are files; see :meth:`save`.

        Raises:
            UsageError: another kind.
        """
        kinds = {*kinds}
        if unknown := kinds - {*saving.KINDS}:
            raise UsageError(f"there is nothing to save called {', '.join(sorted(unknown))}; there is {', '.join(saving.KINDS)}")
        people: list[dict[str, Any]] = []
        for index, (box, score) in enumerate(zip(self.boxes, self.scores, strict=True)):
            people.append({"index": index, "box": [round(v, 1) for v in box.tolist()], "score": round(float(score), 4)})
            people[-1] |= {} if self.sources is None else {"mask": self.sources[index]}
            people[-1] |= {"alpha": f"{index:02d}.png"} if "alpha" in kinds else {}
            people[-1] |= {"cutout": f"{index:02d}_cutout.png"} if "cutout" in kinds else {}
        drawn = {"overlay": "overlay.png"} if "overlay" in kinds else {}
        return {"height": self.size[0], "width": self.size[1], "people": people, **self.info, **drawn}


def called(masks: Sequence[int | str]) -> str:
    """Given masks by their names, as notes have it."""
    return f"mask{'s' if len(masks) > 1 else ''} {', '.join(map(str, masks))}"


def _stacked(masks: Any) -> Tensor:
    """Masks in any form that :meth:`InstanceMasks.from_masks` takes as float32 ``(K, H, W)`` in [0, 1]."""
    if isinstance(masks, list | tuple):
        parts = [_as_float(mask) for mask in masks]
        if len({part.shape for part in parts}) != 1:
            raise GuidanceError(f"masks must be of one size, not {', '.join(str(tuple(part.shape)) for part in parts) or 'none at all'}")
        stacked = torch.stack(parts)
    else:
        stacked = _as_float(masks)
    if stacked.ndim != 3:
        raise GuidanceError(f"masks must be (K, H, W), or a list of (H, W), not {tuple(stacked.shape)}")
    return stacked.clamp(0, 1)


def _as_float(mask: Any) -> Tensor:
    """A tensor or array as float32, integers as shares of what their type can hold."""
    kind = str(getattr(mask, "dtype", "")).removeprefix("torch.")
    if not isinstance(mask, Tensor | np.ndarray) or not kind.startswith(("bool", "uint", "int", "float", "bfloat")):
        raise GuidanceError(f"masks must be tensors or arrays of numbers, not {type(mask).__name__} {kind}".rstrip())
    values = mask.detach().to("cpu", torch.float32) if isinstance(mask, Tensor) else torch.from_numpy(mask.astype(np.float32))
    peak = float(values.max()) if values.numel() else 0.0
    if not torch.isfinite(values).all():
        raise GuidanceError("the masks hold values that are not finite")
    if peak > 1 and kind in ("uint8", "uint16"):
        return values / np.iinfo(kind).max
    if peak > (HIGHEST if "float" in kind else 1):
        raise GuidanceError(f"masks are from 0 to 1, or uint8; these are {kind} and reach {peak:g}")
    return values


def _check(maps: Tensor, name: str, boxes: Tensor, scores: Tensor) -> None:
    if maps.ndim != 3 or not maps.is_floating_point():
        raise GuidanceError(f"{name} must be float (K, H, W), not {maps.dtype} {tuple(maps.shape)}")
    if tuple(boxes.shape) != (len(maps), 4) or tuple(scores.shape) != (len(maps),):
        raise GuidanceError(
            f"{len(maps)} {name} need boxes ({len(maps)}, 4) and as many scores; got {tuple(boxes.shape)}, {tuple(scores.shape)}"
        )


def _check_sources(sources: Names | None, count: int) -> None:
    if sources is not None and len(sources) != count:
        raise GuidanceError(f"there must be a source for each of {count}, not {len(sources)}")


def left_to_right(instances: Instances) -> Instances:
    """The same instances, ordered by the horizontal centre of gravity of their mask or matte."""
    maps = instances.masks if isinstance(instances, InstanceMasks) else instances.alphas
    columns = maps.sum(1)  # (K, W)
    centres = (columns * torch.arange(columns.shape[1])).sum(1) / columns.sum(1).clamp(min=1e-6)
    order = torch.argsort(centres, stable=True)
    return instances if order.tolist() == list(range(len(order))) else take(instances, order)  # large maps are not copied for nothing


def _kept(everyone: Instances, keep: Tensor) -> Instances:
    """Those to ``keep (K,)`` bool, left to right."""
    return left_to_right(everyone if keep.all() else take(everyone, keep))


def take(instances: Instances, index: Tensor) -> Instances:
    """Some of the instances, by index or boolean mask ``(K,)``."""
    parts: dict[str, Any] = {f.name: getattr(instances, f.name) for f in fields(instances)}
    chosen: dict[str, Any] = {name: part[index] for name, part in parts.items() if isinstance(part, Tensor)}
    if instances.sources is not None:
        chosen["sources"] = tuple(instances.sources[k] for k in torch.arange(len(instances))[index].tolist())
    return replace(instances, **chosen)


def share(alphas: Tensor) -> Tensor:
    """Scale alphas ``(K, H, W)`` down where together they exceed one."""
    return share_(alphas.clone())


def share_(alphas: Tensor) -> Tensor:
    """:func:`share` in place: of a large picture another copy takes a gigabyte."""
    return alphas.div_(alphas.sum(0, keepdim=True).clamp_(min=1.0))


def divide(masks: Tensor) -> Tensor:
    """Masks ``(K, H, W)`` with nothing claimed twice: where together they exceed one, each has its square's share of all squares. The
    surer wins more clearly than by :func:`share`."""
    squares = masks.square()
    return torch.where(masks.sum(0, keepdim=True) > 1, squares / squares.sum(0, keepdim=True), masks)
