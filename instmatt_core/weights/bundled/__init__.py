"""Weights inside the package.

Stored as float16. A kernel that is mostly zeros is stored as its non-zero values (``NAME.values``) and a packed bit map of
where they go (``NAME.bits``) with its shape (``NAME.shape``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import WeightsError

FOLDER = Path(__file__).parent
Network = TypeVar("Network", bound=nn.Module)


def load_bundled(name: str) -> dict[str, Tensor]:
    """The float32 state dict of a bundled network.

    Raises:
        WeightsError: the file is not in the package or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = FOLDER / f"{name}.safetensors"
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: bundled weights are missing or damaged ({error}); reinstall the package") from error
    state = {}
    for key, value in stored.items():
        stem, _, kind = key.rpartition(".")
        if kind == "values":
            state[stem] = _unpack(value, stored[f"{stem}.bits"], stored[f"{stem}.shape"])
        elif kind not in ("bits", "shape"):
            state[key] = value.float()
    return state


def load_network(network: Network, name: str, device: torch.device) -> Network:
    """``network`` with bundled weights, for use on ``device``.

    Raises:
        WeightsError: the file is not in the package or is damaged.
    """
    network.load_state_dict(load_bundled(name))
    return prepared(network, device)


def prepared(network: Network, device: torch.device) -> Network:
    """For use on ``device``, in the memory format that is fastest."""
    return network.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def pack(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`load_bundled`: float16, sparse tensors packed."""
    stored = {}
    for key, value in state.items():
        half = value.half().contiguous()
        if half.count_nonzero() > 0.7 * half.numel():
            stored[key] = half
            continue
        filled = (half != 0).flatten()
        stored[f"{key}.values"] = half.flatten()[filled]
        stored[f"{key}.bits"] = torch.from_numpy(np.packbits(filled.numpy()))
        stored[f"{key}.shape"] = torch.tensor(half.shape)
    return stored


def _unpack(values: Tensor, bits: Tensor, shape: Tensor) -> Tensor:
    size = shape.tolist()
    dense = torch.zeros(int(np.prod(size)))
    dense[torch.from_numpy(np.unpackbits(bits.numpy(), count=len(dense)).astype(bool))] = values.float()
    return dense.view(size)
