"""ResNet-50 (He et al., CVPR 2016) on the picture, the stride of a stage in its first 3x3 convolution; keys as torchvision's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from . import Backbone


class ResNet50(Backbone):
    """See the package for the signature."""

    channels = (256, 512, 1024, 2048)
    depths = (3, 4, 6, 3)
    classifier = ("fc.",)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inp = 64
        for index, (out, depth) in enumerate(zip(self.channels, self.depths, strict=True)):
            first = ResidualBlock(inp, out, 2 if index else 1)
            self.add_module(f"layer{index + 1}", nn.Sequential(first, *(ResidualBlock(out, out) for _ in range(depth - 1))))
            inp = out

    def forward(self, image: Tensor, stem: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        maps = []
        for index in range(4):
            x = self.get_submodule(f"layer{index + 1}")(x)
            maps.append(x)
        return maps


class ResidualBlock(nn.Module):
    """1x1, 3x3, 1x1 with a skip, itself a 1x1 convolution where the shape changes."""

    def __init__(self, inp: int, out: int, stride: int = 1):
        super().__init__()
        middle = out // 4
        self.conv1, self.bn1 = nn.Conv2d(inp, middle, 1, bias=False), nn.BatchNorm2d(middle)
        self.conv2, self.bn2 = nn.Conv2d(middle, middle, 3, stride, 1, bias=False), nn.BatchNorm2d(middle)
        self.conv3, self.bn3 = nn.Conv2d(middle, out, 1, bias=False), nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if inp != out else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))
