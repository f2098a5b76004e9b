"""Masks spoiled the way detectors spoil them, so that a matting network learns what to trust.

Masks are bool ``(H, W)``. Each function takes one, and returns another; lengths are shares of the person's size, the square
root of the visible area.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator

GRID = 28  # cells of Mask R-CNN's masks on each side of a person's box
LEAST_IOU = 0.5  # with the true mask; what is spoiled worse than that points at nobody in particular
UNSPOILED = 0.1  # share of masks that are the alpha's own


def size_of(mask: np.ndarray) -> float:
    """Square root of the area, in px; at least 1."""
    return max(1.0, float(np.sqrt(mask.sum())))


def threshold(alpha: np.ndarray, rng: Generator) -> np.ndarray:
    """Where ``alpha (H, W)`` in [0, 255] exceeds a number drawn from all of its range."""
    return alpha > 255 * rng.uniform(0.02, 0.95)


def erode(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """Thinner by up to 4% of the person's size."""
    return cv2.erode(mask.astype(np.uint8), _ellipse(rng.uniform(0, 0.04) * size_of(mask)), borderValue=1) > 0


def dilate(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """Thicker by up to 4%."""
    return cv2.dilate(mask.astype(np.uint8), _ellipse(rng.uniform(0, 0.04) * size_of(mask))) > 0


def smooth(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """Fingers, hair and notches rounded off, as networks of low resolution do."""
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.3 + rng.uniform(0, 0.05) * size_of(mask)) > rng.uniform(0.35, 0.65)


def wobble(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """An outline that strays to and fro by some 2%."""
    size = size_of(mask)
    cells = [max(2, int(side / (size * rng.uniform(0.1, 0.4))) + 2) for side in mask.shape]
    strays = rng.normal(0, rng.uniform(0.005, 0.025) * size, (*cells, 2)).astype(np.float32)
    shift = cv2.resize(strays, mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
    rows, columns = np.indices(mask.shape, np.float32)
    return cv2.remap(mask.astype(np.float32), columns + shift[..., 0], rows + shift[..., 1], cv2.INTER_LINEAR) > 0.5


def coarse(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """Seen through :data:`GRID` x :data:`GRID` cells over a box that does not fit quite."""
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    result = np.zeros_like(mask)
    if not len(rows):
        return result
    low, high = np.array([rows[0], columns[0]]), np.array([rows[-1], columns[-1]]) + 1
    slack = 0.05 * (high - low)
    low = np.clip(np.round(low + rng.normal(0, slack)).astype(int), 0, np.array(mask.shape) - 2)
    high = np.clip(np.round(high + rng.normal(0, slack)).astype(int), low + 2, mask.shape)
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    cells = cv2.resize(mask[box].astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    shape = (int(high[1] - low[1]), int(high[0] - low[0]))
    result[box] = cv2.resize(cells, shape, interpolation=cv2.INTER_LINEAR) > rng.uniform(0.35, 0.6)
    return result


def cut(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """A bite missing from the outline, up to a quarter of the person's size."""
    return mask & ~_blob(mask, rng)


def paste(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """A piece of whatever lies beside the person taken for them."""
    return mask | _blob(mask, rng)


def lose_part(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """A limb, or some other part beyond a straight line, is missing: at most a third."""
    ys, xs = mask.nonzero()
    if not len(ys):
        return mask
    turn = rng.uniform(0, 2 * np.pi)
    along = np.indices(mask.shape).astype(np.float32)
    along = along[0] * np.float32(np.sin(turn)) + along[1] * np.float32(np.cos(turn))
    return mask & (along < np.quantile(along[ys, xs], rng.uniform(0.67, 1)))


def trespass(mask: np.ndarray, others: np.ndarray, rng: Generator) -> np.ndarray:
    """With what is near of the ``others``, bool ``(H, W)``: the line between people who touch lies a little way inside a neighbour."""
    reach = cv2.dilate(mask.astype(np.uint8), _ellipse(rng.uniform(0, 0.15) * size_of(mask))) > 0
    return mask | (reach & others)


SPOILERS: tuple[Callable[[np.ndarray, Generator], np.ndarray], ...] = (erode, dilate, smooth, wobble, coarse, cut, paste, lose_part)
ODDS = (0.12, 0.12, 0.18, 0.18, 0.16, 0.09, 0.09, 0.06)


def spoil(alphas: np.ndarray, rng: Generator, leave_out: float = 0.15) -> np.ndarray:
    """What a detector might have found of people ``(K, H, W)`` uint8: masks ``(K, H, W)`` bool that do not overlap.

    A mask keeps an IoU of :data:`LEAST_IOU` with the true one, unless the person is left out altogether, which is never the first.
    """
    masks: list[np.ndarray] = []
    for k, alpha in enumerate(alphas):
        true = alpha > 127
        mask = threshold(alpha, rng)
        if k and rng.random() < leave_out:
            mask = np.zeros_like(mask)
        elif rng.random() >= UNSPOILED:
            for index in rng.choice(len(SPOILERS), rng.integers(1, 4), replace=False, p=ODDS):
                mask = SPOILERS[index](mask, rng)
            if len(alphas) > 1 and rng.random() < 0.15:
                mask = trespass(mask, np.asarray((np.delete(alphas, k, 0) > 127).any(0)), rng)
            if (mask & true).sum() < LEAST_IOU * (mask | true).sum():
                mask = true
        masks.append(mask)
    return disjoint(masks, rng)


def disjoint(masks: Sequence[np.ndarray], rng: Generator) -> np.ndarray:
    """Each pixel to one of those who claim it, in an order drawn for all pixels."""
    result = np.array(masks, bool)
    free = np.ones(result.shape[1:], bool)
    for k in rng.permutation(len(result)):
        result[k] &= free
        free &= ~result[k]
    return result


def _ellipse(radius: float) -> np.ndarray:
    side = 2 * round(radius) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _blob(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """A round spot on the outline."""
    edge = np.argwhere(mask & ~(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0))
    spot: np.ndarray = np.zeros(mask.shape, np.uint8)
    if len(edge):
        y, x = edge[rng.integers(len(edge))]
        axes = np.maximum(1, rng.uniform(0.03, 0.25, 2) * size_of(mask)).astype(int)
        cv2.ellipse(spot, (int(x), int(y)), (int(axes[0]), int(axes[1])), rng.uniform(0, 180), 0, 360, 1, -1)
    return spot > 0
