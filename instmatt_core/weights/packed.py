"""Small files for networks: kernels as whole numbers, or without their zeros.

Tensors are stored as float16, and

- a kernel that is mostly zeros as its non-zero values (``NAME.values``), a bit map of where they go (``NAME.bits``) and its shape
  (``NAME.shape``);
- where that is wanted, a large kernel or matrix as int8 (``NAME.levels``), times a float16 number for each output channel
  (``NAME.scale``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

MOST_FILLED = 0.7  # share of non-zero values above which it does not pay to leave out zeros
LEVELS = 127
LARGE = 4096  # values of a kernel that is worth rounding
SPARSE, ROUNDED = ("values", "bits", "shape"), ("levels", "scale")  # the parts in which such kernels are stored


def pack(state: Mapping[str, Tensor], *, rounded: bool = False) -> dict[str, Tensor]:
    """What to store of a state dict; ``rounded`` makes large kernels int8."""
    stored = {}
    for key, value in state.items():
        half = value.half().contiguous()
        if half.count_nonzero() <= MOST_FILLED * half.numel():
            filled = (half != 0).flatten()
            stored[f"{key}.values"] = half.flatten()[filled]
            stored[f"{key}.bits"] = torch.from_numpy(np.packbits(filled.numpy()))
            stored[f"{key}.shape"] = torch.tensor(half.shape)
        elif rounded and value.ndim > 1 and value.numel() >= LARGE:
            # rounded up: no value is more than LEVELS steps
            scale = (value.flatten(1).abs().amax(1) / LEVELS * (1 + 2**-10)).clamp(min=2**-14).half()
            stored[f"{key}.levels"] = (value / _for_each(scale, value)).round().to(torch.int8)
            stored[f"{key}.scale"] = scale
        else:
            stored[key] = half
    return stored


def unpack(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`pack`: what was packed as float32, the rest as it is."""
    state = dict(stored)
    for stem in _stems(stored, SPARSE):
        state[stem] = _filled(*(state.pop(f"{stem}.{part}") for part in SPARSE))
    for stem in _stems(stored, ROUNDED):
        levels, scale = (state.pop(f"{stem}.{part}").float() for part in ROUNDED)
        state[stem] = levels * _for_each(scale, levels)
    return state


def _for_each(scale: Tensor, kernel: Tensor) -> Tensor:
    """One number for each output channel of a kernel."""
    return scale.float().view(-1, *(1,) * (kernel.ndim - 1))


def _stems(stored: Mapping[str, Tensor], parts: tuple[str, ...]) -> list[str]:
    """Names of the tensors of which all ``parts`` are stored."""
    stems = [key.rpartition(".")[0] for key in stored if key.endswith(f".{parts[0]}")]
    return [stem for stem in stems if all(f"{stem}.{part}" in stored for part in parts)]


def _filled(values: Tensor, bits: Tensor, shape: Tensor) -> Tensor:
    size = shape.tolist()
    dense = torch.zeros(int(np.prod(size)))
    dense[torch.from_numpy(np.unpackbits(bits.numpy(), count=len(dense)).astype(bool))] = values.float()
    return dense.view(size)
