"""InstMatt's decoder: back to full size in five steps, with a tri-matte head at /8, /4 and /1."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .config import InstMattConfig
from .spectral import SpectralConv, SpectralUpConv

SLOPE = 0.2  # of every leaky ReLU here


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


class DecoderBlock(nn.Module):
    """Two convolutions and a skip; with ``up`` the first doubles the size."""

    def __init__(self, inp: int, out: int, up: bool = False):
        super().__init__()
        self.conv1: nn.Module = SpectralUpConv(inp, inp) if up else SpectralConv(inp, inp)
        self.bn1 = nn.BatchNorm2d(inp)
        self.conv2, self.bn2 = SpectralConv(inp, out), nn.BatchNorm2d(out)
        self.upsample = nn.Sequential(nn.Upsample(scale_factor=2), SpectralConv(inp, out, 1), nn.BatchNorm2d(out)) if up else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(leaky(self.bn1(self.conv1(x)))))
        return leaky(y + self.upsample(x))


def head(channels: int, width: int) -> nn.Sequential:
    """Tri-matte logits from a decoder map."""
    hidden = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    return nn.Sequential(hidden, nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE), nn.Conv2d(width, 3, 3, padding=1))


class Decoder(nn.Module):
    """From the map at /32 and the shortcuts to logits at /1, /4 and /8 and the feature at /1."""

    def __init__(self, config: InstMattConfig) -> None:
        super().__init__()
        at2, at4, at8, at16, at32 = config.widths
        first, second, third, last = config.decoder_depths
        self.layer1 = _layer(at32, at16, first)
        self.layer2 = _layer(at16, at8, second)
        self.layer3 = _layer(at8, at4, third)
        self.layer4 = _layer(at4, at2, last)
        self.conv1, self.bn1 = SpectralUpConv(at2, at2), nn.BatchNorm2d(at2)
        self.refine_OS1, self.refine_OS4, self.refine_OS8 = (head(width, config.head) for width in (at2, at4, at8))

    def forward(self, x: Tensor, shortcuts: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        half, os4, os8 = self.trunk(x, shortcuts[1:])
        feature = leaky(self.bn1(self.conv1(half))) + shortcuts[0]
        return self.refine_OS1(feature), os4, os8, feature

    def trunk(self, x: Tensor, shortcuts: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """All but the last step: the map at /2, and the logits at /4 and /8."""
        f2, f3, f4, f5 = shortcuts
        at8 = self.layer2(self.layer1(x) + f5) + f4
        at4 = self.layer3(at8) + f3
        return self.layer4(at4) + f2, self.refine_OS4(at4), self.refine_OS8(at8)


def _layer(inp: int, out: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(DecoderBlock(inp, out, up=True), *(DecoderBlock(out, out) for _ in range(blocks - 1)))
