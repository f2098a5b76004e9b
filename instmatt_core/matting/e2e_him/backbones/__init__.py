"""Feature pyramids for E2E-HIM.

A backbone is a module ``(image, stem) -> maps``: ``image (B, 3, H, W)`` is the normalised picture, ``stem (B, 128, H/4, W/4)``
what the network's own first convolutions make of it; a backbone reads the one or the other. ``maps`` are four, at 1/4, 1/8, 1/16
and 1/32 of the size, with ``channels`` channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import nn

from ....errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


class Backbone(nn.Module):
    """What backbones have in common.

    Attributes:
        channels: of the four maps.
        classifier: beginnings of the keys that files of ImageNet weights have besides; empty where there are no such files.
    """

    channels: ClassVar[tuple[int, int, int, int]]
    classifier: ClassVar[tuple[str, ...]] = ()


def _swin_t() -> Backbone:
    from .swin import SwinT

    return SwinT()


def _resnet50() -> Backbone:
    from .resnet import ResNet50

    return ResNet50()


def _efficientnet_lite2() -> Backbone:
    from .efficientnet import EfficientNetLite2

    return EfficientNetLite2()


BACKBONES: dict[str, Callable[[], Backbone]] = {"swin-t": _swin_t, "resnet50": _resnet50, "efficientnet-lite2": _efficientnet_lite2}


def backbone(name: str) -> Backbone:
    """A new backbone by name.

    Raises:
        UsageError: the name is not known.
    """
    if name not in BACKBONES:
        raise UsageError(f"no backbone is called {name!r}; there is {', '.join(BACKBONES)}")
    return BACKBONES[name]()


def load_imagenet(module: Backbone, state: Mapping[str, Tensor]) -> None:
    """Load a ResNet-50 or EfficientNet-Lite2 trained on ImageNet into its backbone; the classifier's tensors are left out.

    Raises:
        WeightsError: anything else is missing, left over or of another shape.
    """
    from ....weights.check import load_strictly

    features = {key: value for key, value in state.items() if not key.startswith(module.classifier)}
    load_strictly(module, features, type(module).__name__)
