"""Models for the demo that wait for a signal: whatever happens meanwhile is no race."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from instmatt_demo import Models
from torch import Tensor

from instmatt_core import InstanceMasks, Pipeline, WeightsError


class GatedModels(Models):
    """Toys: the detector finds one person, the whole picture, as soon as the gate is open."""

    def __init__(self) -> None:
        super().__init__(Pipeline(device="cpu"))
        self.detectors, self.mattings = ["toy"], ["toy", "heavy", *self.mattings]
        self.gate, self.waiting, self.stopped = threading.Event(), threading.Event(), threading.Event()
        self.widths: list[int] = []
        self.running = self.most = 0

    def pipeline(self, detector: str, matting: str) -> Pipeline:
        if matting == "heavy":
            raise WeightsError("heavy.safetensors is not here; run: instmatt weights heavy")
        return Pipeline(self.detect, lambda image, people, progress: people.masks, "cpu")

    def detect(self, image: Tensor, progress: Callable[[float], None]) -> InstanceMasks:
        self.running += 1
        self.most = max(self.most, self.running)
        self.waiting.set()
        try:
            while not self.gate.wait(0.02):
                progress(0.5)  # raises Cancelled
        except Exception:
            self.stopped.set()
            raise
        finally:
            self.running -= 1
        self.widths.append(image.shape[2])
        return InstanceMasks.from_masks(torch.ones(1, *image.shape[1:]))
