"""The networks at work: plain convolutions with the norms in their kernels, nothing computed that only training looks at."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ...convolution import conv2d
from ..conventions import normalise
from ..residual import run_folded
from .classifier import Classifier, activation_maps
from .decoder import StandardisedConv, upsample
from .network import SIMNetwork

LEAKY = ("leaky_relu", (0.01,))
Module = TypeVar("Module", bound=nn.Module)


def fold(network: Module) -> Module:
    """A copy whose convolutions hold the standardisation of their weights and the norms that follow them."""
    network = copy.deepcopy(network).eval()
    for parent in list(network.modules()):
        children = dict(parent.named_children())
        for name, child in children.items():
            if isinstance(child, StandardisedConv):
                child.weight.data = child.kernel().data
            before = str(int(name) - 1) if name.isdecimal() else name.replace("bn", "conv")
            if isinstance(child, nn.BatchNorm2d):
                parent.add_module(before, fuse_conv_bn_eval(children[before], child))  # type: ignore[type-var]
                parent.add_module(name, nn.Identity())
    return network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class FastClassifier:
    """A folded copy of the classifier that makes class activation maps only.

    Args:
        dtype: of all but the last step.
    """

    def __init__(self, classifier: Classifier, device: torch.device, dtype: torch.dtype = torch.float32):
        self._network = fold(classifier).to(device, dtype)
        self._fc = copy.deepcopy(classifier.fc).requires_grad_(False).to(device)
        self._dtype = dtype

    def __call__(self, x: Tensor) -> Tensor:
        """``(B, 4, H, W)`` to ``(B, 20, H/32, W/32)``, float32."""
        network = self._network
        x = x.to(self._dtype).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(conv2d(x, network.conv1, "relu"), 3, 2, 1)
        for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
            x = run_folded(layer, x)
        return activation_maps(x.float(), self._fc)


class FastSIM:
    """A folded copy of the matting network that makes alphas only.

    Args:
        dtype: of the parts that cost most; the stem and everything from 1/2 size up is float32.
    """

    def __init__(self, network: SIMNetwork, device: torch.device, dtype: torch.dtype = torch.float32):
        folded = fold(network)
        self._encoder, self._decoder, self._dtype = folded.encoder.to(device), folded.decoder.to(device), dtype
        # the encoder's first norm is of the sum of two convolutions; the first has taken it all, the second needs its scale
        norm = network.encoder.bn1
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        self._encoder.conv1_side.weight.data *= scale.detach().to(device)[:, None, None, None]
        encoder, decoder = self._encoder, self._decoder
        for layer in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
            layer.to(dtype)
        for layer in (decoder.global_module, decoder.conv_up1, decoder.conv_up2):
            layer.to(dtype)

    def __call__(self, image: Tensor, known: Tensor, clicks: Tensor, semantics: Tensor) -> Tensor:
        """Alpha ``(H, W)``, not yet clamped, of what :class:`SIMNetwork` takes, without batch dimension."""
        encoder, decoder = self._encoder, self._decoder
        normed = normalise(image)
        aside = conv2d(_batch(semantics), encoder.conv1_side)
        x = conv2d(_batch(normed, clicks, known), encoder.conv1, "relu", add=aside)
        at2 = conv2d(conv2d(x, encoder.conv2, "relu"), encoder.conv3, "relu")
        at4 = run_folded(encoder.layer1, F.max_pool2d(at2, 3, 2, 1).to(self._dtype))
        x = at4
        for layer in (encoder.layer2, encoder.layer3, encoder.layer4):
            x = run_folded(layer, x)
        x = _up(decoder.conv_up1, torch.cat((x, self._pyramid(x)), 1))
        x = _up(decoder.conv_up2, torch.cat((upsample(x), at4), 1))
        x = _up(decoder.conv_up3, torch.cat((upsample(x.float()), at2), 1))
        del at2, at4
        x = torch.cat((upsample(x), _batch(normed, image, known)), 1)
        first, _, second, _, last = decoder.conv_up4_alpha.children()
        return conv2d(conv2d(conv2d(x, first, *LEAKY), second, *LEAKY), last)[0, 0]

    def _pyramid(self, x: Tensor) -> Tensor:
        *local, everywhere = self._decoder.global_module.convs.children()
        views = [conv2d(x, next(view.children()), "relu") for view in local]
        views.append(conv2d(x.mean((2, 3), keepdim=True), list(everywhere.children())[1], "relu").expand_as(views[0]))
        return conv2d(torch.cat(views, 1), self._decoder.global_module.project[0], "relu")


def _up(stage: nn.Module, x: Tensor) -> Tensor:
    for layer in stage.children():
        if isinstance(layer, nn.Conv2d):
            x = conv2d(x, layer, *LEAKY)
    return x


def _batch(*maps: Tensor) -> Tensor:
    """``(C, H, W)`` each, joined to a batch of one."""
    return torch.cat(maps)[None].contiguous(memory_format=torch.channels_last)
