"""Residual bottlenecks as ResNet-50 has them (He et al., CVPR 2016), the stride in the 3x3 convolution; keys as torchvision's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..convolution import conv2d


class ResidualBlock(nn.Module):
    """1x1, 3x3, 1x1 with a skip, itself a 1x1 convolution where the shape changes."""

    def __init__(self, inp: int, out: int, stride: int = 1, dilation: int = 1):
        super().__init__()
        middle = out // 4
        self.conv1, self.bn1 = nn.Conv2d(inp, middle, 1, bias=False), nn.BatchNorm2d(middle)
        self.conv2, self.bn2 = nn.Conv2d(middle, middle, 3, stride, dilation, dilation, bias=False), nn.BatchNorm2d(middle)
        self.conv3, self.bn3 = nn.Conv2d(middle, out, 1, bias=False), nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if inp != out else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


def residual_layer(inp: int, out: int, depth: int, stride: int = 1, dilation: int = 1, first_dilation: int = 1) -> nn.Sequential:
    """``depth`` blocks; the first has the stride and a dilation of its own."""
    first = ResidualBlock(inp, out, stride, first_dilation)
    return nn.Sequential(first, *(ResidualBlock(out, out, 1, dilation) for _ in range(depth - 1)))


def run_folded(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer whose norms have been folded into its convolutions."""
    for block in layer.children():
        assert isinstance(block, ResidualBlock)
        skip = x if block.downsample is None else conv2d(x, block.downsample[0])
        x = conv2d(conv2d(conv2d(x, block.conv1, "relu"), block.conv2, "relu"), block.conv3, "relu", add=skip)
    return x
