"""Detectors and matting systems by name: what each still lacks on this machine; loaded when first chosen and then kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from instmatt_core.errors import UsageError, WeightsError
from instmatt_core.pipeline import DETECTORS, END_TO_END, MATTING, Pipeline
from instmatt_core.weights.store import locate, resolve

# The files and packages that are not in this one; a system that is not named here needs none.
WEIGHTS = {
    "mask-rcnn": ["mask-rcnn"],
    "rf-detr-seg": ["rf-detr-seg-medium"],
    "blazepose": ["blazepose-detector", "blazepose-landmarks"],
    "instmatt": ["instmatt"],
    "sim": ["sim", "sim-classifier"],
    "e2e-him": ["e2e-him"],
}
PACKAGES = {
    "rf-detr-seg": ("transformers", 'pip install ".[detectors]" where this project lies'),
    "detectron2": ("detectron2", "see https://detectron2.readthedocs.io for the command that fits your torch"),
}
GOOD, ALL = "Good, 2000 px", "All pixels"
SIDES: dict[str, int | None] = {"Fast, 1000 px": 1000, GOOD: 2000, ALL: None}


@dataclass(frozen=True)
class Lack:
    """Something that a system needs and that is not here: in a word, and how to get it (commands are indented)."""

    what: str
    how: str


class Models:
    """What this server can run; may be shared by threads.

    Args:
        first: what to offer first. Its device, precision and memory hold for all systems, its weights and ``compat`` for its own.
        max_side: a working size in px to offer first.

    Attributes:
        detectors, mattings: names, those of ``first`` at the front.
        sides: working sizes in px by their label, None for all pixels; ``side`` is the label to offer first.
    """

    def __init__(self, first: Pipeline | None = None, max_side: int | None = None):
        first = first or Pipeline()
        self.detectors = sorted(DETECTORS, key=lambda name: name != first.detector.name)
        self.mattings = sorted((*MATTING, *END_TO_END), key=lambda name: name != first.matting.name)
        if first.options.compat == "paper":  # which sizes pictures itself
            self.sides, self.side = {ALL: SIDES[ALL]}, ALL
        elif max_side:
            self.side = f"{max_side} px"
            self.sides = {self.side: max_side, **SIDES}
        else:
            self.sides, self.side = SIDES, GOOD
        self._options = first.options
        self._detectors = {first.detector.name: first.detector}
        self._pipelines = {first.matting.name: first}
        self._lock = threading.Lock()

    def lacks(self, name: str) -> list[Lack]:
        """What keeps a detector or matting system from running here; nothing is loaded or downloaded to find out."""
        if name in self._pipelines or name in self._detectors:
            return []
        lacks = []
        package, command = PACKAGES.get(name, ("", ""))
        if package and find_spec(package) is None:
            lacks.append(Lack("not installed", f"the package {package}, which {name} needs, is not installed\n  {command}"))
        for file in WEIGHTS.get(name, ()):
            try:
                if locate(file) is None:
                    resolve(file, download=False)
            except WeightsError as error:
                lacks.append(Lack("no weights", str(error)))
        return lacks

    def choices(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Label and name of each; the label says so if something is missing."""
        return [(" ".join([name, *(f"({lack.what})" for lack in self.lacks(name)[:1])]), name) for name in names]

    def detector(self, name: str) -> Any:
        """A detector, loaded.

        Raises:
            UsageError: it does not exist, or something it needs is missing; the message says how to get it.
            WeightsError: its weights are damaged.
        """
        self._check(name)
        with self._lock:
            if name not in self._detectors:
                self._detectors[name] = self._pipeline(detector=name).detector
            return self._detectors[name]

    def matting(self, name: str) -> Any:
        """A matting step or an end-to-end system, loaded; raises as :meth:`detector`."""
        return self._loaded(name).matting

    def pipeline(self, detector: str, matting: str) -> Pipeline:
        """Both, chained; an end-to-end system comes without the detector. Raises as :meth:`detector`."""
        whole = self._loaded(matting)
        if matting in END_TO_END:
            return whole
        return Pipeline(self.detector(detector), whole.matting, **vars(whole.options))

    def _loaded(self, matting: str) -> Pipeline:
        self._check(matting)
        with self._lock:
            if matting not in self._pipelines:
                self._pipelines[matting] = self._pipeline(matting=matting).load(detector=False)
            return self._pipelines[matting]

    def _pipeline(self, **names: str) -> Pipeline:
        device, precision, memory_mb = self._options.device, self._options.precision, self._options.memory_mb
        return Pipeline(**names, device=device, precision=precision, memory_mb=memory_mb)

    def _check(self, name: str) -> None:
        if lacks := self.lacks(name):
            raise UsageError("\n".join(lack.how for lack in lacks))
