"""Instance masks that already exist: one grey PNG per person."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import GuidanceError
from ..image import read_matte, resize
from ..instances import InstanceMasks


def masks_from_folder(folder: str | os.PathLike[str], size: tuple[int, int]) -> InstanceMasks:
    """Read ``folder/NN.png`` as the masks of a picture of ``size`` (height, width); other sizes are resized.

    Raises:
        GuidanceError: the folder is missing, holds no mask, or a mask's proportions are not the picture's.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise GuidanceError(f"{folder}: no such folder of masks")
    paths = numbered_pngs(folder)
    if not paths:
        raise GuidanceError(f"{folder}: holds no mask; name them 00.png, 01.png, ...")
    return InstanceMasks.from_masks(read_masks(paths, size))


def numbered_pngs(folder: Path) -> list[Path]:
    """The files ``NN.png`` of a folder, by number: one per person."""
    paths = (p for p in folder.iterdir() if p.suffix.lower() == ".png" and p.stem.isdecimal())
    return sorted(paths, key=lambda p: (int(p.stem), p.name))


def read_masks(paths: Sequence[Path], size: tuple[int, int]) -> Tensor:
    """``(K, H, W)`` in [0, 1]: mask files of a picture of ``size`` (height, width); other sizes are resized.

    Raises:
        GuidanceError: a mask's proportions are not the picture's.
    """
    masks = torch.zeros(len(paths), *size)
    for k, path in enumerate(paths):
        mask = read_matte(path)
        if not same_proportions((mask.shape[0], mask.shape[1]), size):
            raise GuidanceError(f"{path}: is {mask.shape[1]} x {mask.shape[0]} px, the picture {size[1]} x {size[0]}: not its mask")
        masks[k] = resize(mask, size)
    return masks


def same_proportions(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether one size (height, width) is the other one scaled, but for rounding."""
    return abs(a[0] * b[1] - a[1] * b[0]) <= 2 * max(*a, *b)
