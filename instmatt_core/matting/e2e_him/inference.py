"""The network at work: people only, and nothing computed that exact algebra saves.

Four things differ from :meth:`E2EHIMNetwork.forward`, none in its result beyond rounding:

* Kernels, tri-maps and alphas are made for the queries that are people.
* Nothing stands between the bilinear upsampling, the last two convolutions and a person's kernel, so that they are one 4 x 4
  convolution to four pixels per person at half size, a tenth of the arithmetic (:func:`fused_alphas`).
* A convolution over a concatenation is the sum of convolutions over its parts, which need not be copied together (:class:`SplitConv`).
* The backbone's linear layers are 1 x 1 convolutions (:class:`PointwiseLinear`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import MergeConv, Stage, upsample
from .decoder import Decoder, Features, Kernels
from .network import E2EHIMNetwork

BAND = 40  # rows of a small map that are upsampled at a time
COSTLY = ("pre_conv", "res1", "ds1", "trans", "pam", "c8d3")  # together with the stages


@dataclass(frozen=True)
class People:
    """The people of one picture, in the network's order: ``scores (N,)`` in [0, 1], ``trimaps (N, 3, H/8, W/8)``, logits of background,
    unknown and foreground, ``alphas (N, H, W)`` in [0, 1], which count where the tri-map is unknown. float32."""

    scores: Tensor
    trimaps: Tensor
    alphas: Tensor


def prepare(network: E2EHIMNetwork, dtype: torch.dtype = torch.float32) -> E2EHIMNetwork:
    """Make the network, in place, ready and fast for :func:`find_people`; it can no longer be trained or saved.

    Args:
        dtype: of the parts that cost most. The rest, among it what decides who is a person and the last step to the alphas, stays float32.
    """
    for name, part in network.named_children():
        if isinstance(part, Stage):
            merge = part[0]
            assert isinstance(merge, MergeConv)
            part[0] = SplitConv(merge)
        part.to(dtype if isinstance(part, Stage) or name in COSTLY else torch.float32)
        part.register_forward_pre_hook(_cast_inputs)
    for module in network.perception.trans.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and not isinstance(module, PointwiseLinear):
                module.add_module(name, PointwiseLinear(child))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _cast_inputs(part: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    dtype = next(part.parameters()).dtype
    return tuple(x.to(dtype) for x in inputs)


def find_people(network: E2EHIMNetwork, images: Tensor) -> list[People]:
    """Everyone in each of ``images (B, 3, H, W)``, normalised, sides multiples of 32; the results are on the CPU."""
    images = images.contiguous(memory_format=torch.channels_last)
    seen = network.perception(images)
    is_person = seen.logits[..., 1] > seen.logits[..., 0]
    features = network.decoder(seen, network.guidance(seen)) if is_person.any() else None
    logits, queries = seen.logits, seen.queries
    del seen  # its maps are large
    found = []
    for b, person in enumerate(is_person):
        if features is None or not person.any():
            height, width = images.shape[2:]
            found.append(People(torch.zeros(0), torch.zeros(0, 3, height // 8, width // 8), torch.zeros(0, height, width)))
            continue
        own = Features(features.trimap[b, None], features.alpha[b, None])
        kernels = network.decoder.kernels(queries[b, None, person])
        scores = logits[b, person].softmax(-1)[:, 1]
        trimaps = network.decoder.trimaps(own, kernels)[0]
        alphas = fused_alphas(network.decoder, own, images[b, None], kernels)[0]
        found.append(People(scores.cpu(), trimaps.cpu(), alphas.cpu()))
    return found


class SplitConv(nn.Module):
    """A :class:`MergeConv` that never holds the concatenation of full-size and upsampled maps, nor a whole upsampled map."""

    def __init__(self, conv: MergeConv):
        super().__init__()
        self.conv = conv

    def forward(self, *maps: Tensor) -> Tensor:
        height = max(m.shape[2] for m in maps)
        parts = list(zip(maps, self.conv.weight.split([m.shape[1] for m in maps], 1), strict=True))
        full = [part for part in parts if part[0].shape[2] == height]
        same, weight = (torch.cat(p, 1) for p in zip(*full, strict=True)) if len(full) > 1 else full[0]
        y = F.conv2d(same, weight, self.conv.bias, self.conv.stride, self.conv.padding)
        for coarse, weight in parts:
            if coarse.shape[2] < height:
                add_upsampled_conv(y, coarse, weight)
        return y


def add_upsampled_conv(y: Tensor, coarse: Tensor, weight: Tensor) -> None:
    """Add to ``y (B, O, 2H, 2W)`` what ``weight (O, C, k, k)``, k = 1 or 3, zero padded, makes of ``coarse (B, C, H, W)`` upsampled."""
    if weight.shape[-1] == 1:  # commutes with upsampling
        y += upsample(F.conv2d(coarse, weight))
        return
    height = coarse.shape[2]
    for top in range(0, height, BAND):
        bottom = min(height, top + BAND)
        above, below = int(top > 0), int(bottom < height)  # the kernel reaches one upsampled row beyond the band, made of one more row
        band = upsample(coarse[:, :, top - above : bottom + below])
        rows = F.conv2d(band, weight, padding=1)
        y[:, :, 2 * top : 2 * bottom] += rows[:, :, 2 * above : rows.shape[2] - 2 * below]


class PointwiseLinear(nn.Module):
    """A linear layer over ``(B, H, W, C)`` as the 1 x 1 convolution that it is, which oneDNN computes up to twice as fast as a BLAS."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x.permute(0, 3, 1, 2), self.linear.weight[..., None, None], self.linear.bias).permute(0, 2, 3, 1)


