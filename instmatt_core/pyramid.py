"""EfficientNet-lite2 and a feature pyramid: what the people detector and the compact InstMatt see with."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .convolution import PLAIN, conv2d

WIDTH, FINE = 96, 48  # channels of the pyramid, and of its map at stride 4
PROMPT_STRIDE = 4
RELU6, NO_ACTIVATION = ("hardtanh", (0.0, 6.0)), ("none", ())

# kernel, stride, expansion, output channels, repeats of EfficientNet-lite2 (stem and first block below)
_STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 3), (5, 2, 6, 48, 3), (3, 2, 6, 88, 4), (5, 1, 6, 120, 4), (5, 2, 6, 208, 5), (3, 1, 6, 352, 1))


class Conv(nn.Sequential):
    """Convolution with bias and ReLU6 unless ``act`` is False; the publisher's batch norm is folded into it.

    Stride 2 pads like TensorFlow's SAME on even sizes.
    """

    def __init__(self, inp: int, out: int, k: int = 1, stride: int = 1, groups: int = 1, act: bool = True):
        super().__init__(nn.Conv2d(inp, out, k, stride, 0 if stride == 2 else k // 2, groups=groups))
        self.pad = (k // 2 - 1, k // 2) * 2 if stride == 2 else None
        self.act = RELU6 if act else NO_ACTIVATION

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """``add``, of the result's shape, is added to it; not with an activation."""
        activation, arguments = self.act
        return conv2d(x if self.pad is None else F.pad(x, self.pad), self[0], activation, arguments, add)


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
        return self.project(self.spatial(self.expand(x)), x if self.skip else None)


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

    def keep_first(self) -> None:
        """Leave the first layers as they are in training: edges and spots are the same everywhere."""
        for part in (self.stem, *self.blocks[:4]):
            part.requires_grad_(False)

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
    """Convolution, batch norm, which may have been folded into it, and ReLU6 unless ``act`` is False."""

    def __init__(self, inp: int, out: int, k: int = 1, groups: int = 1, act: bool = True):
        super().__init__(nn.Conv2d(inp, out, k, padding=k // 2, groups=groups, bias=False), nn.BatchNorm2d(out))
        self.act = RELU6 if act else NO_ACTIVATION

    def forward(self, x: Tensor) -> Tensor:
        activation, arguments = self.act
        if isinstance(self[1], nn.Identity):
            return conv2d(x, self[0], activation, arguments)
        return PLAIN[activation](super().forward(x), *arguments)


class Separable(nn.Sequential):
    """Depthwise 5x5, then 1x1."""

    def __init__(self, inp: int, out: int):
        super().__init__(ConvNorm(inp, inp, 5, groups=inp, act=False), ConvNorm(inp, out))


class Pyramid(nn.Module):
    """Backbone and feature pyramid.

    Args:
        prompts: channels of what it is told beside the picture, at stride 4; 0 for nothing.
    """

    def __init__(self, prompts: int = 0) -> None:
        super().__init__()
        self.backbone = EfficientNetLite2()
        self.prompt = nn.Conv2d(prompts, 24, 3, padding=1) if prompts else None
        self.lateral4, self.lateral8 = ConvNorm(24, FINE, act=False), ConvNorm(48, WIDTH, act=False)
        self.lateral16, self.lateral32 = ConvNorm(120, WIDTH, act=False), ConvNorm(352, WIDTH, act=False)
        self.context = nn.Conv2d(352, WIDTH, 1)  # of the whole picture
        self.merge32, self.merge16 = Separable(WIDTH, WIDTH), nn.Sequential(Separable(WIDTH, WIDTH), Separable(WIDTH, WIDTH))
        self.merge8 = nn.Sequential(Separable(WIDTH, WIDTH), Separable(WIDTH, WIDTH))
        self.shrink = ConvNorm(WIDTH, FINE, act=False)
        self.mask = nn.Sequential(Separable(FINE, FINE), Separable(FINE, FINE))
        if self.prompt is not None:  # at first it changes nothing
            nn.init.zeros_(self.prompt.weight)
            nn.init.zeros_(self.prompt.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, prompt: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features at strides 4 (:data:`FINE` channels), 8, 16 and 32 (:data:`WIDTH`) of ``(B, 3, H, W)`` in [0, 1], multiples of 32."""
        f4, f8, f16, f32 = self.backbone(2 * x - 1, None if self.prompt is None else self.prompt(prompt))
        p32 = self.merge32(self.lateral32(f32) + self.context(f32.mean((2, 3), keepdim=True)))
        p16 = self.merge16(self.lateral16(f16) + upsample(p32))
        p8 = self.merge8(self.lateral8(f8) + upsample(p16))
        return self.mask(self.lateral4(f4) + upsample(self.shrink(p8))), p8, p16, p32


def upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
