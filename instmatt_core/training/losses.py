"""Losses of matting. Alphas and pictures are float in [0, 1]; every loss is a mean, so that sizes do not matter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 5  # of the Laplacian pyramid
NOBODY = 0.1  # how much a query counts that finds nobody
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


def match(logits: Tensor, trimaps: Tensor, alphas: Tensor) -> tuple[Tensor, Tensor]:
    """Which query is to find whom in one picture: the pairs of least total cost -p_q(person) - dice(m_q, alpha_k).

    Here m_q = p_q(foreground) + p_q(unknown) / 2, and dice = 2 sum(m a) / (sum(m) + sum(a)), both seen at 1/8.

    Args:
        logits: ``(Q, 2)`` of nobody and a person; ``trimaps (Q, 3, H, W)``, logits of background, unknown and foreground.
        alphas: ``(K, H, W)``.

    Returns:
        indices of queries and people, each ``(min(Q, K),)``.
    """
    from scipy.optimize import linear_sum_assignment

    with torch.no_grad():
        shares = F.avg_pool2d(trimaps, 8).softmax(1)
        masks = (shares[:, 2] + shares[:, 1] / 2).flatten(1)
        people = F.avg_pool2d(alphas[:, None], 8).flatten(1)
        dice = 2 * masks @ people.T / (masks.sum(1)[:, None] + people.sum(1) + 1e-6)
        cost = -logits.softmax(1)[:, 1:] - dice
    queries, found = linear_sum_assignment(cost.cpu().numpy())
    return torch.from_numpy(queries).to(logits.device), torch.from_numpy(found).to(logits.device)


def class_entropy(logits: Tensor, found: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of ``logits (B, Q, 2)``, where queries ``found`` (picture, query) are persons, the others nobody at a tenth."""
    true = torch.zeros(logits.shape[:2], dtype=torch.long, device=logits.device)
    true[found] = 1
    return F.cross_entropy(logits.flatten(0, 1), true.flatten(), logits.new_tensor((NOBODY, 1)))


def trimap_entropy(logits: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy of tri-maps ``(N, 3, H, W)`` with classes ``(N, H, W)``, per pixel of each class; 0 if N is 0.

    sum_c mean over the pixels of class c, / 3: what is unknown is little and matters as much as the rest.
    """
    entropy = F.cross_entropy(logits, true, reduction="none")
    return torch.stack([(entropy * (true == c)).sum() / (true == c).sum().clamp(min=1) for c in range(3)]).mean()


def in_band(predicted: Tensor, true: Tensor, unknown: Tensor) -> dict[str, Tensor]:
    """L1 and Laplacian of alphas ``(N, H, W)`` where ``unknown (N, H, W)``, per such pixel; 0 if N is 0.

    The Laplacian takes the prediction for true outside.
    """
    share = unknown.float().mean().clamp(min=1e-3) if len(unknown) else predicted.new_ones(())
    inside = torch.where(unknown, predicted, true)
    if not len(inside):
        return {"l1": predicted.sum(), "laplacian": predicted.sum()}
    return {"l1": l1(inside, true) / share, "laplacian": laplacian(inside[:, None], true[:, None]) / share}
