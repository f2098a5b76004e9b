"""InstMatt (Sun, Tang, Tai, CVPR 2022): tri-mask to tri-matte, and the refiner of all instances together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...weights.check import load_strictly
from .aspp import ASPP
from .config import AUTHORS, InstMattConfig, config_of
from .decoder import Decoder
from .encoder import Encoder
from .refiner import Refiner
from .semantics import Semantics

STRIDE = 32  # sides of the input must be multiples of it


@dataclass(frozen=True)
class TriMatte:
    """Target, reference and background alphas ``(B, 3, H, W)`` in [0, 1] as seen at three sizes, and the decoder's feature
    ``(B, C, H, W)``."""

    os1: Tensor
    os4: Tensor
    os8: Tensor
    feature: Tensor


class InstMattNetwork(nn.Module):
    """The whole network, with the authors' state-dict keys. ``forward`` is the first stage; ``refiner`` is the second."""

    def __init__(self, config: InstMattConfig = AUTHORS) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.aspp = ASPP(config.widths[-1], config.aspp)
        self.decoder = Decoder(config)
        if config.refiner:
            self.refiner = Refiner(config)
        if config.semantics:
            self.semantics = Semantics(config)

    def forward(self, image: Tensor, tri_masks: Tensor) -> TriMatte:
        """Tri-mattes of pictures ``(B, 3, H, W)``, normalised, and tri-masks ``(B, 3, H, W)``; H and W multiples of 32."""
        deepest, shortcuts = self.encoder(torch.cat((image, tri_masks), 1))
        if self.config.semantics:
            *maps, at32 = self.semantics(image, tri_masks)
            deepest, shortcuts = deepest + at32, shortcuts[:3] + [x + y for x, y in zip(shortcuts[3:], maps, strict=True)]
        os1, os4, os8, feature = self.decoder(self.aspp(deepest), shortcuts)
        return TriMatte(activate(os1), activate(enlarge(os4, 4)), activate(enlarge(os8, 8)), feature)


def activate(logits: Tensor) -> Tensor:
    """Alphas in [0, 1] from logits."""
    return torch.sigmoid(2 * logits)


def enlarge(logits: Tensor, factor: int) -> Tensor:
    """Bilinear, half-pixel centres."""
    return F.interpolate(logits, scale_factor=factor, mode="bilinear", align_corners=False)


def build(state: Mapping[str, Tensor]) -> InstMattNetwork:
    """The network with these weights, of the size that they tell, in evaluation mode.

    Raises:
        WeightsError: the state dict is of another network; the message lists what differs.
    """
    network = InstMattNetwork(config_of(state))
    load_strictly(network, state, "instmatt")
    return network.eval()
