"""SIM's decoder: a view of the whole picture (atrous pyramid), then step by step back to full size. Indices give the authors' keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (12, 24, 36)
WIDTH = 256


class StandardisedConv(nn.Conv2d):
    """Convolution whose filters have zero mean and unit deviation (weight standardisation, Qiao et al., 2019)."""

    def kernel(self) -> Tensor:
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), keepdim=True)
        return (self.weight - mean) / ((variance + 1e-12).sqrt() + 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel(), self.bias, self.stride, self.padding, self.dilation)


def standardised(inp: int, out: int, dilation: int = 0) -> list[nn.Module]:
    """Convolution, 3 x 3 with this dilation or 1 x 1 without, and its norm."""
    k = 3 if dilation else 1
    return [StandardisedConv(inp, out, k, padding=dilation, dilation=max(dilation, 1), bias=False), nn.BatchNorm2d(out)]


class GlobalModule(nn.Module):
    """Five views of ``(B, 2048, H/8, W/8)``, the last of them of everything, merged to 256 channels."""

    def __init__(self, channels: int = 2048):
        super().__init__()
        views = [nn.Sequential(*standardised(channels, WIDTH, dilation), nn.ReLU()) for dilation in (0, *DILATIONS)]
        everywhere = nn.Sequential(nn.AdaptiveAvgPool2d(1), *standardised(channels, WIDTH), nn.ReLU())
        self.convs = nn.ModuleList([*views, everywhere])
        self.project = nn.Sequential(*standardised(5 * WIDTH, WIDTH), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        views = [conv(x) for conv in self.convs]
        return self.project(torch.cat([view.expand(-1, -1, *x.shape[2:]) for view in views], 1))


def up(inp: int, *widths: int) -> nn.Sequential:
    """3 x 3 convolutions with norm and leaky ReLU after each."""
    layers: list[nn.Module] = []
    for out in widths:
        layers += [StandardisedConv(inp, out, 3, padding=1), nn.BatchNorm2d(out), nn.LeakyReLU()]
        inp = out
    return nn.Sequential(*layers)


def head(inp: int, out: int) -> nn.Sequential:
    """The last convolutions, at full size."""
    hidden = (nn.Conv2d(inp, 32, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(32, 16, 3, padding=1), nn.LeakyReLU())
    return nn.Sequential(*hidden, nn.Conv2d(16, out, 1, bias=False))


class Decoder(nn.Module):
    """The encoder's maps to ``(B, 64, H, W)``; the heads are :class:`SIMNetwork`'s to call."""

    def __init__(self) -> None:
        super().__init__()
        self.global_module = GlobalModule()
        self.conv_up1 = up(2048 + WIDTH, WIDTH, WIDTH)
        self.conv_up2 = up(WIDTH + 256, WIDTH)
        self.conv_up3 = up(WIDTH + 128, 64)
        self.conv_up4_alpha = head(64 + 8, 1)
        self.conv_up4_fb = head(64 + 8, 6)  # foreground and background; for training, like the next
        self.conv_up4_attn = head(64, 3)

    def forward(self, at2: Tensor, at4: Tensor, at8: Tensor) -> Tensor:
        x = self.conv_up1(torch.cat((at8, self.global_module(at8)), 1))
        x = self.conv_up2(torch.cat((upsample(x), at4), 1))
        return upsample(self.conv_up3(torch.cat((upsample(x), at2), 1)))


def upsample(x: Tensor) -> Tensor:
    """Bilinear to twice the size, half-pixel centres."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
