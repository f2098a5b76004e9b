"""MobileSAM's encoder (Zhang et al., 2023): TinyViT-5M (Wu et al., ECCV 2022), the last stage of which keeps the size, and SAM's neck.

Batch norms are folded into the convolutions before them. Maps are ``(B, C, h, w)`` throughout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...convolution import conv2d

STRIDE = 16
EMBEDDING = 256
HEAD_WIDTH = 32
STEM = 32
WIDTHS = (64, 128, 160, 320)  # of the four stages
DEPTHS = (2, 2, 6, 2)
WINDOWS = (0, 7, 14, 7)  # the first stage has no attention
EXPANSION = 4


class Encoder(nn.Module):
    """``(B, 3, H, W)``, normalised, H and W multiples of 16, to ``(B, 256, H/16, W/16)``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, STEM, 3, 2, 1), nn.GELU(), nn.Conv2d(STEM, WIDTHS[0], 3, 2, 1))
        self.stages = nn.ModuleList()
        for i, (width, depth, window) in enumerate(zip(WIDTHS, DEPTHS, WINDOWS, strict=True)):
            blocks: list[nn.Module] = [Block(width, window) if window else InvertedResidual(width) for _ in range(depth)]
            if i + 1 < len(WIDTHS):
                blocks.append(Merge(width, WIDTHS[i + 1], 1 if i == len(WIDTHS) - 2 else 2))
            self.stages.append(nn.Sequential(*blocks))
        self.neck = nn.Sequential(
            nn.Conv2d(WIDTHS[-1], EMBEDDING, 1, bias=False),
            ChannelNorm(EMBEDDING),
            nn.Conv2d(EMBEDDING, EMBEDDING, 3, padding=1, bias=False),
            ChannelNorm(EMBEDDING),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem[2](conv2d(x, self.stem[0], "gelu"))
        for stage in self.stages:
            x = stage(x)
        return self.neck(x)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of maps ``(B, C, h, w)``."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class InvertedResidual(nn.Module):
    """Expand, filter by channel, shrink again, over a shortcut."""

    def __init__(self, channels: int):
        super().__init__()
        wide = EXPANSION * channels
        self.expand = nn.Conv2d(channels, wide, 1)
        self.spatial = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.project = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = conv2d(conv2d(x, self.expand, "gelu"), self.spatial, "gelu")
        return F.gelu(conv2d(y, self.project, add=x))


class Merge(nn.Module):
    """To the next stage's width and size."""

    def __init__(self, channels: int, wider: int, stride: int):
        super().__init__()
        self.expand = nn.Conv2d(channels, wider, 1)
        self.spatial = nn.Conv2d(wider, wider, 3, stride, 1, groups=wider)
        self.project = nn.Conv2d(wider, wider, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(conv2d(conv2d(x, self.expand, "gelu"), self.spatial, "gelu"))


class Block(nn.Module):
    """Attention within windows, a filter by channel, and a perceptron of every pixel."""

    def __init__(self, channels: int, window: int):
        super().__init__()
        self.attention = WindowAttention(channels, window)
        self.local = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen, self.narrow = nn.Linear(channels, EXPANSION * channels), nn.Linear(EXPANSION * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.local(x)
        y = self.narrow(F.gelu(self.widen(self.norm(x.permute(0, 2, 3, 1)))))
        return x + y.permute(0, 3, 1, 2)


class WindowAttention(nn.Module):
    """Multi-head attention within windows, with a learned bias for each distance: ``(B, h, w, C)``.

    What fills up the windows at the right and at the bottom is zero before the norm, and takes part, as in the published network.
    """

    distances: Tensor

    def __init__(self, channels: int, window: int):
        super().__init__()
        self.window, self.heads = window, channels // HEAD_WIDTH
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)  # head by head
        self.project = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.zeros(self.heads, window * window))
        self.register_buffer("distances", distances(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        side = self.window
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        x = x.view(batch, rows, side, columns, side, channels).transpose(2, 3).reshape(-1, side * side, channels)
        parts = self.qkv(self.norm(x)).view(len(x), side * side, self.heads, 3 * HEAD_WIDTH).transpose(1, 2)
        query, key, value = parts.split(HEAD_WIDTH, 3)
        bias = self.bias[:, self.distances].to(parts.dtype)[None]
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        y = self.project(y.transpose(1, 2).reshape(len(x), side * side, channels))
        y = y.view(batch, rows, columns, side, side, channels).transpose(2, 3)
        return y.reshape(batch, rows * side, columns * side, channels)[:, :height, :width]


def distances(window: int) -> Tensor:
    """``(N, N)``: of every two of a window's N pixels the number of their distance, rows apart times ``window`` plus columns apart."""
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    apart = ((place.flatten()[:, None] - place.flatten()[None]).abs() for place in (y, x))
    rows, columns = apart
    return rows * window + columns
