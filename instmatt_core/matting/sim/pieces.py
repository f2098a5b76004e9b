"""A large picture in overlapping pieces whose results fade into each other."""

from __future__ import annotations

import torch
from torch import Tensor


def pieces(length: int, most: int, overlap: int) -> list[slice]:
    """An axis cut into about equal pieces of at most ``most`` px, neighbours sharing at least about ``overlap`` px."""
    count = max(1, -(-(length - overlap) // (most - overlap)))
    side = min(length, -(-(length + (count - 1) * overlap) // count))
    starts = [i * (length - side) // max(count - 1, 1) for i in range(count)]
    return [slice(start, start + side) for start in starts]


def fading(piece: slice, length: int, overlap: int) -> Tensor:
    """How much a piece's word counts along the whole axis, ``(length,)``: 1 inside, less towards its neighbours, 0 outside."""
    places = torch.arange(length)
    from_start = places - piece.start + 1 if piece.start else torch.full_like(places, overlap)
    from_stop = piece.stop - places if piece.stop < length else torch.full_like(places, overlap)
    return torch.minimum(from_start, from_stop).clamp(0, overlap) / overlap
