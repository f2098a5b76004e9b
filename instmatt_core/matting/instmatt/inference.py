"""The network at work: everything folded that can be, the full-size step in strips, shared work of the refiner done once.

All of this is exact algebra; results differ from :class:`.network.InstMattNetwork` by rounding only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ...convolution import conv2d
from .decoder import SLOPE, leaky
from .network import InstMattNetwork, TriMatte, activate, enlarge
from .refiner import Refiner
from .spectral import SpectralConv, SpectralUpConv

STRIP = 128  # rows of the full-size step at once
HALO = 4  # rows that the full-size step's convolutions reach beyond a strip
RIM = 10  # px at a window's edge that the refiner leaves alone
LEAKY = ("leaky_relu", (SLOPE,))


class Generator:
    """Tri-mask to tri-matte, one instance at a time; all but the full-size step in ``dtype``."""

    def __init__(self, network: InstMattNetwork, dtype: torch.dtype = torch.float32):
        self.dtype = dtype
        folded = fold(copy.deepcopy(network).eval())
        self.encoder, self.aspp, self.decoder = folded.encoder, folded.aspp, folded.decoder

    def __call__(self, image: Tensor, tri_mask: Tensor) -> TriMatte:
        """As :meth:`InstMattNetwork.forward` for a batch of one: ``image (3, H, W)``, ``tri_mask (3, H, W)``."""
        x = torch.cat((image, tri_mask))[None].contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            deepest, shortcuts = self.encoder.trunk(x)
            half, os4, os8 = (y.float() for y in self.decoder.trunk(self.aspp(deepest), shortcuts))
        del deepest, shortcuts
        os1, feature = self._full_size(x, half)
        return TriMatte(activate(os1), activate(enlarge(os4, 4)), activate(enlarge(os8, 8)), feature)

    def _full_size(self, x: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's last step. In strips, because at full size each map is as large as all others together."""
        height, width = x.shape[2:]
        os1, feature = (x.new_empty(1, height, width, c).permute(0, 3, 1, 2) for c in (3, 32))  # channels last, as the rest
        first, _, norm, second, _, last_norm = self.encoder.shortcut[0].children()
        hidden, _, _, logits = self.decoder.refine_OS1.children()
        for top in range(0, height, STRIP):
            bottom = min(top + STRIP, height)
            start, end = max(top - HALO, 0), min(bottom + HALO, height)  # even, as the map at /2 needs
            branch = conv2d(norm(conv2d(x[:, :, start:end], first, "relu")), second, "relu")
            part = leaky(self.decoder.conv1(half[:, :, start // 2 : end // 2])).add_(last_norm(branch))
            keep = slice(top - start, bottom - start)
            feature[:, :, top:bottom] = part[:, :, keep]
            os1[:, :, top:bottom] = conv2d(conv2d(part, hidden, *LEAKY), logits)[:, :, keep]
        return os1, feature


class FastRefiner:
    """:class:`Refiner` without repeating for everyone what is the same for all.

    The merge's first convolution is linear in what ``split`` returns, so that what everyone adds to everyone is convolved once;
    and the backgrounds, of which only the mean counts, are averaged before they are convolved.
    """

    def __init__(self, refiner: Refiner):
        self.refiner = copy.deepcopy(refiner).requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        weight, bias = refiner.split.weight.detach(), refiner.split.bias
        assert bias is not None
        self.split = [
            (w.contiguous(memory_format=torch.channels_last), b) for w, b in zip(weight.chunk(3), bias.detach().chunk(3), strict=True)
        ]
        first = refiner.merge[0]
        assert isinstance(first, nn.Conv2d)
        target, reference = first.weight.detach()[:, :16], first.weight.detach()[:, 16:32]
        self.own = torch.cat((2 * target - reference, reference), 1).contiguous(memory_format=torch.channels_last)

    def __call__(self, image: Tensor, alphas: Tensor, features: Sequence[Tensor]) -> Tensor:
        """As :meth:`Refiner.forward`; one instance after the other, which keeps the maps in the processor's cache."""
        first, _, second = self.refiner.merge.children()
        count = len(alphas)
        own = [torch.cat([_convolve(f * a[j], *self.split[j]) for j in (0, 1)], 1) for f, a in zip(features, alphas, strict=True)]
        targets, references = sum(own[1:], own[0]).chunk(2, 1)
        background = _convolve(sum(f * a[2] for f, a in zip(features, alphas, strict=True)) / count, *self.split[2])
        shared = conv2d(torch.cat((references / max(count - 1, 1) - targets, targets, background, image[None]), 1), first)
        logits = []
        for part in own:
            merged = F.leaky_relu_(_convolve(part, self.own).add_(shared), SLOPE)
            logits.append(conv2d(conv2d(merged, second), self.refiner.head))
        return torch.cat(logits)


def refine_pass(
    refiner: Callable[[Tensor, Tensor, Sequence[Tensor]], Tensor],
    image: Tensor,
    alphas: Tensor,
    features: Sequence[Tensor],
    windows: Sequence[tuple[int, int]],
    side: int,
    written: Tensor,
    report: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Visit every window once, in place: later windows see what earlier ones wrote.

    Args:
        image: ``(3, H, W)``, normalised.
        alphas: ``(K, 3, H, W)`` tri-mattes; overwritten.
        features: K maps ``(32, H, W)``.
        written: bool ``(K,)``, whose tri-mattes to overwrite; the others are context.

    Returns:
        ``(K,)``: the largest change of each target.
    """
    change = alphas.new_zeros(len(alphas))
    inner = slice(RIM, side - RIM)
    for index, (top, left) in enumerate(windows):
        window = (..., slice(top, top + side), slice(left, left + side))
        here = alphas[window]
        logits = refiner(image[window], here, [f[window] for f in features])
        new, old = activate(logits)[written][..., inner, inner], here[written][..., inner, inner]
        if new.numel():
            change[written] = torch.maximum(change[written], (new[:, 0] - old[:, 0]).abs().flatten(1).amax(1))
        alphas[written, :, top + RIM : top + side - RIM, left + RIM : left + side - RIM] = new
        report((index + 1) / len(windows))
    return change


def fold(network: InstMattNetwork) -> InstMattNetwork:
    """Plain convolutions with the spectral and batch norms in their kernels, in place; it can no longer be trained."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (SpectralConv, SpectralUpConv)):
                setattr(parent, name, _plain(child))
    for parent in list(network.modules()):
        children = dict(parent.named_children())
        for name, norm in children.items():
            before = _before(name)
            if isinstance(norm, nn.BatchNorm2d) and isinstance(children.get(before), (nn.Conv2d, nn.ConvTranspose2d)):
                fused = fuse_conv_bn_eval(children[before], norm, transpose=isinstance(children[before], nn.ConvTranspose2d))  # type: ignore[type-var]
                setattr(parent, before, fused)
                setattr(parent, name, nn.Identity())
    return network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _before(name: str) -> str:
    """The name of the convolution that the norm of this name follows."""
    return str(int(name) - 1) if name.isdecimal() else name.removesuffix("_bn").replace("bn", "conv")


def _plain(conv: SpectralConv | SpectralUpConv) -> nn.Module:
    with torch.no_grad():
        kernel = conv.module()
    plain: nn.Conv2d | nn.ConvTranspose2d
    if isinstance(conv, SpectralUpConv):
        plain = nn.ConvTranspose2d(kernel.shape[0], kernel.shape[1], 4, 2, 1, bias=False)
    else:
        plain = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2], conv.stride, conv.padding, bias=False)
    plain.weight = nn.Parameter(kernel)
    return plain.eval()


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv2d(x if x.ndim == 4 else x[None], weight, bias, padding=1)
