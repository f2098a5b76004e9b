"""Instance masks that already exist: one grey PNG per person."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import GuidanceError
from ..image import read_matte, resize
from ..instances import InstanceMasks, called
from ..saving import is_numbered

FAINTEST = torch.tensor(1.0) / 255  # a mask of 0 and 1 in 8 bits reaches no more


def masks_from_folder(folder: str | os.PathLike[str], size: tuple[int, int]) -> InstanceMasks:
    """Read ``folder/NN.png`` as the masks of a picture of ``size`` (height, width); other sizes are resized.

    They come left to right, not by number; ``sources`` holds their files' names. Those nowhere above 0.5 are left out, and files of 0
    and 1 in 8 bits are taken for that; ``notes`` tells both.

    Raises:
        GuidanceError: the folder is missing or cannot be read, holds no mask or only empty ones, or a mask's proportions are not the
            picture's.
        ImageError: a mask cannot be read.
    """
    folder = Path(folder)
    try:
        if not folder.is_dir():
            raise GuidanceError(f"{folder}: no such folder of masks")
        paths = numbered_pngs(folder)
    except OSError as error:
        raise GuidanceError(f"{folder}: cannot be read ({error.strerror or error})") from error
    if not paths:
        raise GuidanceError(f"{folder}: holds no mask; name them 00.png, 01.png, ...")
    masks, ones = _read(paths, size)
    people = InstanceMasks.from_masks(masks, names=[path.name for path in paths])
    if not len(people):
        raise GuidanceError(f"{folder}: every mask is empty; people must be white on black")
    notes = (f"{called(ones)}: 0 and 1 taken for black and white",) if ones else ()
    return replace(people, notes=(*notes, *people.notes))


def numbered_pngs(folder: Path) -> list[Path]:
    """The files ``NN.png`` of a folder, by number: one per person."""
    return sorted((path for path in folder.iterdir() if is_numbered(path.name)), key=lambda path: (int(path.stem), path.name))


def read_masks(paths: Sequence[Path], size: tuple[int, int]) -> Tensor:
    """``(K, H, W)`` in [0, 1]: mask files of a picture of ``size`` (height, width); other sizes are resized.

    Files of 0 and 1 in 8 bits are taken for that.

    Raises:
        GuidanceError: a mask's proportions are not the picture's.
        ImageError: a mask cannot be read.
    """
    return _read(paths, size)[0]


def _read(paths: Sequence[Path], size: tuple[int, int]) -> tuple[Tensor, list[str]]:
    """The masks, and the names of the files that hold 0 and 1 only."""
    masks, ones = torch.zeros(len(paths), *size), []
    for k, path in enumerate(paths):
        mask = read_matte(path)
        if not same_proportions((mask.shape[0], mask.shape[1]), size):
            raise GuidanceError(f"{path}: is {mask.shape[1]} x {mask.shape[0]} px, the picture {size[1]} x {size[0]}: not its mask")
        if mask.max() == FAINTEST:
            ones.append(path.name)
            mask = mask / FAINTEST
        masks[k] = resize(mask, size)
    return masks, ones


def same_proportions(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether one size (height, width) is the other one scaled, but for rounding."""
    return abs(a[0] * b[1] - a[1] * b[0]) <= 2 * max(*a, *b)
