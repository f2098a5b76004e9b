"""Ways to bring an end-to-end system's mattes to full size: all take the picture, everyone's trimaps, and everyone's mattes.

``(image (3, H, W), trimaps (K, H, W) of 0, 0.5, 1, alphas (K, H, W)) -> alphas (K, H, W)``, of which those in the unknown bands count.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..guidance import tells_enough
from .closed_form import solve_trimap

Refine = Callable[[Tensor, Tensor, Tensor], Tensor]


def one_by_one(solve: Callable[[Tensor, Tensor], Tensor]) -> Refine:
    """What makes an alpha ``(H, W)`` from picture and trimap, for everyone; a trimap that says too little leaves the matte as it is."""

    def refine(image: Tensor, trimaps: Tensor, alphas: Tensor) -> Tensor:
        refined = alphas.clone()
        for k, trimap in enumerate(trimaps):
            if tells_enough(trimap):
                refined[k] = solve(image, trimap)
        return refined

    return refine


def together(refine_mattes: Callable[[Tensor, Tensor], Tensor]) -> Refine:
    """What corrects everyone's mattes by each other and asks for no trimaps, such as ``InstMatt.refine_mattes``."""
    return lambda image, trimaps, alphas: refine_mattes(image, alphas)


closed_form = one_by_one(solve_trimap)
