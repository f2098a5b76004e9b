"""Atrous spatial pyramid pooling between InstMatt's encoder and decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (1, 2, 4, 8)  # of aspp1 (1 x 1) and aspp2 to aspp4 (3 x 3); aspp5 sees the mean of the whole map


class ASPP(nn.Module):
    """Five views of ``(B, channels, H/32, W/32)``, merged to the same shape."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        for index, dilation in enumerate(DILATIONS, 1):
            k = 1 if dilation == 1 else 3
            self.add_module(f"aspp{index}", nn.Conv2d(channels, width, k, padding=dilation * (k // 2), dilation=dilation, bias=False))
            self.add_module(f"aspp{index}_bn", nn.BatchNorm2d(width))
        self.aspp5, self.aspp5_bn = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(5 * width, channels, 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        views = [self._view(index, x) for index in range(1, 5)]
        views.append(self._view(5, x.mean((2, 3), keepdim=True)).expand_as(views[0]))
        return F.relu(self.bn2(self.conv2(torch.cat(views, 1))))

    def _view(self, index: int, x: Tensor) -> Tensor:
        conv, norm = self.get_submodule(f"aspp{index}"), self.get_submodule(f"aspp{index}_bn")
        return F.relu(norm(conv(x)))
