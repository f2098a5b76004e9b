"""Human instance matting: one precise alpha matte per person.

    import instmatt_core
    mattes = instmatt_core.matte("group.jpg")
    mattes.save("out")

Names are loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import metrics
    from .compositing import cutout, estimate_foreground, over, overlay
    from .errors import Cancelled, DataError, GuidanceError, ImageError, InstMattError, UsageError, WeightsError
    from .guidance import tri_masks, trimaps
    from .image import read_image, write_png
    from .instances import InstanceMasks, InstanceMattes, TriMasks
    from .pipeline import Pipeline, matte

__version__ = "0.1.0"

_HOME = {
    "matte": "pipeline",
    "Pipeline": "pipeline",
    "InstanceMasks": "instances",
    "InstanceMattes": "instances",
    "TriMasks": "instances",
    "tri_masks": "guidance",
    "trimaps": "guidance",
    "cutout": "compositing",
    "estimate_foreground": "compositing",
    "over": "compositing",
    "overlay": "compositing",
    "read_image": "image",
    "write_png": "image",
    "InstMattError": "errors",
    "ImageError": "errors",
    "GuidanceError": "errors",
    "DataError": "errors",
    "WeightsError": "errors",
    "UsageError": "errors",
    "Cancelled": "errors",
}
_MODULES = ("metrics",)
__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
