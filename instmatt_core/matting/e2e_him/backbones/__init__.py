"""Feature pyramids for E2E-HIM.

A backbone is a module ``(image, stem) -> maps``: ``image (B, 3, H, W)`` is the normalised picture, ``stem (B, 128, H/4, W/4)``
what the network's own first convolutions make of it; a backbone reads the one or the other. ``maps`` are four, at 1/4, 1/8, 1/16
and 1/32 of the size, with ``channels`` channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....errors import UsageError


def _swin_t() -> Any:
    from .swin import SwinT

    return SwinT()


def _resnet50() -> Any:
    from .resnet import ResNet50

    return ResNet50()


def _efficientnet_lite2() -> Any:
    from .efficientnet import EfficientNetLite2

    return EfficientNetLite2()


BACKBONES: dict[str, Callable[[], Any]] = {"swin-t": _swin_t, "resnet50": _resnet50, "efficientnet-lite2": _efficientnet_lite2}


def backbone(name: str) -> Any:
    """A new backbone by name.

    Raises:
        UsageError: the name is not known.
    """
    if name not in BACKBONES:
        raise UsageError(f"no backbone is called {name!r}; there is {', '.join(BACKBONES)}")
    return BACKBONES[name]()
