"""Closed-form matting (Levin, Lischinski, Weiss, CVPR 2006) on a trimap per person; needs no trained weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..guidance import BACKGROUND, FOREGROUND, UNKNOWN, tells_enough, trimaps
from ..image import resize
from ..instances import InstanceMasks, share_
from ..threads import spread, torch_threads_kept
from ..windows import window_around
from .upsampling import carry

MAX_UNKNOWN = 100_000  # unknowns of one linear system; bounds its memory to a few hundred MB
HAZE = 0.03  # the least squares leave a veil over smooth backgrounds: alphas this near to 0 or 1 become so
SHIFTS = [1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]  # without a shift the factorisation often fails first, and says so on stdout


class ClosedForm:
    """Matting step; call it with a picture and people.

    Args:
        band, hair: see :func:`instmatt_core.guidance.trimaps`.
    """

    name = "closed-form"

    def __init__(self, *, band: float = 0.025, hair: float = 0.25):
        self.band, self.hair = band, hair

    def __call__(self, image: Tensor, instances: InstanceMasks, progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """Alphas ``(K, H, W)`` of ``image (3, H, W)``; together at most one at a pixel. Whose trimap says too little keeps the mask."""
        return solve_or_keep(image, trimaps(instances, band=self.band, hair=self.hair), instances.masks, solve_trimaps, progress)


def solve_trimaps(image: Tensor, guides: Tensor, progress: Callable[[float], None] = lambda share: None) -> Tensor:
    """Alphas ``(K, H, W)`` of ``image (3, H, W)`` for trimaps ``(K, H, W)``, which are overwritten; together at most one at a pixel."""
    for k, alpha in enumerate(spread(lambda guide: solve_trimap(image, guide), list(guides), image.device)):
        guides[k] = alpha
        progress((k + 1) / len(guides))
    return share_(guides)


def solve_or_keep(
    image: Tensor,
    guides: Tensor,
    alphas: Tensor,
    solve: Callable[[Tensor, Tensor, Callable[[float], None]], Tensor],
    progress: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """``solve(image, guides, progress)``, save for those of ``guides (K, H, W)`` that say too little: their ``alphas (K, H, W)`` stay."""
    lost = torch.tensor([not tells_enough(guide) for guide in guides], dtype=torch.bool)
    guides[lost] = BACKGROUND  # so that they take no share from others
    solved = solve(image, guides, progress)
    solved[lost] = alphas[lost].clamp(0, 1)
    return share_(solved)


def solve_trimap(image: Tensor, trimap: Tensor) -> Tensor:
    """Alpha ``(H, W)`` of ``image (3, H, W)`` for a trimap ``(H, W)`` of 0, 0.5, 1.

    Only the neighbourhood of the unknown pixels is solved. When these are very many, the system is solved on a smaller
    picture and the result is carried to full size by the closed form's own local model, alpha = a . colour + b.
    """
    unknown = trimap == UNKNOWN
    sure = (trimap == FOREGROUND).float()
    count = int(unknown.sum())
    if not count or not sure.any() or not (trimap == 0).any():
        return trimap.clone()  # nothing to solve, or nothing to solve it from
    window = window_around(unknown, 4, (image.shape[1], image.shape[2]))
    picture, guide = image[:, window[0], window[1]], trimap[window]
    ratio = (MAX_UNKNOWN / count) ** 0.5
    if ratio >= 1:
        local = _solve(picture, guide)
    else:
        size = tuple(max(8, round(s * ratio)) for s in guide.shape)
        small_guide = torch.from_numpy(cv2.resize(guide.numpy(), size[::-1], interpolation=cv2.INTER_NEAREST))
        small = resize(picture, size)
        local = carry(picture, small, _solve(small, small_guide))
        local = torch.where(guide == UNKNOWN, local, guide)
    result = sure
    result[window] = (local - HAZE) / (1 - 2 * HAZE)
    return result.clamp_(0, 1)


def _solve(image: Tensor, trimap: Tensor) -> Tensor:
    if not (trimap == UNKNOWN).any() or not (trimap == 0).any() or not (trimap == FOREGROUND).any():
        return trimap.clone()
    colours = image.permute(1, 2, 0).double().clamp(0, 1).numpy()
    with torch_threads_kept():
        from pymatting import estimate_alpha_cf, ichol

        def preconditioner(matrix: Any) -> Any:
            return ichol(matrix, shifts=SHIFTS)

        alpha = estimate_alpha_cf(colours, trimap.double().numpy(), preconditioner=preconditioner)
    return torch.from_numpy(alpha.astype(np.float32))
