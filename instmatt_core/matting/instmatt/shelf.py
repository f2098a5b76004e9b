"""Large maps that wait until they are needed: in memory while there is room, then in temporary files."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .areas import Area


class FileMap:
    """A float32 map ``(C, H, W)`` of zeros in a temporary file; read and written by ``map[(..., *area)]``."""

    def __init__(self, channels: int, size: tuple[int, int], device: torch.device):
        self.channels, self.size, self.device = channels, size, device
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (open as long as the map lives)
        self._file.truncate(4 * channels * size[0] * size[1])
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def __getitem__(self, where: tuple[object, slice, slice]) -> Tensor:
        area = Area(*where[1:])
        pixels = np.empty((area.rows.stop - area.rows.start, area.columns.stop - area.columns.start, self.channels), np.float32)
        with self._lock:
            for row, start in zip(pixels, self._starts(area), strict=True):
                self._file.seek(start)
                self._file.readinto(row)
        return torch.from_numpy(pixels).permute(2, 0, 1).to(self.device)

    def __setitem__(self, where: tuple[object, slice, slice], values: Tensor) -> None:
        pixels = np.ascontiguousarray(values.permute(1, 2, 0).cpu().numpy())
        with self._lock:
            for row, start in zip(pixels, self._starts(Area(*where[1:])), strict=True):
                self._file.seek(start)
                self._file.write(row)

    def _starts(self, area: Area) -> Iterator[int]:
        for y in range(area.rows.start, area.rows.stop):
            yield 4 * self.channels * (y * self.size[1] + area.columns.start)


class Shelf:
    """Gives out maps.

    Args:
        room: how many bytes of them may be in memory.
        device: where those are, and where the others are read to.
    """

    def __init__(self, room: float, device: torch.device):
        self.room, self.device = room, device

    def new(self, channels: int, size: tuple[int, int]) -> Tensor | FileMap:
        """Zeros ``(channels, H, W)``, channels last."""
        needed = 4 * channels * size[0] * size[1]
        if needed > self.room:
            return FileMap(channels, size, self.device)
        self.room -= needed
        return torch.zeros(*size, channels, device=self.device).permute(2, 0, 1)
