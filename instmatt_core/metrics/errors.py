"""Errors of one alpha matte against its ground truth: SAD, MAD, MSE, Grad, Conn (Rhemann et al., CVPR 2009).

Every error is a map of per-pixel errors, summed or averaged over an explicit region. Mattes are compared in float32 (an 8-bit
file is value / 255), sums are taken in float64. Where a region is None it is the whole picture.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from ..errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Region = Literal["whole", "unknown", "union"]

SUPPORT = 0.5 / 255  # the faintest alpha that an 8-bit file still stores as more than nothing
LEVELS = (0.1 * np.arange(11)).astype(np.float32)  # of Conn; in float64 153 / 255 would miss 0.6
SIGMA, REACH = 1.4, 4  # of the Gaussian derivative in Grad: 9 x 9


def as_alpha(matte: ArrayLike) -> np.ndarray:
    """A matte ``(H, W)``, or several ``(K, H, W)``, as float32 in [0, 1]; integers are divided by their type's maximum.

    Raises:
        ImageError: another shape, or values that are not finite or outside [0, 1].
    """
    array = np.asarray(matte)
    if np.issubdtype(array.dtype, np.integer):
        array = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    array = array.astype(np.float32, copy=False)
    if array.ndim not in (2, 3):
        raise ImageError(f"a matte must be (H, W) or (K, H, W), not {array.shape}")
    if array.size and not (array.min() >= 0 and array.max() <= 1):  # NaN fails too
        raise ImageError("a matte must be finite and in [0, 1]")
    return array


def support(alpha: np.ndarray) -> np.ndarray:
    """Where a matte holds anything at all, bool: 8-bit value >= 1."""
    return alpha > SUPPORT


def union_of_supports(pred: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """IMQ's region, bool ``(H, W)``: where either matte holds anything."""
    return support(as_alpha(pred)) | support(as_alpha(truth))


def unknown(trimap: ArrayLike) -> np.ndarray:
    """The trimap's undecided band, bool ``(H, W)``: neither 0 nor 1."""
    alpha = as_alpha(trimap)
    return (alpha > 0) & (alpha < 1)


