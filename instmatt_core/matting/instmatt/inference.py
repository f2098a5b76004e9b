"""The first stage at work: norms folded, memory bounded by strips, the full-size step only where its result is used.

Each strip is read with a halo as wide as its convolutions reach, and a strip at the picture's edge ends there. Hence the strips'
results are those of the whole, up to rounding, and there are no seams.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...convolution import conv2d, conv_transpose2d
from .areas import Area, strips
from .decoder import SLOPE, DecoderBlock
from .encoder import EncoderBlock
from .folding import fold
from .network import InstMattNetwork

LEAKY = ("leaky_relu", (SLOPE,))
DOWN_HALO, UP_HALO, FULL_HALO = 32, 40, 16  # px that the strips of _down, _up and full reach out


class Coarse(NamedTuple):
    """What is known of an instance at /4 and /8.

    ``at4 (1, C, H/4, W/4)`` is the decoder's map, ``os4`` and ``os8`` are logits ``(1, 3, ...)``.
    """

    at4: Tensor
    os4: Tensor
    os8: Tensor


class Generator(nn.Module):
    """Tri-mask to tri-matte, one instance at a time, in two steps.

    Args:
        network: the trained one; it is copied.
        dtype: of the first step. The second is always float32.
    """

    def __init__(self, network: InstMattNetwork, dtype: torch.dtype = torch.float32):
        super().__init__()
        folded = fold(network)
        self.encoder, self.aspp, self.decoder = folded.encoder, folded.aspp, folded.decoder
        self.semantics = folded.semantics if network.config.semantics else None
        encoder, decoder = self.encoder, self.decoder
        down = (encoder.conv3, encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer_bottleneck, *encoder.shortcut[2:])
        for part in (*down, self.aspp, decoder.layer1, decoder.layer2, decoder.layer3):
            for module in part.modules():
                if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                    module.to(dtype)
        self.dtype, self.config = dtype, network.config

    def coarse(self, image: Tensor, tri_mask: Tensor, rows: int) -> Coarse:
        """Everything but the full-size step, for a normalised ``image (3, H, W)`` and ``tri_mask (3, H, W)``.

        At /4 and above ``rows``, a multiple of 8, are computed at a time.
        """
        size = (image.shape[1], image.shape[2])
        encoder, decoder = self.encoder, self.decoder
        x2 = _map(image, self.config.widths[1], size, 4, self.dtype)
        for strip in strips(size, rows):
            seen = strip.grown(DOWN_HALO, size)
            x2[strip.at(4).index] = self._down(_join(image, tri_mask, seen))[strip.within(seen).at(4).index]
        x3 = _encode(encoder.layer2, x2)
        x4 = _encode(encoder.layer3, x3)
        meant = None if self.semantics is None else self.semantics(image[None], tri_mask[None])
        deepest = self._pyramid(_sum(_encode(encoder.layer_bottleneck, x4), meant, 2))
        at8 = _sum(_decode(decoder.layer1, deepest).add_(_branch(encoder.shortcut[4], x4)), meant, 1)
        at8 = _sum(_decode(decoder.layer2, at8).add_(_branch(encoder.shortcut[3], x3)), meant, 0)
        os8 = _head(decoder.refine_OS8, at8.float())
        del x3, x4, deepest, meant
        at4, os4 = _map(image, self.config.widths[1], size, 4), _map(image, 3, size, 4)
        for strip in strips(size, rows):
            seen = strip.grown(UP_HALO, size)
            part = _decode(decoder.layer3, at8[seen.at(8).index]).add_(_branch(encoder.shortcut[2], x2[seen.at(4).index])).float()
            inner = strip.within(seen).at(4).index
            at4[strip.at(4).index] = part[inner]
            os4[strip.at(4).index] = _head(decoder.refine_OS4, part)[inner]
        return Coarse(at4, os4, os8)

    def full(self, image: Tensor, tri_mask: Tensor, at4: Tensor, area: Area) -> tuple[Tensor, Tensor]:
        """The full-size step in an area whose corners are multiples of 4.

        Args:
            at4: :attr:`Coarse.at4` in ``area.grown(FULL_HALO, ...)``.

        Returns:
            Logits ``(1, 3, h, w)`` and feature ``(1, C, h, w)``.
        """
        seen = area.grown(FULL_HALO, (image.shape[1], image.shape[2]))
        x = _join(image, tri_mask, seen)
        half = _decode(self.decoder.layer4, at4).add_(_branch(self.encoder.shortcut[1], self._stem(x)))
        feature = conv_transpose2d(half, self.decoder.conv1, *LEAKY).add_(_branch(self.encoder.shortcut[0], x))
        inner = area.within(seen).index
        return _head(self.decoder.refine_OS1, feature)[inner], feature[inner]

    def _stem(self, x: Tensor) -> Tensor:
        return conv2d(conv2d(x, self.encoder.conv1, "relu"), self.encoder.conv2, "relu")

    def _down(self, x: Tensor) -> Tensor:
        return _encode(self.encoder.layer1, conv2d(self._stem(x).to(self.dtype), self.encoder.conv3, "relu"))

    def _pyramid(self, x: Tensor) -> Tensor:
        local = [conv2d(x, self.aspp.get_submodule(f"aspp{index}"), "relu") for index in range(1, 5)]
        everywhere = conv2d(x.mean((2, 3), keepdim=True), self.aspp.aspp5, "relu")
        return conv2d(torch.cat((*local, everywhere.expand_as(local[0])), 1), self.aspp.conv2, "relu")


def _map(like: Tensor, channels: int, size: tuple[int, int], scale: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """An empty map at 1/scale, channels last."""
    shape = (1, channels, size[0] // scale, size[1] // scale)
    return torch.empty(shape, dtype=dtype, device=like.device, memory_format=torch.channels_last)


def _sum(x: Tensor, maps: list[Tensor] | None, index: int) -> Tensor:
    """``x`` plus one of the maps, if there are any, in place."""
    return x if maps is None else x.add_(maps[index])


def _join(image: Tensor, tri_mask: Tensor, area: Area) -> Tensor:
    """The encoder's input in an area."""
    return torch.cat((image[area.index], tri_mask[area.index]))[None].contiguous(memory_format=torch.channels_last)


