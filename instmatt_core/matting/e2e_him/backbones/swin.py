"""Swin-T (Liu et al., ICCV 2021) on the stem's map at 1/4: the authors' backbone, with their keys.

Differences from Swin on pictures: patches are single pixels of the stem's map, and every size goes, since maps are zero-padded
to whole windows. The padding is not masked; its tokens carry the bias of the qkv layer, as in the authors' network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import Backbone

WINDOW, SHIFT, HEAD_WIDTH = 7, 3, 32


class SwinT(Backbone):
    """See the package for the signature."""

    channels = (96, 192, 384, 768)
    depths = (2, 2, 6, 2)

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(128, self.channels[0])
        sizes = zip(self.channels, self.depths, strict=True)
        self.layers = nn.ModuleList(SwinStage(c, depth, last=c == self.channels[-1]) for c, depth in sizes)
        for index, c in enumerate(self.channels):
            self.add_module(f"norm{index}", nn.LayerNorm(c))

    def forward(self, image: Tensor, stem: Tensor) -> list[Tensor]:
        x = self.patch_embed(stem)
        maps = []
        for index, stage in enumerate(self.layers):
            assert isinstance(stage, SwinStage)
            x = stage(x)
            maps.append(self.get_submodule(f"norm{index}")(x).permute(0, 3, 1, 2))
            if stage.downsample is not None:
                x = stage.downsample(x)
        return maps


class PatchEmbed(nn.Module):
    """Channels first to channels last, which the rest works in: ``(B, C, H, W)`` to ``(B, H, W, C)``."""

    def __init__(self, inp: int, out: int):
        super().__init__()
        self.proj = nn.Conv2d(inp, out, 1)
        self.norm = nn.LayerNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class SwinStage(nn.Module):
    """Blocks at one size, alternately with plain and shifted windows, and the way to the next."""

    def __init__(self, channels: int, depth: int, last: bool):
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(channels, shift=SHIFT if index % 2 else 0) for index in range(depth))
        self.downsample = None if last else PatchMerging(channels)  # called by the backbone, which also wants what comes before

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class SwinBlock(nn.Module):
    """Window attention, then a two-layer perceptron, each added to what came in: ``(B, H, W, C)``."""

    def __init__(self, channels: int, shift: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = FeedForward(channels)
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        y = F.pad(self.norm1(x), (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        size = (y.shape[1], y.shape[2])
        if self.shift:
            y = y.roll((-self.shift, -self.shift), (1, 2))
        mask = shifted_window_mask(size, x.dtype, x.device) if self.shift else None
        y = from_windows(self.attn(to_windows(y), mask), size)
        if self.shift:
            y = y.roll((self.shift, self.shift), (1, 2))
        x = x + y[:, :height, :width]
        return x + self.mlp(self.norm2(x))


class WindowAttention(nn.Module):
    """Multi-head attention within windows with a learned bias for each offset: ``(B, N, 49, C)``, N windows."""

    relative_position_index: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.heads = channels // HEAD_WIDTH
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, self.heads))
        self.register_buffer("relative_position_index", relative_positions())
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``mask (N, 49, 49)`` is added to the logits."""
        batch, windows, tokens, channels = x.shape
        query, key, value = self.qkv(x).view(batch, windows, tokens, 3, self.heads, HEAD_WIDTH).permute(3, 0, 1, 4, 2, 5).flatten(1, 2)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(batch, 1, 1, 1)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.expand(batch * windows, -1, -1, -1))
        return self.proj(y.transpose(1, 2).reshape(batch, windows, tokens, channels))


class FeedForward(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class PatchMerging(nn.Module):
    """Half the size: 2 x 2 neighbours become channels, ``(B, H, W, C)`` to ``(B, H/2, W/2, 2C)``."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.norm(torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)))


def to_windows(x: Tensor) -> Tensor:
    """``(B, H, W, C)``, H and W multiples of 7, to ``(B, N, 49, C)``."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels)
    return x.transpose(2, 3).reshape(batch, -1, WINDOW * WINDOW, channels)


def from_windows(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of :func:`to_windows`."""
    batch, channels = len(windows), windows.shape[-1]
    x = windows.view(batch, size[0] // WINDOW, size[1] // WINDOW, WINDOW, WINDOW, channels)
    return x.transpose(2, 3).reshape(batch, *size, channels)


def relative_positions() -> Tensor:
    """``(49, 49)``: row of the bias table for each query and key, (dy + 6) * 13 + (dx + 6)."""
    y, x = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
    y, x = y.flatten(), x.flatten()
    return (y[:, None] - y + WINDOW - 1) * (2 * WINDOW - 1) + (x[:, None] - x + WINDOW - 1)


def shifted_window_mask(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``(N, 49, 49)``: -100 between tokens that only the roll made neighbours, else 0."""
    rows, columns = (torch.arange(s, device=device) for s in size)
    rows = (rows >= size[0] - WINDOW).long() + (rows >= size[0] - SHIFT)
    columns = (columns >= size[1] - WINDOW).long() + (columns >= size[1] - SHIFT)
    region = to_windows((3 * rows[:, None] + columns)[None, ..., None])[0, ..., 0]
    return (region[:, :, None] != region[:, None]).to(dtype) * -100.0
