"""What the matting networks have in common: how pictures are normalised, and the options' values."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import UsageError

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
COMPATS = ("default", "paper")
# "auto" is float32: with either network the others move more than one pixel in a thousand by more than two levels of 255.
PRECISIONS = {"auto": torch.float32, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def normalise(images: Tensor) -> Tensor:
    """``(..., 3, H, W)`` in [0, 1] by ImageNet's mean and deviation."""
    mean, deviation = (images.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (images - mean) / deviation


def denormalise(images: Tensor) -> Tensor:
    """The inverse of :func:`normalise`."""
    mean, deviation = (images.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return images * deviation + mean


def dtype_of(precision: str, compat: str) -> torch.dtype:
    """The number type that ``precision`` means.

    Raises:
        UsageError: ``precision`` or ``compat`` is no such value.
    """
    for name, value, known in (("compat", compat, COMPATS), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise UsageError(f"{name} is one of {', '.join(known)}, not {value!r}")
    return PRECISIONS[precision]
