"""Detectors and matting systems by name, loaded when first chosen and then kept."""

from __future__ import annotations

import threading
from typing import Any

from instmatt_core.pipeline import DETECTORS, MATTING, Pipeline


class Models:
    """What this server can run; may be shared by threads.

    Args:
        detector, matting: names to offer first.
        device: see :class:`instmatt_core.Pipeline`.

    Raises:
        UsageError: a name is not known or the device is not there.
    """

    def __init__(self, detector: str = "blazepose", matting: str = "closed-form", device: str = "auto"):
        self.device = Pipeline(detector, matting, device).device
        self.detectors = sorted(DETECTORS, key=lambda name: name != detector)
        self.mattings = sorted(MATTING, key=lambda name: name != matting)
        self._parts: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def detector(self, name: str) -> Any:
        """A detector, loaded.

        Raises:
            UsageError, WeightsError: it does not exist or its weights are missing; the message says how to get them.
        """
        with self._lock:
            if ("detector", name) not in self._parts:
                self._parts["detector", name] = Pipeline(detector=name, device=self.device).detector
            return self._parts["detector", name]

    def matting(self, name: str) -> Any:
        """A matting system, loaded; raises as :meth:`detector`."""
        with self._lock:
            if ("matting", name) not in self._parts:
                self._parts["matting", name] = Pipeline(matting=name, device=self.device).matting
            return self._parts["matting", name]

    def pipeline(self, detector: str, matting: str) -> Pipeline:
        """Both, chained; raises as :meth:`detector`."""
        return Pipeline(self.detector(detector), self.matting(matting), self.device)
