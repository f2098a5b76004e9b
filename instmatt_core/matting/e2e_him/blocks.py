"""What the pixel decoders are built of. Index and attribute names give the authors' state-dict keys."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def upsample(x: Tensor, factor: int = 2) -> Tensor:
    """Bilinear, half-pixel centres."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class MergeConv(nn.Conv2d):
    """Convolution, zero padded to keep the size, over the concatenation of several maps; those at half size are upsampled first."""

    def __init__(self, inp: int, out: int, k: int = 1, stride: int = 1):
        super().__init__(inp, out, k, stride, k // 2)

    def forward(self, *maps: Tensor) -> Tensor:
        height = max(m.shape[2] for m in maps)
        full = [m if m.shape[2] == height else upsample(m) for m in maps]
        return super().forward(full[0] if len(full) == 1 else torch.cat(full, 1))


class Stage(nn.Sequential):
    """Merge several maps by a convolution, normalise, activate, then whatever else; call it with all the maps."""

    def __init__(self, inp: int, out: int, k: int, groups: int, act: nn.Module, *rest: nn.Module, stride: int = 1):
        super().__init__(MergeConv(inp, out, k, stride), nn.GroupNorm(groups, out), act, *rest)

    def forward(self, *maps: Tensor) -> Tensor:
        merge, *rest = self
        x = merge(*maps)
        for layer in rest:
            x = layer(x)
        return x


def relu() -> nn.ReLU:
    return nn.ReLU(inplace=True)


def leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.01, inplace=True)


class Norm(nn.Module):
    """Group norm of 32 channels to a group, or of 16 where 32 does not divide them."""

    def __init__(self, channels: int):
        super().__init__()
        self.gn = nn.GroupNorm(channels // (16 if channels % 32 else 32), channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.gn(x)


class Bottleneck(nn.Module):
    """Residual 1x1, 3x3, 1x1 with a norm after each."""

    def __init__(self, channels: int, middle: int):
        super().__init__()
        self.in_conv1 = nn.Sequential(
            nn.Conv2d(channels, middle, 1),
            Norm(middle),
            relu(),
            nn.Conv2d(middle, middle, 3, padding=1),
            Norm(middle),
            leaky(),
            nn.Conv2d(middle, channels, 1),
            Norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.in_conv1(x).add_(x), 0.01, inplace=True)


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, *sizes: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        for index, layer in enumerate(self.layers):
            x = F.relu(x) if index else x
            x = layer(x)
        return x


class PositionAttention(nn.Module):
    """Every position attends to every other (no scaling of the logits), added with the learned weight ``gamma``."""

    def __init__(self, channels: int):
        super().__init__()
        self.query_conv = nn.Conv2d(channels, channels // 4, 1)
        self.key_conv = nn.Conv2d(channels, channels // 4, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (conv(x).flatten(2).transpose(1, 2) for conv in (self.query_conv, self.key_conv, self.value_conv))
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return self.gamma * attended.transpose(1, 2).reshape(x.shape) + x


def dynamic_conv(x: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
    """1x1 convolution with kernels of each picture's own.

    Args:
        x: ``(B, C, H, W)``.
        kernels: ``(B, N, C)``.
        biases: ``(B, N)``.

    Returns:
        ``(B, N, H, W)``.
    """
    return torch.baddbmm(biases[..., None], kernels, x.to(kernels.dtype).flatten(2)).unflatten(2, x.shape[2:])
