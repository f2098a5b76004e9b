"""What belongs to a person, from the people detector's pyramid: this project's addition to a small InstMatt network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...pyramid import FINE, PROMPT_STRIDE, WIDTH, Pyramid
from ..conventions import denormalise
from .config import InstMattConfig

PROMPTS = 2  # target and reference of the tri-mask
SHRUNK = 2  # it sees the picture so many times smaller
MULTIPLE = 32  # of the sides of what the pyramid sees


class Semantics(nn.Module):
    """The pyramid of the detector's closer look, told by the tri-mask who is meant.

    Its maps are added to what the encoder gives the decoder at /8, /16 and /32; as zeros at first. It sees the whole picture at once,
    whatever memory the strips may take.
    """

    def __init__(self, config: InstMattConfig) -> None:
        super().__init__()
        self.pyramid = Pyramid(PROMPTS)
        self.into = nn.ModuleList(nn.Conv2d(inp, out, 1) for inp, out in zip((FINE, WIDTH, WIDTH), config.widths[2:], strict=True))
        for parameter in self.into.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor, tri_masks: Tensor) -> list[Tensor]:
        """Maps of the config's widths at /8, /16 and /32 of pictures ``(B, 3, H, W)``, normalised, and tri-masks ``(B, 3, H, W)``."""
        seen = _filled(F.avg_pool2d(denormalise(image), SHRUNK), MULTIPLE)
        told = _filled(F.avg_pool2d(tri_masks[:, :PROMPTS], SHRUNK * PROMPT_STRIDE), MULTIPLE // PROMPT_STRIDE)
        maps = []
        for conv, x, stride in zip(self.into, self.pyramid(seen, told), (8, 16, 32), strict=False):
            maps.append(conv(x[:, :, : image.shape[2] // stride, : image.shape[3] // stride]))
        return maps

    def start(self, closer: Mapping[str, Tensor]) -> None:
        """Begin with the weights of the closer look: its box and its mask become the target, others' masks the reference."""
        own = self.pyramid.state_dict()
        state = {key: value for key, value in closer.items() if key in own}
        box, person, others = closer["prompt.weight"].unbind(1)
        state["prompt.weight"] = torch.stack((box + person, others), 1)
        self.pyramid.load_state_dict(state)


def _filled(x: Tensor, multiple: int) -> Tensor:
    """With its last row and column repeated up to multiples."""
    return F.pad(x, (0, -x.shape[3] % multiple, 0, -x.shape[2] % multiple), "replicate")
