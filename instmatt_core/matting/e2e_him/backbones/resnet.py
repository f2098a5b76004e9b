"""ResNet-50 (He et al., CVPR 2016) on the picture; keys as torchvision's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ...residual import residual_layer
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
            self.add_module(f"layer{index + 1}", residual_layer(inp, out, depth, 2 if index else 1))
            inp = out

    def forward(self, image: Tensor, stem: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        maps = []
        for index in range(4):
            x = self.get_submodule(f"layer{index + 1}")(x)
            maps.append(x)
        return maps
