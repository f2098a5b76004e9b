"""Weights inside the package, packed as :mod:`..packed` says."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...convolution import fold_norms
from ...errors import WeightsError
from ..packed import unpack

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
    return {key: value.float() for key, value in unpack(stored).items()}


def load_network(network: Network, name: str, device: torch.device) -> Network:
    """``network`` with bundled weights, norms folded, for use on ``device``.

    Raises:
        WeightsError: the file is not in the package or is damaged.
    """
    network.load_state_dict(load_bundled(name))
    fold_norms(network.eval())
    return prepared(network, device)


def prepared(network: Network, device: torch.device) -> Network:
    """For use on ``device``, in the memory format that is fastest."""
    return network.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
