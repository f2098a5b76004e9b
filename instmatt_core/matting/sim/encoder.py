"""SIM's encoder: ResNet-50 with a deep stem, at /8 by dilation, that sees the semantic trimap through a stem of its own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..residual import residual_layer
from .classifier import CLASSES

CHANNELS = 11  # normalised RGB, six click maps, where the trimap is background and foreground


class Encoder(nn.Module):
    """``(B, 11, H, W)`` and the semantic trimap ``(B, 20, H, W)`` to maps of 128, 256 and 2048 channels at /2, /4 and /8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv1_side = nn.Conv2d(CHANNELS, 64, 3, 2, 1, bias=False), nn.Conv2d(CLASSES, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128)
        self.layer1 = residual_layer(128, 256, 3)
        self.layer2 = residual_layer(256, 512, 4, stride=2)
        self.layer3 = residual_layer(512, 1024, 6, dilation=2)
        self.layer4 = residual_layer(1024, 2048, 3, dilation=4, first_dilation=2)

    def forward(self, x: Tensor, semantics: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.relu(self.bn1(self.conv1(x) + self.conv1_side(semantics)))
        at2 = F.relu(self.bn3(self.conv3(F.relu(self.bn2(self.conv2(x))))))
        at4 = self.layer1(F.max_pool2d(at2, 3, 2, 1))
        return at2, at4, self.layer4(self.layer3(self.layer2(at4)))
