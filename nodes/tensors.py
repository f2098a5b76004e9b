"""Between ComfyUI's tensors and the core's.

ComfyUI: IMAGE ``[B, H, W, C]`` with 3 or 4 channels, MASK ``[B, H, W]`` or ``[H, W]``, in [0, 1], any float type, any device.
The core: float32 ``(3, H, W)`` per picture, on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..instmatt_core.errors import ImageError
from ..instmatt_core.image import resize


def pictures(image: Tensor) -> list[Tensor]:
    """The pictures of an IMAGE; a fourth channel is left aside, its colours are kept.

    Raises:
        ImageError: not an IMAGE, an empty batch, or values that are not finite.
    """
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4):
        raise ImageError(f"an IMAGE must be [B, H, W, 3] or [B, H, W, 4], not {list(image.shape)}")
    if 0 in image.shape:
        raise ImageError(f"the IMAGE has no pixels: {list(image.shape)}")
    image = image[..., :3].expand(-1, -1, -1, 3).detach().to("cpu", torch.float32)
    if not torch.isfinite(image).all():
        raise ImageError("the IMAGE holds values that are not finite: the node that made it failed (a VAE in half precision does that)")
    return [picture.permute(2, 0, 1).clamp(0, 1).contiguous() for picture in image]


def masks(mask: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """A MASK as float32 ``(B, H, W)`` on the CPU, resized to ``size`` (height, width) if given.

    Raises:
        ImageError: not a MASK.
    """
    if mask.ndim == 4 and 1 in (mask.shape[1], mask.shape[-1]):  # [B, 1, H, W] and [B, H, W, 1] are about, too
        mask = mask.squeeze(1 if mask.shape[1] == 1 else -1)
    if mask.ndim == 2:
        mask = mask[None]
    if mask.ndim != 3:
        raise ImageError(f"a MASK must be [B, H, W] or [H, W], not {list(mask.shape)}")
    mask = mask.detach().to("cpu", torch.float32).nan_to_num(0).clamp(0, 1)
    if size is None or tuple(mask.shape[1:]) == tuple(size):
        return mask
    return torch.stack([resize(plane, size) for plane in mask]) if len(mask) else torch.zeros(0, *size)


def image_batch(images: Sequence[Tensor]) -> Tensor:
    """``(C, H, W)`` pictures of one size as an IMAGE."""
    return torch.stack([image.permute(1, 2, 0) for image in images])


def boxes_of(frames: Sequence[Tensor], scores: Sequence[Tensor]) -> list[list[dict[str, float | str]]]:
    """Boxes ``(K, 4)`` of each picture as BOUNDING_BOX, the way ComfyUI's RT-DETR gives them."""
    return [
        [
            {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "label": "person", "score": float(score)}
            for (x0, y0, x1, y1), score in zip(boxes.tolist(), score_of, strict=True)
        ]
        for boxes, score_of in zip(frames, scores, strict=True)
    ]


def read_boxes(value: object, frames: int, label: str = "person") -> list[Tensor]:
    """A BOUNDING_BOX as ``(K, 4)`` x0, y0, x1, y1 px for each of ``frames`` pictures.

    One box, a list of boxes (for every picture), or a list for each picture. Boxes labelled as something else are left out.

    Raises:
        ImageError: none of these, or there are boxes but none with that label.
    """
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, list):
        raise ImageError(f"a BOUNDING_BOX must be a box or a list of boxes, not {type(value).__name__}")
    per_frame = listed if listed and all(isinstance(part, list) for part in listed) else [listed]
    if len(per_frame) == 1:
        per_frame = per_frame * frames
    if len(per_frame) != frames:
        raise ImageError(f"there are boxes for {len(per_frame)} pictures, but the image batch has {frames}")
    found = [_boxes(part, label) for part in per_frame]
    labels = {str(box["label"]) for part in per_frame for box in part if box.get("label")}
    if labels and not any(map(len, found)):
        raise ImageError(f"none of the boxes is labelled {label}; they are labelled {', '.join(sorted(labels))}")
    return found


def _boxes(boxes: list[object], label: str) -> Tensor:
    rows = []
    for box in boxes:
        if not isinstance(box, dict) or not {"x", "y", "width", "height"} <= box.keys():
            raise ImageError(f"a box must have x, y, width and height; this is {box!r}")
        if str(box.get("label") or label).casefold() == label:
            rows.append([box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]])
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
