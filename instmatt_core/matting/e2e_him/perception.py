"""The general perception network: stem, backbone and query decoder find the people."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbones import Backbone
from .blocks import MLP, relu

QUERIES, WIDTH = 20, 256


@dataclass(frozen=True)
class Percepts:
    """What is seen: ``s2``, ``s4`` of the stem, ``x4`` to ``x32`` of the backbone (the number is the reduction in size), ``logits
    (B, 20, 2)`` (nobody, a person) and ``queries (B, 20, 258)``, the queries' descriptions with those two as probabilities."""

    s2: Tensor
    s4: Tensor
    x4: Tensor
    x8: Tensor
    x16: Tensor
    x32: Tensor
    logits: Tensor
    queries: Tensor


class Perception(nn.Module):
    """``image (B, 3, H, W)``, normalised, sides multiples of 32, to :class:`Percepts`."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.pre_conv = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.GroupNorm(16, 32), relu(), nn.Conv2d(32, 32, 3, 1, 1), nn.GroupNorm(16, 32), relu()
        )
        self.res1 = nn.Sequential(nn.Conv2d(32, 64, 3, 1, 1), nn.GroupNorm(32, 64), relu())
        self.ds1 = nn.Sequential(nn.Conv2d(64, 128, 3, 2, 1), nn.GroupNorm(32, 128), relu())
        self.trans = backbone
        self.toplayer = nn.Sequential(nn.Conv2d(backbone.channels[3], WIDTH, 1), nn.GroupNorm(32, WIDTH), relu())
        self.query_embed = nn.Embedding(QUERIES, WIDTH)
        self.decoder1 = QueryDecoder()
        self.globalfcnum = MLP(WIDTH, 128, 2)

    def forward(self, image: Tensor) -> Percepts:
        s2 = self.res1(self.pre_conv(image))
        s4 = self.ds1(s2)
        x4, x8, x16, x32 = self.trans(image, s4)
        memory = self.toplayer(x32).flatten(2).transpose(1, 2)
        position = self.query_embed.weight.expand(len(image), -1, -1)
        found = self.decoder1(position, memory)
        logits = self.globalfcnum(found)
        return Percepts(s2, s4, x4, x8, x16, x32, logits, torch.cat((found, logits.softmax(-1)), -1))


class QueryDecoder(nn.Module):
    """Six decoder layers of DETR (Carion et al., ECCV 2020), normed afterwards; targets start at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(QueryLayer() for _ in range(6))
        self.norm = nn.ModuleList([nn.LayerNorm(WIDTH)])

    def forward(self, position: Tensor, memory: Tensor) -> Tensor:
        """``position (B, 20, 256)`` of the queries, ``memory (B, N, 256)`` of the picture."""
        target = torch.zeros_like(position)
        for layer in self.layers:
            target = layer(target, position, memory)
        return self.norm[0](target)


class QueryLayer(nn.Module):
    """Attention among queries, attention to the picture, perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(WIDTH, 8, batch_first=True)
        self.multihead_attn = nn.MultiheadAttention(WIDTH, 8, batch_first=True)
        self.linear1 = nn.Linear(WIDTH, 2048)
        self.linear2 = nn.Linear(2048, WIDTH)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(WIDTH) for _ in range(3))

    def forward(self, target: Tensor, position: Tensor, memory: Tensor) -> Tensor:
        query = target + position
        target = self.norm1(target + self.self_attn(query, query, target, need_weights=False)[0])
        target = self.norm2(target + self.multihead_attn(target + position, memory, memory, need_weights=False)[0])
        return self.norm3(target + self.linear2(F.relu(self.linear1(target))))
