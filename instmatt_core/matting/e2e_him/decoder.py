"""The instance matting network: guidance and features to what a person's own kernels turn into tri-map and alpha."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .blocks import MLP, Bottleneck, PositionAttention, Stage, dynamic_conv, leaky, relu, upsample
from .guidance import Guides
from .perception import Percepts

TRIMAP_WIDTH, ALPHA_WIDTH = 256, 64


@dataclass(frozen=True)
class Features:
    """What kernels are applied to: ``trimap (B, 256, H/8, W/8)``, and ``alpha (B, 128, H/2, W/2)``, which ``c1`` brings to full size."""

    trimap: Tensor
    alpha: Tensor


@dataclass(frozen=True)
class Kernels:
    """A query's 1x1 kernels: ``trimap (B, N, 3, 256)`` with ``trimap_bias (B, N, 3)``, ``alpha (B, N, 64)`` with ``alpha_bias (B, N)``."""

    trimap: Tensor
    trimap_bias: Tensor
    alpha: Tensor
    alpha_bias: Tensor


class Decoder(nn.Module):
    """Down to 1/32 and up again, then the heads."""

    def __init__(self, channels: tuple[int, int, int, int]):
        super().__init__()
        c4, c8, c16, c32 = channels
        self.globalfc2 = MLP(258, 512, 512, 836)
        self.c8d = Stage(532, 512, 1, 32, relu(), Bottleneck(512, 128), Bottleneck(512, 128))
        self.c8d2 = Stage(512, 512, 3, 32, relu(), stride=2)
        self.c16 = Stage(512 + 512 + c16, 512, 1, 32, leaky(), Bottleneck(512, 128), Bottleneck(512, 128))
        self.c16d = Stage(512, 768, 3, 32, leaky(), stride=2)
        self.c32 = Stage(768 + c32, 1024, 1, 32, leaky(), Bottleneck(1024, 256))
        self.pam = PositionAttention(1024)
        self.c32b = Stage(1024, 1024, 1, 32, leaky(), Bottleneck(1024, 256), Bottleneck(1024, 256))
        self.c16u = Stage(512 + 1024 + c16, 512, 1, 32, leaky(), Bottleneck(512, 128), Bottleneck(512, 128))
        self.c8 = Stage(512 + c8 + 512, 512, 1, 32, leaky(), Bottleneck(512, 128), Bottleneck(512, 128))
        self.c8d3 = nn.Sequential(
            nn.Conv2d(512, 512, 3, 1, 1),
            nn.GroupNorm(32, 512),
            relu(),
            nn.Dropout(0.1),
            nn.Conv2d(512, TRIMAP_WIDTH, 3, 1, 1),
            nn.GroupNorm(32, TRIMAP_WIDTH),
            relu(),
        )
        self.c4 = Stage(512 + c4 + 128, 256, 3, 32, leaky(), Bottleneck(256, 64), Bottleneck(256, 64), Bottleneck(256, 64))
        self.c2 = Stage(256 + 64, 128, 3, 32, leaky(), nn.Conv2d(128, 128, 3, 1, 1), nn.GroupNorm(32, 128), leaky())
        # The authors' activations after these two are identities: nothing stands between them.
        self.c1 = nn.Sequential(OrderedDict({"0": nn.Conv2d(131, 96, 3, 1, 1), "2": nn.Conv2d(96, ALPHA_WIDTH, 3, 1, 1)}))

    def forward(self, seen: Percepts, guides: Guides) -> Features:
        d8 = self.c8d(*guides.mixtures, guides.m8, guides.segments)
        d16 = self.c16(self.c8d2(d8), guides.m16, seen.x16)
        d32 = self.c32b(self.pam(self.c32(self.c16d(d16), seen.x32)))
        t16 = self.c16u(d16, d32, seen.x16)
        t8 = self.c8(t16, seen.x8, d8)
        return Features(self.c8d3(t8), self.c2(self.c4(t8, seen.x4, seen.s4), seen.s2))

    def kernels(self, queries: Tensor) -> Kernels:
        """What each of ``queries (B, N, 258)`` looks for in the features."""
        trimap, trimap_bias, alpha, alpha_bias = self.globalfc2(queries).split((3 * TRIMAP_WIDTH, 3, ALPHA_WIDTH, 1), -1)
        return Kernels(trimap.unflatten(-1, (3, TRIMAP_WIDTH)), trimap_bias, alpha, alpha_bias[..., 0])

    def trimaps(self, features: Features, kernels: Kernels) -> Tensor:
        """Logits ``(B, N, 3, H/8, W/8)`` of background, unknown and foreground."""
        logits = dynamic_conv(features.trimap, kernels.trimap.flatten(1, 2), kernels.trimap_bias.flatten(1))
        return logits.unflatten(1, kernels.trimap_bias.shape[1:])

    def alphas(self, features: Features, image: Tensor, kernels: Kernels) -> Tensor:
        """``(B, N, H, W)`` in [0, 1]."""
        detail = self.c1(torch.cat((upsample(features.alpha), image), 1))
        return dynamic_conv(detail, kernels.alpha, kernels.alpha_bias).clamp(0, 1)
