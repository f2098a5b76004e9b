"""How large an InstMatt network is. The default is the authors'; smaller ones have the same keys, and fewer of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class InstMattConfig:
    """Widths in channels, depths in residual blocks.

    Inference in strips relies on depths that are at most the default's.

    Attributes:
        widths: at /2 (and /1), /4, /8, /16 and /32.
        encoder_depths: of ``layer1``, ``layer2``, ``layer3`` and ``layer_bottleneck``.
        decoder_depths: of ``layer1`` to ``layer4``.
        aspp: of each of the five views of the pyramid.
        head: inside the tri-matte heads.
        refiner: of each third of what ``split`` returns; ``merge`` is twice as wide. 0 for no refiner.
        semantics: whether it has :class:`.semantics.Semantics`, which the authors' has not.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    encoder_depths: tuple[int, ...] = (3, 4, 4, 2)
    decoder_depths: tuple[int, ...] = (2, 3, 3, 2)
    aspp: int = 256
    head: int = 32
    refiner: int = 16
    semantics: bool = False


AUTHORS = InstMattConfig()


def config_of(state: Mapping[str, Tensor]) -> InstMattConfig:
    """How large the network is that a state dict is of; the authors' where that cannot be told."""

    def width(key: str) -> int:
        return state[key].shape[0]

    def depth(layer: str) -> int:
        return 1 + max(int(found[1]) for key in state if (found := re.match(rf"{layer}\.(\d+)\.", key)))

    encoder, decoder = ("layer1", "layer2", "layer3", "layer_bottleneck"), ("layer1", "layer2", "layer3", "layer4")
    try:
        widths = [width(f"encoder.{name}.module.weight_bar") for name in ("conv1", "conv3", *(f"{layer}.0.conv1" for layer in encoder[1:]))]
        return InstMattConfig(
            tuple(widths),
            tuple(depth(rf"encoder\.{layer}") for layer in encoder),
            tuple(depth(rf"decoder\.{layer}") for layer in decoder),
            width("aspp.aspp1.weight"),
            width("decoder.refine_OS1.0.weight"),
            width("refiner.split.weight") // 3 if any(key.startswith("refiner.") for key in state) else 0,
            any(key.startswith("semantics.") for key in state),
        )
    except (KeyError, ValueError, IndexError):
        return AUTHORS
