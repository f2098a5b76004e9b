"""InstMatt's encoder: a ResNet-34-like trunk on picture and tri-mask, with five shortcut branches to the decoder."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .config import InstMattConfig
from .spectral import SpectralConv

CHANNELS = 6  # normalised RGB, then target, reference and background


class EncoderBlock(nn.Module):
    """Two 3 x 3 convolutions and a skip; with ``stride`` 2 the skip is pooled and projected."""

    def __init__(self, inp: int, out: int, stride: int = 1):
        super().__init__()
        self.conv1, self.bn1 = SpectralConv(inp, out, 3, stride), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = SpectralConv(out, out), nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), SpectralConv(inp, out, 1), nn.BatchNorm2d(out)) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


def shortcut(inp: int, out: int) -> nn.Sequential:
    """The branch from the encoder to the decoder at one size; its output may be negative."""
    parts = [(SpectralConv(i, out), nn.ReLU(), nn.BatchNorm2d(out)) for i in (inp, out)]
    return nn.Sequential(*(layer for part in parts for layer in part))


class Encoder(nn.Module):
    """From the 6-channel input ``(B, 6, H, W)`` to the map at /32 and the shortcuts at /1, /2, /4, /8, /16."""

    def __init__(self, config: InstMattConfig) -> None:
        super().__init__()
        at2, at4, at8, at16, at32 = config.widths
        first, second, third, last = config.encoder_depths
        self.conv1, self.bn1 = SpectralConv(CHANNELS, at2, 3, 2), nn.BatchNorm2d(at2)
        self.conv2, self.bn2 = SpectralConv(at2, at2), nn.BatchNorm2d(at2)
        self.conv3, self.bn3 = SpectralConv(at2, at4, 3, 2), nn.BatchNorm2d(at4)
        self.layer1 = _layer(at4, at4, 1, first)
        self.layer2 = _layer(at4, at8, 2, second)
        self.layer3 = _layer(at8, at16, 2, third)
        self.layer_bottleneck = _layer(at16, at32, 2, last)
        self.shortcut = nn.ModuleList(shortcut(i, o) for i, o in ((CHANNELS, at2), (at2, at2), (at4, at4), (at8, at8), (at16, at16)))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        deepest, shortcuts = self.trunk(x)
        return deepest, [self.shortcut[0](x), *shortcuts]

    def trunk(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """All but the shortcut at full size, which costs as much memory as everything else."""
        x1 = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        x2 = self.layer1(F.relu(self.bn3(self.conv3(x1))))
        x3 = self.layer2(x2)
        x4 = self.layer3(x3)
        branches = list(self.shortcut)[1:]
        return self.layer_bottleneck(x4), [branch(m) for branch, m in zip(branches, (x1, x2, x3, x4), strict=True)]


def _layer(inp: int, out: int, stride: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(EncoderBlock(inp, out, stride), *(EncoderBlock(out, out) for _ in range(blocks - 1)))