def absolute_map(pred: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """``|p - g|`` at each pixel, ``(H, W)`` float32 in [0, 1]."""
    p, g = _pair(pred, truth)
    return np.abs(p - g)


def squared_map(pred: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """``(p - g)^2`` at each pixel, ``(H, W)`` float32 in [0, 1]."""
    p, g = _pair(pred, truth)
    return np.square(p - g)


def gradient_map(pred: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """``(|grad p| - |grad g|)^2`` at each pixel, ``(H, W)`` float32; gradients by 9 x 9 Gaussian derivatives, sigma 1.4."""
    p, g = _pair(pred, truth)
    return np.square(_slope(p) - _slope(g))


def connectivity_map(pred: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """``|phi(p) - phi(g)|`` at each pixel, ``(H, W)`` float32 in [0, 1].

    phi falls below one where a pixel is more than 0.15 above the highest level at which it still belongs to the largest
    4-connected region that both mattes share.
    """
    p, g = _pair(pred, truth)
    shared = np.minimum(p, g)
    connected = np.ones_like(shared, bool)
    reached = np.ones_like(shared)
    for below, level in itertools.pairwise(LEVELS):
        largest = _largest_component(shared >= level)
        reached[connected & ~largest] = below
        connected &= largest
    return np.abs(_connectedness(p, reached) - _connectedness(g, reached))


def sad(pred: ArrayLike, truth: ArrayLike, region: np.ndarray | None = None, *, scale: float = 1e-3) -> float:
    """Sum of absolute differences over the region, times ``scale`` (the field reports thousands)."""
    return scale * total(absolute_map(pred, truth), region)


def mad(pred: ArrayLike, truth: ArrayLike, region: np.ndarray | None = None, *, scale: float = 1.0) -> float:
    """Mean absolute difference over the region, times ``scale``."""
    return scale * mean(absolute_map(pred, truth), region)


def mse(pred: ArrayLike, truth: ArrayLike, region: np.ndarray | None = None, *, scale: float = 1.0) -> float:
    """Mean squared error over the region, times ``scale``."""
    return scale * mean(squared_map(pred, truth), region)


def grad(pred: ArrayLike, truth: ArrayLike, region: np.ndarray | None = None, *, scale: float = 1e-3) -> float:
    """Sum of :func:`gradient_map` over the region, times ``scale``."""
    return scale * total(gradient_map(pred, truth), region)


def conn(pred: ArrayLike, truth: ArrayLike, region: np.ndarray | None = None, *, scale: float = 1e-3) -> float:
    """Sum of :func:`connectivity_map` over the region, times ``scale``."""
    return scale * total(connectivity_map(pred, truth), region)


def total(error_map: np.ndarray, region: np.ndarray | None = None) -> float:
    """Sum of a map over a region, in float64."""
    if region is not None and region.shape != error_map.shape:
        raise ImageError(f"the region is {region.shape}, the matte {error_map.shape}")
    return float((error_map if region is None else error_map[region]).sum(dtype=np.float64))


def mean(error_map: np.ndarray, region: np.ndarray | None = None) -> float:
    """Mean of a map over a region, in float64; 0 over an empty region."""
    area = error_map.size if region is None else int(np.count_nonzero(region))
    return total(error_map, region) / max(area, 1)


ERRORS = {"sad": sad, "mad": mad, "mse": mse, "grad": grad, "conn": conn}


class MatteErrors:
    """Mean SAD, MAD, MSE, Grad and Conn over many mattes, each with its usual scale.

    Sums are exact, so neither the order of updates nor of merges changes the last digit.

    Args:
        region: "whole" picture, the trimap's "unknown", or the "union" of both supports.
    """

    def __init__(self, region: Region = "whole") -> None:
        self.region = region
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.rows: list[dict[str, float]] = []

    def update(self, pred: ArrayLike, truth: ArrayLike, trimap: ArrayLike | None = None) -> None:
        """Add one matte ``(H, W)``; ``trimap`` is needed for the region "unknown"."""
        if (trimap is not None) != (self.region == "unknown"):
            raise ImageError(f'a trimap goes with the region "unknown" and only with it; this one is "{self.region}"')
        area: np.ndarray | None = None
        if trimap is not None:
            area = unknown(trimap)
        elif self.region == "union":
            area = union_of_supports(pred, truth)
        self.rows.append({name: error(pred, truth, area) for name, error in ERRORS.items()})

    def merge(self, other: MatteErrors) -> None:
        """Take over what another one has gathered over the same kind of region."""
        if other.region != self.region:
            raise ImageError(f'errors over "{self.region}" and over "{other.region}" cannot be merged')
        self.rows += other.rows

    def compute(self) -> dict[str, float]:
        """Mean of each error by name; NaN before the first update."""
        return {name: math.fsum(row[name] for row in self.rows) / len(self.rows) if self.rows else math.nan for name in ERRORS}


def _pair(pred: ArrayLike, truth: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    p, g = as_alpha(pred), as_alpha(truth)
    if p.shape != g.shape or p.ndim != 2:
        raise ImageError(f"prediction {p.shape} and ground truth {g.shape} must be one (H, W) matte each, of one size")
    return p, g


@lru_cache(maxsize=1)
def _kernels() -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian and its derivative, each of norm one, so that their product has Frobenius norm one."""
    x = np.arange(-REACH, REACH + 1)
    gauss = np.exp(-(x**2) / (2 * SIGMA**2))
    slope = x * gauss
    return gauss / np.linalg.norm(gauss), slope / np.linalg.norm(slope)


def _slope(alpha: np.ndarray) -> np.ndarray:
    gauss, slope = _kernels()
    across, down = (cv2.sepFilter2D(alpha, cv2.CV_32F, *k, borderType=cv2.BORDER_REPLICATE) for k in ((slope, gauss), (gauss, slope)))
    return np.sqrt(np.square(across) + np.square(down))


def _largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected component, the first in reading order among equals; empty if there is none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    if count == 1:
        return mask
    return labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])


def _connectedness(alpha: np.ndarray, reached: np.ndarray) -> np.ndarray:
    above = alpha - reached
    return 1 - above * (above >= np.float32(0.15))
