"""Losses of matting. Alphas and pictures are float in [0, 1]; every loss is a mean, so that sizes do not matter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 5  # of the Laplacian pyramid
SCALES = (2, 1, 1)  # how much the tri-mattes at /1, /4 and /8 count


def l1(predicted: Tensor, true: Tensor) -> Tensor:
    """mean |p - t| of alphas ``(B, C, H, W)``."""
    return (predicted - true).abs().mean()


def laplacian(predicted: Tensor, true: Tensor) -> Tensor:
    """sum over levels s = 0 to 4 of 2^s mean |L_s(p) - L_s(t)|, for alphas ``(B, C, H, W)`` (Hou and Liu, 2019).

    L_s is the s-th level of the Laplacian pyramid, made with the 5 x 5 binomial filter; 2^s instead of their 4^s with sums,
    since a mean over a level of a quarter as many pixels counts four times already. H and W are multiples of 32.
    """
    difference = predicted - true  # the pyramid is linear
    total = difference.new_zeros(())
    for level in range(LEVELS):
        smaller = F.avg_pool2d(_binomial(difference), 2)
        total = total + 2**level * (difference - F.interpolate(smaller, scale_factor=2, mode="bilinear", align_corners=False)).abs().mean()
        difference = smaller
    return total


def _binomial(x: Tensor) -> Tensor:
    """Filtered by the outer product of (1, 4, 6, 4, 1) / 16 with itself; borders mirrored."""
    channels = x.shape[1]
    line = x.new_tensor((1, 4, 6, 4, 1)) / 16
    x = F.conv2d(F.pad(x, (2, 2, 0, 0), "reflect"), line.expand(channels, 1, 1, 5), groups=channels)
    return F.conv2d(F.pad(x, (0, 0, 2, 2), "reflect"), line[:, None].expand(channels, 1, 5, 1), groups=channels)


def composition(predicted: Tensor, true: Tensor, colours: Tensor) -> Tensor:
    """mean |sum_c p_c F_c - sum_c t_c F_c|: the picture that the tri-matte's parts make, against the true one (InstMatt, section 3.3).

    Args:
        predicted, true: ``(B, 3, H, W)``: target, reference, background.
        colours: ``(B, 3, 3, H, W)``: the colour of each of the three.
    """
    return ((predicted - true)[:, :, None] * colours).sum(1).abs().mean()


def sum_to_one(predicted: Tensor) -> Tensor:
    """mean |sum_c p_c - 1| of tri-mattes ``(B, 3, H, W)``."""
    return (predicted.sum(1) - 1).abs().mean()


def tri_matte(predicted: Tensor, true: Tensor, colours: Tensor) -> dict[str, Tensor]:
    """The four terms for tri-mattes ``(B, 3, H, W)`` at one scale."""
    return {
        "l1": l1(predicted, true),
        "laplacian": laplacian(predicted, true),
        "composition": composition(predicted, true, colours),
        "sum": sum_to_one(predicted),
    }


def over_scales(predicted: tuple[Tensor, Tensor, Tensor], true: Tensor, colours: Tensor) -> dict[str, Tensor]:
    """The four terms, (2 at /1 + 1 at /4 + 1 at /8) / 5."""
    each = [tri_matte(p, true, colours) for p in predicted]
    scales = true.new_tensor(SCALES) / 5
    return {name: torch.stack([terms[name] for terms in each]) @ scales for name in each[0]}


def everyone(predicted: Tensor) -> Tensor:
    """mean |sum_k T_k + mean_k B_k - 1| of everyone's tri-mattes ``(K, 3, H, W)`` (InstMatt, section 3.4)."""
    return (predicted[:, 0].sum(0) + predicted[:, 2].mean(0) - 1).abs().mean()


def refinement(passes: Sequence[Tensor], true: Tensor, colours: Tensor) -> dict[str, Tensor]:
    """The four terms and :func:`everyone`, averaged over the refiner's passes, each ``(K, 3, H, W)``, of one scene."""
    each = [tri_matte(made, true, colours) | {"everyone": everyone(made)} for made in passes]
    return {name: torch.stack([terms[name] for terms in each]).mean() for name in each[0]}