def fused_alphas(decoder: Decoder, features: Features, image: Tensor, kernels: Kernels) -> Tensor:
    """:meth:`Decoder.alphas` of one picture, ``(1, N, H, W)``.

    At the border upsampling repeats the edge and each convolution pads with zeros by itself, which one convolution cannot do; the
    outermost three pixels are made the long way.
    """
    feature_map = features.alpha.to(image.dtype)
    first, second = decoder.c1
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    assert second.bias is not None
    people = kernels.alpha.shape[1]
    kernel = torch.einsum("no,omyx->nmyx", kernels.alpha[0], second.weight)
    bias = kernels.alpha_bias[0] + kernels.alpha[0] @ second.bias

    def long_way(feature: Tensor, picture: Tensor) -> Tensor:
        return F.conv2d(first(torch.cat((feature, picture), 1)), kernel, bias, padding=1)

    both = F.conv_transpose2d(kernel, first.weight)  # (N, 131, 5, 5): two correlations after each other are one with the kernels convolved
    both_bias = bias + torch.einsum("nmyx,m->n", kernel, first.bias)
    phases = F.conv2d(feature_map, upsampled_kernel(both[:, :-3]), padding=2)
    alphas = F.conv2d(image, both[:, -3:], both_bias, padding=2)
    height, width = feature_map.shape[2:]
    for i in (0, 1):
        for j in (0, 1):
            phase = phases[:, (2 * i + j) * people :][:, :people]
            alphas[:, :, i::2, j::2] += phase[:, :, i : i + height, j : j + width]

    for axis in (2, 3):
        for side in ("start", "end"):
            keep, near, seen = (slice(n) if side == "start" else slice(-n, None) for n in (3, 5, 3))
            strip = upsample(feature_map[edge(axis, seen)])[edge(axis, near)]
            alphas[edge(axis, keep)] = long_way(strip, image[edge(axis, near)])[edge(axis, keep)]
    return alphas.clamp_(0, 1)


def edge(axis: int, part: slice) -> tuple[slice, ...]:
    """An index that takes ``part`` of one axis."""
    return (*[slice(None)] * axis, part)


def upsampled_kernel(kernel: Tensor) -> Tensor:
    """Correlation with ``kernel (N, C, 5, 5)`` after bilinear upsampling by two, as ``(4N, C, 4, 4)`` at the small size.

    The output for an even pixel 2i begins at i - 2, for an odd one, 2i + 1, at i - 1: over a map padded by two, at i and i + 1.
    """
    # taps[phase, u]: what the small map's four pixels contribute to the upsampled pixel at offset u - 2 from an even or odd one
    quarter, three = 0.25, 0.75
    taps = kernel.new_zeros(2, 5, 4)
    for phase in (0, 1):
        for u in range(5):
            odd = (u + phase) % 2
            low = (u + 1 - phase) // 2
            taps[phase, u, low], taps[phase, u, low + 1] = (three, quarter) if odd else (quarter, three)
    return torch.einsum("ncuv,iuy,jvx->ijncyx", kernel, taps, taps).flatten(0, 2)