def _encode(layer: nn.Module, x: Tensor) -> Tensor:
    for block in layer.children():
        assert isinstance(block, EncoderBlock)
        skip = x
        if isinstance(block.downsample, nn.Sequential):
            pool, project, _ = block.downsample.children()
            skip = conv2d(pool(x), project)
        x = conv2d(conv2d(x, block.conv1, "relu"), block.conv2, "relu", add=skip)
    return x


def _decode(layer: nn.Module, x: Tensor) -> Tensor:
    for block in layer.children():
        assert isinstance(block, DecoderBlock)
        if isinstance(block.upsample, nn.Sequential):
            y = conv2d(conv_transpose2d(x, block.conv1, *LEAKY), block.conv2)
            _, project, _ = block.upsample.children()
            _add_doubled(y, conv2d(x, project))  # a 1 x 1 convolution may as well come before the enlarging
        else:
            y = conv2d(conv2d(x, block.conv1, *LEAKY), block.conv2, add=x)
        x = F.leaky_relu_(y, SLOPE)
    return x


def _add_doubled(y: Tensor, x: Tensor) -> None:
    """Add ``x``, each pixel repeated 2 x 2, to ``y`` in place."""
    y.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).add_(x[:, :, :, None, :, None])


def _branch(shortcut: nn.Module, x: Tensor) -> Tensor:
    first, _, norm, second, _, last_norm = shortcut.children()
    return _norm_(last_norm, conv2d(_norm_(norm, conv2d(x, first, "relu")), second, "relu"))


def _norm_(norm: nn.Module, x: Tensor) -> Tensor:
    """Batch norm in place: fresh memory for the result would cost more than the norm."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return x.mul_(scale[:, None, None]).add_((norm.bias - norm.running_mean * scale)[:, None, None])


def _head(head: nn.Module, x: Tensor) -> Tensor:
    hidden, _, _, logits = head.children()
    return conv2d(conv2d(x, hidden, *LEAKY), logits)
