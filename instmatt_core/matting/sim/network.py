"""SIM (Sun, Tang, Tai, CVPR 2021): picture, trimap and semantic trimap to the matte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...weights.check import load_strictly
from ..conventions import normalise
from .decoder import Decoder
from .encoder import Encoder

STRIDE = 8  # sides of the input must be multiples of it


@dataclass(frozen=True)
class Matte:
    """``alpha (B, 1, H, W)``, not yet clamped to [0, 1]; what only training looks at: ``foreground`` and ``background (B, 3, H, W)`` and
    ``attention (B, 3, H, W)``, weights of the losses, in [0, 1]."""

    alpha: Tensor
    foreground: Tensor
    background: Tensor
    attention: Tensor


class SIMNetwork(nn.Module):
    """The matting network, with the authors' state-dict keys."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, image: Tensor, known: Tensor, clicks: Tensor, semantics: Tensor) -> Matte:
        """Everything, as training needs it; H and W multiples of 8.

        Args:
            image: ``(B, 3, H, W)``, RGB in [0, 1].
            known: ``(B, 2, H, W)``, where the trimap is background and where foreground.
            clicks: ``(B, 6, H, W)``, see :mod:`.clicks`.
            semantics: ``(B, 20, H, W)``, see :mod:`.semantic_trimap`.
        """
        normed = normalise(image)
        feature = self.decoder(*self.encoder(torch.cat((normed, clicks, known), 1), semantics))
        x = torch.cat((feature, normed, image, known), 1)
        foreground, background = self.decoder.conv_up4_fb(x).sigmoid().chunk(2, 1)
        return Matte(self.decoder.conv_up4_alpha(x), foreground, background, self.decoder.conv_up4_attn(feature).sigmoid())


def build(state: Mapping[str, Tensor]) -> SIMNetwork:
    """The network with these weights, in evaluation mode.

    Raises:
        WeightsError: the state dict is of another network; the message lists what differs.
    """
    network = SIMNetwork()
    load_strictly(network, state, "sim")
    return network.eval()
