"""Decoded pictures kept in memory, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import numpy as np

MOST_BYTES = 1 << 30  # of each function's pictures, in each process


def kept(read: Callable[[Path], np.ndarray]) -> Callable[[Path], np.ndarray]:
    """``read``, with the pictures of its latest calls kept: as many as :data:`MOST_BYTES` hold, and one at the least."""
    held: OrderedDict[Path, np.ndarray] = OrderedDict()
    total = 0

    @wraps(read)
    def read_or_recall(path: Path) -> np.ndarray:
        nonlocal total
        if path in held:
            held.move_to_end(path)
            return held[path]
        picture = held[path] = read(path)
        total += picture.nbytes
        while total > MOST_BYTES and len(held) > 1:
            total -= held.popitem(last=False)[1].nbytes
        return picture

    return read_or_recall
