"""The network of the people detector: EfficientNet-lite2, a feature pyramid, centres, and a small mask network per person.

The design follows CondInst (Tian et al., 2020) on centres (Zhou et al., 2019): a heat map at stride 8 says where the centre of a
person's visible part is; the features there make the weights of three 1x1 convolutions, which draw that person's mask from
mask features and coordinates relative to the centre at stride 4, each pixel 2 x 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CENTRE_STRIDE, MASK_STRIDE = 8, 4
WIDTH = 96
MASK_CHANNELS = 12  # of the shared mask features
LAYERS = ((MASK_CHANNELS + 2, 12), (12, 12), (12, 4))  # inputs and outputs of a person's own layers; the last makes 2 x 2 pixels
OUTPUT_STRIDE = 2
COORDINATE_SCALE = 64.0  # px of the input per unit of the coordinates relative to a centre

# kernel, stride, expansion, output channels, repeats of EfficientNet-lite2 (stem and first block below)
_STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 3), (5, 2, 6, 48, 3), (3, 2, 6, 88, 4), (5, 1, 6, 120, 4), (5, 2, 6, 208, 5), (3, 1, 6, 352, 1))


class Conv(nn.Sequential):
    """Convolution with bias and ReLU6 unless ``act`` is False; the publisher's batch norm is folded into it.

    Stride 2 pads like TensorFlow's SAME on even sizes.
    """

    def __init__(self, inp: int, out: int, k: int = 1, stride: int = 1, groups: int = 1, act: bool = True):
        conv = nn.Conv2d(inp, out, k, stride, 0 if stride == 2 else k // 2, groups=groups)
        super().__init__(conv, *([nn.ReLU6()] if act else []))
        self.pad = (k // 2 - 1, k // 2) * 2 if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.pad is None else F.pad(x, self.pad))


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1; identity skip where the shapes allow."""

    def __init__(self, inp: int, out: int, k: int, stride: int, expansion: int):
        super().__init__()
        wide = inp * expansion
        self.expand = Conv(inp, wide) if expansion > 1 else nn.Identity()
        self.spatial = Conv(wide, wide, k, stride, groups=wide)
        self.project = Conv(wide, out, act=False)
        self.skip = stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.spatial(self.expand(x)))
        return x + y if self.skip else y


class EfficientNetLite2(nn.Module):
    """The backbone: ``(B, 3, H, W)`` in [-1, 1] to features at strides 4, 8, 16, 32 with 24, 48, 120, 352 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 32, 3, 2)
        blocks, inp = [], 32
        for k, stride, expansion, out, repeats in _STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(inp, out, k, stride if i == 0 else 1, expansion))
                inp = out
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, hint: Tensor | None = None) -> list[Tensor]:
        """``hint (B, 24, H/4, W/4)`` is added to the features at stride 4."""
        x = self.stem(x)
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i == 3 and hint is not None:
                x = x + hint
            if i in (3, 6, 14, 20):
                features.append(x)
        return features


class ConvNorm(nn.Sequential):
    """Convolution, batch norm, and ReLU6 unless ``act`` is False."""

    def __init__(self, inp: int, out: int, k: int = 1, groups: int = 1, act: bool = True):
        conv = nn.Conv2d(inp, out, k, padding=k // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out), *([nn.ReLU6()] if act else []))


class Separable(nn.Sequential):
    """Depthwise 5x5, then 1x1."""

    def __init__(self, inp: int, out: int):
        super().__init__(ConvNorm(inp, inp, 5, groups=inp, act=False), ConvNorm(inp, out))


class PeopleNetwork(nn.Module):
    """Where people are, and what draws each one's mask.

    Input ``(B, 3, H, W)`` RGB in [0, 1], H and W multiples of 32. Output: centre logits ``(B, 1, H/8, W/8)``, mask weights
    ``(B, P, H/8, W/8)``, mask features ``(B, 12, H/4, W/4)``, logits of "somebody is here" ``(B, 1, H/4, W/4)``.

    Args:
        prompted: it is told whom to look at, and has no eyes for others: ``prompt (B, 1, H/4, W/4)`` is 1 in a box about the person's.
    """

    def __init__(self, prompted: bool = False) -> None:
        super().__init__()
        self.backbone = EfficientNetLite2()
        self.prompt = nn.Conv2d(1, 24, 3, padding=1) if prompted else None
        self.lateral4, self.lateral8 = ConvNorm(24, 48, act=False), ConvNorm(48, WIDTH, act=False)
        self.lateral16, self.lateral32 = ConvNorm(120, WIDTH, act=False), ConvNorm(352, WIDTH, act=False)
        self.context = nn.Conv2d(352, WIDTH, 1)  # of the whole picture
        self.merge32, self.merge16 = Separable(WIDTH, WIDTH), nn.Sequential(Separable(WIDTH, WIDTH), Separable(WIDTH, WIDTH))
        self.merge8 = nn.Sequential(Separable(WIDTH, WIDTH), Separable(WIDTH, WIDTH))
        self.people = nn.Sequential(Separable(WIDTH + 2, WIDTH), Separable(WIDTH, WIDTH), Separable(WIDTH, WIDTH))
        self.centre = nn.Conv2d(WIDTH, 1, 1)
        self.weights = nn.Conv2d(WIDTH, sum(i * o + o for i, o in LAYERS), 1)
        self.shrink = ConvNorm(WIDTH, 48, act=False)
        self.mask = nn.Sequential(Separable(48, 48), Separable(48, 48))
        self.features = nn.Conv2d(48, MASK_CHANNELS, 1)
        self.somebody = nn.Conv2d(48, 1, 1)
        nn.init.constant_(self.centre.bias, -4.0)  # type: ignore[arg-type]
        nn.init.normal_(self.weights.weight, std=0.01)
        if self.prompt is not None:  # at first it changes nothing
            nn.init.zeros_(self.prompt.weight)
            nn.init.zeros_(self.prompt.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, prompt: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        hint = None if self.prompt is None else self.prompt(prompt)
        f4, f8, f16, f32 = self.backbone(2 * x - 1, hint)
        p32 = self.merge32(self.lateral32(f32) + self.context(f32.mean((2, 3), keepdim=True)))
        p16 = self.merge16(self.lateral16(f16) + upsample(p32))
        p8 = self.merge8(self.lateral8(f8) + upsample(p16))
        y, x = coordinates(p8.shape[2], p8.shape[3], p8.device)
        place = torch.stack((x / p8.shape[3], y / p8.shape[2])).to(p8.dtype).expand(len(p8), -1, -1, -1) * 2 - 1
        people = self.people(torch.cat((p8, place), 1))
        mask = self.mask(self.lateral4(f4) + upsample(self.shrink(p8)))
        return self.centre(people), self.weights(people), self.features(mask), self.somebody(mask)


def upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


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
