"""Instance masks that already exist: one grey PNG per person."""

from __future__ import annotations

import os
from pathlib import Path

import torch

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
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() == ".png" and p.stem.isdigit())
    if not paths:
        raise GuidanceError(f"{folder}: holds no mask; name them 00.png, 01.png, ...")
    masks = []
    for path in paths:
        mask = read_matte(path)
        if abs(mask.shape[0] * size[1] - mask.shape[1] * size[0]) > 2 * max(size[0], size[1], *mask.shape):
            raise GuidanceError(f"{path}: is {mask.shape[1]} x {mask.shape[0]} px, the picture {size[1]} x {size[0]}: not its mask")
        masks.append(resize(mask, size))
    return InstanceMasks.from_masks(torch.stack(masks))
