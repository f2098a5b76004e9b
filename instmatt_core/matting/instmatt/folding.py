"""Norms into kernels: an inference copy of the network made of plain convolutions."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ...convolution import fold_norms
from .network import InstMattNetwork
from .spectral import SpectralConv, SpectralUpConv


def fold(network: InstMattNetwork) -> InstMattNetwork:
    """A copy whose convolutions have the spectral and batch norms in their kernels; it can no longer be trained.

    The batch norms that follow a ReLU stay.
    """
    # Kernels are replaced below; to copy them first would double the memory.
    kernels = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in network.parameters() if p.ndim == 4}
    network = copy.deepcopy(network, kernels).eval()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (SpectralConv, SpectralUpConv)):
                setattr(parent, name, _plain(child))
    fold_norms(network)
    return network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _plain(conv: SpectralConv | SpectralUpConv) -> nn.Module:
    with torch.no_grad():
        kernel = conv.module()
    plain: nn.Conv2d | nn.ConvTranspose2d
    if isinstance(conv, SpectralUpConv):
        plain = nn.ConvTranspose2d(kernel.shape[0], kernel.shape[1], 4, 2, 1, bias=False, device="meta")
    else:
        plain = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2], conv.stride, conv.padding, bias=False, device="meta")
    plain.weight = nn.Parameter(kernel, requires_grad=False)
    return plain.eval()
