"""Small files for networks: tensors as float16, where that can hold them, and where that is wanted large kernels as whole numbers.

A large kernel or matrix is stored as int8 (``NAME.levels``), times a float16 number for each output channel (``NAME.scale``).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

LEVELS = 127
LARGE = 4096  # values of a kernel that is worth rounding
PARTS = ("levels", "scale")  # in which such kernels are stored


def pack(state: Mapping[str, Tensor], *, rounded: bool = False) -> dict[str, Tensor]:
    """What to store of a state dict; ``rounded`` makes large kernels int8."""
    stored = {}
    for key, value in state.items():
        if rounded and value.ndim > 1 and value.numel() >= LARGE:
            # rounded up: no value is more than LEVELS steps
            scale = (value.flatten(1).abs().amax(1) / LEVELS * (1 + 2**-10)).clamp(min=2**-14).half()
            stored[f"{key}.levels"] = (value / _for_each(scale, value)).round().to(torch.int8)
            stored[f"{key}.scale"] = scale
        else:
            stored[key] = halved(value).contiguous()
    return stored


def halved(value: Tensor) -> Tensor:
    """As float16, or as it is where that cannot hold it: a norm's variance may be too large, and whole numbers stay whole."""
    half = value.half() if value.is_floating_point() else value
    return half if torch.isfinite(half).all() else value


def unpack(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`pack`: what was rounded as float32, the rest as it is."""
    state = dict(stored)
    for key in stored:
        stem, _, part = key.rpartition(".")
        if part == PARTS[0] and all(f"{stem}.{other}" in stored for other in PARTS):
            levels, scale = (state.pop(f"{stem}.{other}").float() for other in PARTS)
            state[stem] = levels * _for_each(scale, levels)
    return state


def _for_each(scale: Tensor, kernel: Tensor) -> Tensor:
    """One number for each output channel of a kernel."""
    return scale.float().view(-1, *(1,) * (kernel.ndim - 1))
