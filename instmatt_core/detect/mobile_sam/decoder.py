"""The decoder of SAM (Kirillov et al., ICCV 2023): tokens and the picture's map attend to each other, twice, then draw one mask."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .encoder import EMBEDDING, ChannelNorm

HEADS = 8
HIDDEN = 2048  # of the tokens' perceptrons
TOKENS = 5  # learned ones: of quality and four masks, as published; only the first mask is drawn
MASK_TOKEN = 1
FINE = 32  # channels of the map at stride 4


class Decoder(nn.Module):
    """Mask logits ``(B, 4h, 4w)`` from a picture's map and its places ``(B, 256, h, w)`` and the prompt's tokens ``(B, N, 256)``."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(TOKENS, EMBEDDING))
        self.layers = nn.ModuleList(TwoWay() for _ in range(2))
        self.last = Attention(EMBEDDING // 2)
        self.norm = nn.LayerNorm(EMBEDDING)
        self.enlarge = nn.Sequential(
            nn.ConvTranspose2d(EMBEDDING, EMBEDDING // 4, 2, 2),
            ChannelNorm(EMBEDDING // 4),
            nn.GELU(),
            nn.ConvTranspose2d(EMBEDDING // 4, FINE, 2, 2),
            nn.GELU(),
        )
        self.draw = nn.Sequential(
            nn.Linear(EMBEDDING, EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, FINE)
        )

    def forward(self, image: Tensor, places: Tensor, prompt: Tensor) -> Tensor:
        size = image.shape[2:]
        asked = torch.cat((self.tokens.expand(len(prompt), -1, -1).to(prompt.dtype), prompt), 1)
        tokens, pixels, places = asked, image.flatten(2).mT, places.flatten(2).mT
        for i, layer in enumerate(self.layers):
            tokens, pixels = layer(tokens, pixels, asked, places, first=i == 0)
        tokens = self.norm(tokens + self.last(tokens + asked, pixels + places, pixels))
        fine = self.enlarge(pixels.mT.unflatten(2, size))
        return (self.draw(tokens[:, MASK_TOKEN])[:, :, None, None] * fine).sum(1)


class TwoWay(nn.Module):
    """Tokens attend to each other and to the picture, the picture to them."""

    def __init__(self) -> None:
        super().__init__()
        self.among = Attention(EMBEDDING)
        self.to_picture, self.to_tokens = Attention(EMBEDDING // 2), Attention(EMBEDDING // 2)
        self.widen, self.narrow = nn.Linear(EMBEDDING, HIDDEN), nn.Linear(HIDDEN, EMBEDDING)
        self.norms = nn.ModuleList(nn.LayerNorm(EMBEDDING) for _ in range(4))

    def forward(self, tokens: Tensor, pixels: Tensor, asked: Tensor, places: Tensor, first: bool) -> tuple[Tensor, Tensor]:
        # at first the tokens are still what was asked
        among = self.among(tokens, tokens, tokens) if first else tokens + self.among(tokens + asked, tokens + asked, tokens)
        tokens = self.norms[0](among)
        tokens = self.norms[1](tokens + self.to_picture(tokens + asked, pixels + places, pixels))
        tokens = self.norms[2](tokens + self.narrow(F.relu(self.widen(tokens))))
        return tokens, self.norms[3](pixels + self.to_tokens(pixels + places, tokens + asked, tokens))


class Attention(nn.Module):
    """Multi-head attention of ``(B, N, 256)`` to ``(B, M, 256)``, ``width`` channels wide."""

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(EMBEDDING, width) for _ in range(3))
        self.out = nn.Linear(width, EMBEDDING)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        parts = (self.query(query), self.key(key), self.value(value))
        query, key, value = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in parts)
        return self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Prompt(nn.Module):
    """What a box and masks ask for: two tokens, and a map to be added to the picture's."""

    frequencies: Tensor

    def __init__(self, masks: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(2, EMBEDDING // 2))
        self.corners = nn.Parameter(torch.randn(2, EMBEDDING))
        self.masks = nn.Sequential(
            nn.Conv2d(masks, 4, 2, 2),
            ChannelNorm(4),
            nn.GELU(),
            nn.Conv2d(4, 16, 2, 2),
            ChannelNorm(16),
            nn.GELU(),
            nn.Conv2d(16, EMBEDDING, 1),
        )

    def forward(self, boxes: Tensor, masks: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Tokens ``(B, 2, 256)`` and a map ``(B, 256, h, w)``.

        Args:
            boxes: ``(B, 4)`` x0, y0, x1, y1 px of a picture the longer side of which is ``side``.
            masks: ``(B, M, 4h, 4w)``.
        """
        return self.place((boxes.unflatten(1, (2, 2)) + 0.5) / side) + self.corners, self.masks(masks)

    def place(self, points: Tensor) -> Tensor:
        """``(..., 256)`` of points ``(..., 2)``, x and y in [0, 1]: sine and cosine of random frequencies (Tancik et al., 2020)."""
        turns = 2 * math.pi * ((2 * points - 1) @ self.frequencies)
        return torch.cat((turns.sin(), turns.cos()), -1)

    def places(self, height: int, width: int) -> Tensor:
        """``(256, height, width)`` of the middles of a map's cells."""
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        points = torch.stack((x, y), -1).to(self.frequencies) / max(height, width)
        return self.place(points).permute(2, 0, 1)
