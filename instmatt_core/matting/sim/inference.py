"""The networks at work: plain convolutions with the norms in their kernels, nothing computed that only training looks at."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...convolution import conv2d, fold_norms
from ..conventions import normalise
from ..residual import run_folded
from .classifier import Classifier, activation_maps
from .decoder import StandardisedConv, upsample
from .network import SIMNetwork

LEAKY = ("leaky_relu", (0.01,))
ROWS, HALO = 64, 16  # of the steps from /2 size up: rows at a time, and rows round them that the convolutions reach into
Module = TypeVar("Module", bound=nn.Module)


def fold(network: Module) -> Module:
    """A copy whose convolutions hold the standardisation of their weights and the norms that follow them."""
    network = copy.deepcopy(network).eval()
    for conv in network.modules():
        if isinstance(conv, StandardisedConv):
            conv.weight.data = conv.kernel().data
    fold_norms(network)
    return network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class FastClassifier(nn.Module):
    """A folded copy of the classifier that makes class activation maps only.

    Args:
        dtype: of all but the last step.
    """

    def __init__(self, classifier: Classifier, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.network, self.dtype = fold(classifier).to(dtype), dtype
        self.network.fc.float()

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 4, H, W)`` to ``(B, 20, H/32, W/32)``, float32."""
        network = self.network
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(conv2d(x, network.conv1, "relu"), 3, 2, 1)
        for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
            x = run_folded(layer, x)
        return activation_maps(x.float(), network.fc)


class FastSIM(nn.Module):
    """A folded copy of the matting network that makes alphas only.

    Args:
        dtype: of the parts that cost most; the stem and everything from 1/2 size up is float32.
    """

    def __init__(self, network: SIMNetwork, dtype: torch.dtype = torch.float32):
        super().__init__()
        folded, self.dtype = fold(network), dtype
        self.encoder, self.decoder = folded.encoder, folded.decoder
        encoder, decoder, norm = self.encoder, self.decoder, network.encoder.bn1
        assert norm.running_var is not None
        # that norm is of a sum of two convolutions: one has taken all of it, the other needs its scale
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        encoder.conv1_side.weight.data *= scale.data[:, None, None, None]
        for layer in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
            layer.to(dtype)
        decoder.global_module.to(dtype)
        for stage in (decoder.conv_up1, decoder.conv_up2):
            stage.to(dtype)

    def forward(self, image: Tensor, known: Tensor, clicks: Tensor, semantics: Tensor) -> Tensor:
        """Alpha ``(H, W)``, not yet clamped, of what :class:`SIMNetwork` takes, without the batch's dimension."""
        encoder, decoder = self.encoder, self.decoder
        normed = normalise(image)
        aside = conv2d(_batch(semantics), encoder.conv1_side)
        x = conv2d(_batch(normed, clicks, known), encoder.conv1, "relu", add=aside)
        at2 = conv2d(conv2d(x, encoder.conv2, "relu"), encoder.conv3, "relu")
        at4 = run_folded(encoder.layer1, F.max_pool2d(at2, 3, 2, 1).to(self.dtype))
        x = at4
        for layer in (encoder.layer2, encoder.layer3, encoder.layer4):
            x = run_folded(layer, x)
        x = _up(decoder.conv_up1, torch.cat((x, self._pyramid(x)), 1))
        x = _up(decoder.conv_up2, torch.cat((upsample(x), at4), 1))
        del at4
        height, width = image.shape[1:]
        alpha = image.new_empty(height, width)
        for top in range(0, height, ROWS):
            low, high = max(top - HALO, 0), min(top + ROWS + HALO, height)
            at1 = _batch(*(maps[:, low:high] for maps in (normed, image, known)))
            part = self._finest(x[:, :, low // 4 : high // 4].float(), at2[:, :, low // 2 : high // 2], at1)
            alpha[top : top + ROWS] = part[top - low :][:ROWS]
        return alpha

    def _finest(self, x: Tensor, at2: Tensor, at1: Tensor) -> Tensor:
        x = _up(self.decoder.conv_up3, torch.cat((upsample(x), at2), 1))
        x = torch.cat((upsample(x), at1), 1)
        first, _, second, _, last = self.decoder.conv_up4_alpha.children()
        return conv2d(conv2d(conv2d(x, first, *LEAKY), second, *LEAKY), last)[0, 0]

    def _pyramid(self, x: Tensor) -> Tensor:
        *local, everywhere = self.decoder.global_module.convs.children()
        views = [conv2d(x, next(view.children()), "relu") for view in local]
        views.append(conv2d(x.mean((2, 3), keepdim=True), list(everywhere.children())[1], "relu").expand_as(views[0]))
        return conv2d(torch.cat(views, 1), self.decoder.global_module.project[0], "relu")


def _up(stage: nn.Module, x: Tensor) -> Tensor:
    for layer in stage.children():
        if isinstance(layer, nn.Conv2d):
            x = conv2d(x, layer, *LEAKY)
    return x


def _batch(*maps: Tensor) -> Tensor:
    """``(C, H, W)`` each, joined to a batch of one."""
    return torch.cat(maps)[None].contiguous(memory_format=torch.channels_last)
