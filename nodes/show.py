"""Sending a preview to the node in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from . import preview
from .tensors import image_batch
from .values import Mattes, People, numbers


def show(
    images: Sequence[Tensor],
    batch: People | Mattes,
    *,
    chosen: Sequence[Sequence[int]] | None = None,
    filled: bool = True,
) -> dict[str, Any]:
    """The ``ui`` of a node: pictures in ComfyUI's temporary folder, and their people as data for the web extension.

    Args:
        images: the picture of each frame.
        batch: the people of each frame.
        chosen: indices of those to show as chosen, per frame; None for all.
        filled: tint the people; off where the pictures show them already.
    """
    frames = []
    for index in preview.shown(len(images)):
        values, picture = batch.frames[index], preview.small([images[index]])
        maps = batch.maps[index]
        (file,) = ui.ImageSaveHelper.save_images(image_batch(picture), "instmatt", io.FolderType.temp, cls=None, compress_level=1)
        frames.append(
            {
                "frame": index,
                "image": dict(file),
                "filled": filled,
                "people": preview.people_of(maps, values.scores, numbers(values), None if chosen is None else chosen[index]),
            }
        )
    return {"instmatt": frames}
