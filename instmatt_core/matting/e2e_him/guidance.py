"""The united guidance network: what tells the people apart, drawn as maps at 1/8."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .blocks import MLP, Bottleneck, Stage, dynamic_conv, relu
from .perception import Percepts

WIDTH = 128


@dataclass(frozen=True)
class Guides:
    """``mixtures``, of the people's vectors, two of ``(B, 128, H/8, W/8)``; ``segments (B, 20, H/8, W/8)``, a mask of each query;
    features ``m8 (B, 256, H/8, W/8)`` and ``m16 (B, 512, H/16, W/16)``."""

    mixtures: tuple[Tensor, Tensor]
    segments: Tensor
    m8: Tensor
    m16: Tensor


class Guidance(nn.Module):
    """:class:`Percepts` to :class:`Guides`."""

    def __init__(self, channels: tuple[int, int, int, int]):
        super().__init__()
        _, c8, c16, c32 = channels
        self.c32m = Stage(c32, 512, 1, 16, relu())
        self.c16m = Stage(512 + c16, 512, 3, 16, relu(), Bottleneck(512, 128), Bottleneck(512, 128))
        self.c8m = Stage(
            512 + c8, 256, 3, 16, relu(), Bottleneck(256, 64), Bottleneck(256, 64), nn.Conv2d(256, 256, 1), nn.GroupNorm(16, 256), relu()
        )
        self.globalfc = MLP(258, 512, 512, 771)
        self.globalfck = MLP(258, 2 * WIDTH)
        self.c1t1, self.c1t2 = nn.Conv2d(256, 1, 1), nn.Conv2d(256, 1, 1)
        self.otherwright1, self.otherwright2 = nn.Sequential(nn.Conv2d(256, WIDTH, 1)), nn.Sequential(nn.Conv2d(256, WIDTH, 1))
        self.g1, self.g2 = nn.GroupNorm(32, WIDTH), nn.GroupNorm(32, WIDTH)
        self.conv1, self.conv2 = nn.Conv2d(256, 1, 1), nn.Conv2d(256, 1, 1)  # in the authors' files, used by nothing

    def forward(self, seen: Percepts) -> Guides:
        m16 = self.c16m(self.c32m(seen.x32), seen.x16)
        m8 = self.c8m(m16, seen.x8)
        kernels = self.globalfc(seen.queries)
        first, second, segment = kernels[..., :256], kernels[..., 256:512], kernels[..., 514:770]
        vectors = self.globalfck(seen.queries)
        mixture1 = mix(dynamic_conv(m8, first, kernels[..., 512]), self.c1t1(m8), vectors[..., :WIDTH], self.otherwright1(m8), self.g1)
        mixture2 = mix(dynamic_conv(m8, second, kernels[..., 513]), self.c1t2(m8), vectors[..., WIDTH:], self.otherwright2(m8), self.g2)
        segments = dynamic_conv(m8, segment, kernels[..., 770]).sigmoid()
        return Guides((mixture1, mixture2), segments, m8, m16)


def mix(logits: Tensor, other_logits: Tensor, vectors: Tensor, other: Tensor, norm: nn.GroupNorm) -> Tensor:
    """At each pixel, the queries' vectors and the background's features weighted by who is there.

    Args:
        logits: ``(B, 20, H, W)`` of the queries.
        other_logits: ``(B, 1, H, W)`` of the background.
        vectors: ``(B, 20, C)`` of the queries, the same everywhere; their norm over the whole map is thus one over each group.
        other: ``(B, C, H, W)`` of the background.
        norm: shared by queries and background.

    Returns:
        ``(B, C, H, W)``.
    """
    share = torch.cat((logits, other_logits), 1).softmax(1)
    normed = norm(vectors.flatten(0, 1)[..., None]).view(vectors.shape)
    mixed = normed.transpose(1, 2) @ share[:, :-1].flatten(2)
    return mixed.view(other.shape) + share[:, -1:] * norm(other)
