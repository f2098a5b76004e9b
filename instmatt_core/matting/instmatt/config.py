"""How large an InstMatt network is. The default is the authors'; smaller ones have the same keys, and fewer of them."""

from __future__ import annotations

from dataclasses import dataclass


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
        refiner: of each third of what ``split`` returns; ``merge`` is twice as wide.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    encoder_depths: tuple[int, ...] = (3, 4, 4, 2)
    decoder_depths: tuple[int, ...] = (2, 3, 3, 2)
    aspp: int = 256
    head: int = 32
    refiner: int = 16
