"""The network of the people detector: EfficientNet-lite2, a feature pyramid, centres, and a small mask network per person.

The design follows CondInst (Tian et al., 2020) on centres (Zhou et al., 2019): a heat map at stride 8 says where the centre of a
person's visible part is; the features there make the weights of three 1x1 convolutions, which draw that person's mask from
mask features and coordinates relative to the centre at stride 4, each pixel 2 x 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...pyramid import FINE, WIDTH, Pyramid, Separable

CENTRE_STRIDE, MASK_STRIDE = 8, 4
MASK_CHANNELS = 12  # of the shared mask features
LAYERS = ((MASK_CHANNELS + 2, 12), (12, 12), (12, 4))  # inputs and outputs of a person's own layers; the last makes 2 x 2 pixels
OUTPUT_STRIDE = 2
PROMPTS = 3  # of a prompted network: a box, the mask known of who is in it, and that of others
COORDINATE_SCALE = 64.0  # px of the input per unit of the coordinates relative to a centre


class PeopleNetwork(Pyramid):
    """Where people are, and what draws each one's mask.

    Input ``(B, 3, H, W)`` RGB in [0, 1], H and W multiples of 32. Output: centre logits ``(B, 1, H/8, W/8)``, mask weights
    ``(B, P, H/8, W/8)``, mask features ``(B, 12, H/4, W/4)``, logits of "somebody is here" ``(B, 1, H/4, W/4)``.

    Args:
        prompted: it is told whom to look at, and has no eyes for others: ``prompt (B, 3, H/4, W/4)`` is 1 in a box about the person's,
            then what masks there are of the person, and of all others, in [0, 1].
    """

    def __init__(self, prompted: bool = False) -> None:
        super().__init__(PROMPTS if prompted else 0)
        self.people = nn.Sequential(Separable(WIDTH + 2, WIDTH), Separable(WIDTH, WIDTH), Separable(WIDTH, WIDTH))
        self.centre = nn.Conv2d(WIDTH, 1, 1)
        self.weights = nn.Conv2d(WIDTH, sum(i * o + o for i, o in LAYERS), 1)
        self.features = nn.Conv2d(FINE, MASK_CHANNELS, 1)
        self.somebody = nn.Conv2d(FINE, 1, 1)
        nn.init.constant_(self.centre.bias, -4.0)  # type: ignore[arg-type]
        nn.init.normal_(self.weights.weight, std=0.01)

    def forward(self, x: Tensor, prompt: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mask, p8, _, _ = super().forward(x, prompt)
        y, x = coordinates(p8.shape[2], p8.shape[3], p8.device)
        place = torch.stack((x / p8.shape[3], y / p8.shape[2])).to(p8.dtype).expand(len(p8), -1, -1, -1) * 2 - 1
        people = self.people(torch.cat((p8, place), 1))
        return self.centre(people), self.weights(people), self.features(mask), self.somebody(mask)


def coordinates(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """``(height, width)`` y and x of the middles of cells, in cells."""
    y, x = torch.meshgrid(torch.arange(height, device=device) + 0.5, torch.arange(width, device=device) + 0.5, indexing="ij")
    return y, x


def draw_masks(features: Tensor, weights: Tensor, cells: Tensor) -> Tensor:
    """Mask logits of some people of one picture.

    Args:
        features: ``(12, H/4, W/4)``.
        weights: ``(K, P)``, the network's mask weights at the people's cells.
        cells: ``(K, 2)`` row and column of those cells.

    Returns:
        ``(K, H/2, W/2)``.
    """
    people, (_, height, width) = len(weights), features.shape
    y, x = (MASK_STRIDE * v.flatten() for v in coordinates(height, width, features.device))
    centres = CENTRE_STRIDE * (cells.to(y.dtype) + 0.5)
    relative = torch.stack((y - centres[:, :1], x - centres[:, 1:]), 1) / COORDINATE_SCALE
    z = torch.cat((relative.to(features.dtype), features.flatten(1).expand(people, -1, -1)), 1)
    start = 0
    for i, (inp, out) in enumerate(LAYERS):
        kernel = weights[:, start : start + inp * out].view(people, out, inp)
        bias = weights[:, start + inp * out : start + inp * out + out].view(people, out, 1)
        start += inp * out + out
        z = torch.baddbmm(bias, kernel, z)
        z = F.relu(z) if i + 1 < len(LAYERS) else z
    return F.pixel_shuffle(z.view(people, LAYERS[-1][1], height, width), 2)[:, 0]
