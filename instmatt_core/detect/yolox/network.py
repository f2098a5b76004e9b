"""The YOLOX-Nano network (Ge, Liu, Wang, Li, Sun, 2021), for people only.

CSPDarknet of a third of the depth and a quarter of the width, a path aggregation pyramid, and heads that share no layer between
what and where; every 3x3 convolution is depthwise, followed by a 1x1. Batch norms were folded by the publisher. The published
file is read by ``tools/convert_yolox.py``, which walks the convolutions in the order in which ``forward`` calls them: keep that order
when editing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...convolution import conv2d

STRIDES = (8, 16, 32)
CHANNELS = (64, 128, 256)  # of the pyramid, at those strides
HEAD = 64


class Conv(nn.Conv2d):
    """Convolution with bias, then x * sigmoid(x)."""

    def __init__(self, inp: int, out: int, k: int = 1, stride: int = 1, groups: int = 1):
        super().__init__(inp, out, k, stride, k // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self, "swish")


class Separable(nn.Sequential):
    """Depthwise 3x3, then 1x1."""

    def __init__(self, inp: int, out: int, stride: int = 1):
        super().__init__(Conv(inp, inp, 3, stride, groups=inp), Conv(inp, out))


class Bottleneck(nn.Module):
    """1x1, then a separable 3x3, and what came in added to it."""

    def __init__(self, channels: int, skip: bool):
        super().__init__()
        self.reduce, self.spatial, self.skip = Conv(channels, channels), Separable(channels, channels), skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.spatial(self.reduce(x))
        return x + y if self.skip else y


class CrossStage(nn.Module):
    """Half of the channels through ``depth`` bottlenecks, half past them (CSPNet: Wang et al., 2020)."""

    def __init__(self, inp: int, out: int, depth: int = 1, skip: bool = False):
        super().__init__()
        half = out // 2
        self.through, self.past, self.join = Conv(inp, half), Conv(inp, half), Conv(2 * half, out)
        self.blocks = nn.Sequential(*(Bottleneck(half, skip) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        through, past = self.through(x), self.past(x)
        return self.join(torch.cat((self.blocks(through), past), 1))


class SpatialPyramid(nn.Module):
    """The largest of 5, 9 and 13 pixels round each, beside it (SPP)."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce, self.join = Conv(channels, channels // 2), Conv(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        return self.join(torch.cat((x, *(F.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13))), 1))


class Head(nn.Module):
    """For each cell of one level: ``(B, 6, h, w)``, box as offsets and log sizes in cells, logits of "there is something", of a person."""

    def __init__(self, inp: int):
        super().__init__()
        self.stem = Conv(inp, HEAD)
        self.what = nn.Sequential(Separable(HEAD, HEAD), Separable(HEAD, HEAD))
        self.person = nn.Conv2d(HEAD, 1, 1)
        self.where = nn.Sequential(Separable(HEAD, HEAD), Separable(HEAD, HEAD))
        self.box = nn.Conv2d(HEAD, 4, 1)
        self.something = nn.Conv2d(HEAD, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        person = self.person(self.what(x))
        where = self.where(x)
        return torch.cat((self.box(where), self.something(where), person), 1)


class YOLOXNano(nn.Module):
    """Input ``(B, 3, H, W)``: blue, green, red in [0, 255], sides multiples of 32. Output: one :class:`Head`'s map per stride."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = CHANNELS
        self.stem = Conv(12, 16, 3)
        self.stage4 = nn.Sequential(Separable(16, 32, 2), CrossStage(32, 32, 1, skip=True))
        self.stage8 = nn.Sequential(Separable(32, fine, 2), CrossStage(fine, fine, 3, skip=True))
        self.stage16 = nn.Sequential(Separable(fine, middle, 2), CrossStage(middle, middle, 3, skip=True))
        self.stage32 = nn.Sequential(Separable(middle, coarse, 2), SpatialPyramid(coarse), CrossStage(coarse, coarse))
        self.narrow32, self.up16 = Conv(coarse, middle), CrossStage(2 * middle, middle)
        self.narrow16, self.up8 = Conv(middle, fine), CrossStage(2 * fine, fine)
        self.down16, self.join16 = Separable(fine, fine, 2), CrossStage(2 * fine, middle)
        self.down32, self.join32 = Separable(middle, middle, 2), CrossStage(2 * middle, coarse)
        self.heads = nn.ModuleList(Head(c) for c in CHANNELS)

    def forward(self, x: Tensor) -> list[Tensor]:
        corners = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        at8 = self.stage8(self.stage4(self.stem(torch.cat(corners, 1))))
        at16 = self.stage16(at8)
        narrow32 = self.narrow32(self.stage32(at16))
        narrow16 = self.narrow16(self.up16(torch.cat((double(narrow32), at16), 1)))
        fine = self.up8(torch.cat((double(narrow16), at8), 1))
        middle = self.join16(torch.cat((self.down16(fine), narrow16), 1))
        coarse = self.join32(torch.cat((self.down32(middle), narrow32), 1))
        return [head(x) for head, x in zip(self.heads, (fine, middle, coarse), strict=True)]


def double(x: Tensor) -> Tensor:
    """Each pixel 2 x 2."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
