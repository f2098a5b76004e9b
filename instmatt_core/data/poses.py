"""Cut-outs ``(h, w, 4)`` uint8 changed: in other poses, of another size, turned."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator

from .effects import blur, recolour


def is_slender(rgba: np.ndarray) -> bool:
    """Whether a cut-out is a standing person, not a portrait."""
    return rgba.shape[0] > 1.8 * rgba.shape[1]


def is_whole(rgba: np.ndarray) -> bool:
    """Whether a cut-out ends in feet rather than at its photograph's border."""
    return bool((rgba[-1, :, 3] > 127).mean() < 0.4)


def dark_legs(rgba: np.ndarray, rng: Generator) -> np.ndarray:
    """Dark trousers and shoes, with little contrast: the part from the hips down."""
    share = (np.linspace(0, 1, len(rgba)) - rng.uniform(0.4, 0.5)) / 0.04
    light = 1 - np.clip(share, 0, 1)[:, None, None] * rng.uniform(0.5, 0.92)
    return np.concatenate(((rgba[..., :3] * light).astype(np.uint8), rgba[..., 3:]), -1)


def shorten_legs(rgba: np.ndarray, rng: Generator) -> np.ndarray:
    """About what sitting and squatting look like from the front: the part from the hips down is lower, and the whole wider."""
    hips = int(len(rgba) * rng.uniform(0.42, 0.52))
    legs = cv2.resize(rgba[hips:], (rgba.shape[1], max(1, int((len(rgba) - hips) * rng.uniform(0.3, 0.75)))), interpolation=cv2.INTER_AREA)
    bent = np.concatenate((rgba[:hips], legs))
    return cv2.resize(bent, (int(bent.shape[1] * rng.uniform(1, 1.3)), len(bent)), interpolation=cv2.INTER_LINEAR)


def bend_legs(
    rgba: np.ndarray, rng: Generator, turned: tuple[float, float] = (10, 110), thighs: tuple[float, float] = (0.35, 1)
) -> np.ndarray:
    """About what sitting and squatting look like from any side: each thigh turned about the hip, each calf about the knee.

    Args:
        turned: from the least to the most that thighs turn aside, degrees.
        thighs: their least and greatest length, of what they had.
    """
    height, width = rgba.shape[:2]
    hips, knees = (int(height * share) for share in (rng.uniform(0.44, 0.5), rng.uniform(0.68, 0.76)))
    spare = height - hips  # how far a leg can reach to either side
    columns = np.arange(width)
    alpha = rgba[hips:, :, 3].sum(0, dtype=np.int64)
    middle = int((alpha * columns).sum() / max(alpha.sum(), 1))
    shown = _premultiplied(rgba)
    rows = np.arange(height)[:, None]
    lap = 0.03 * height  # of a limb under the next
    sides, lean = rng.permutation([columns < middle, columns >= middle]), rng.choice((-1, 1)) * rng.uniform(*turned)
    parts = []
    for side in sides:
        turn = (lean if rng.random() < 0.8 else -lean) + rng.normal(0, 15)
        own = rgba[knees, :, 3] * side
        knee = (own * columns).sum() / max(own.sum(dtype=np.int64), 1) if own.any() else middle
        hip = (middle + knee) / 2
        thigh = _turn((hip, hips), (hip + spare, hips), turn, rng.uniform(*thighs))
        bent = thigh @ (knee, knees, 1)
        calf = _turn((knee, knees), bent, rng.normal(0, 12) - 0.15 * turn, rng.uniform(0.75, 1))
        parts += [(side & (rows >= knees - lap), calf), (side & (rows >= hips - lap) & (rows < knees + lap), thigh)]
    torso = rows * np.ones_like(columns) < hips + lap, np.array([[1.0, 0, spare], [0, 1, 0]])
    parts.insert(0 if rng.random() < 0.3 else len(parts), torso)
    canvas = np.zeros((height + spare, width + 2 * spare, 4), np.float32)
    for where, matrix in parts:
        layer = cv2.warpAffine(shown * where[..., None], matrix, canvas.shape[1::-1], flags=cv2.INTER_LINEAR)
        canvas = canvas * (1 - layer[..., 3:]) + layer
    canvas[..., :3] /= np.maximum(canvas[..., 3:], 1e-3)
    there = canvas[..., 3] > 0.05
    y, x = (np.flatnonzero(there.any(axis)) for axis in (1, 0))
    return (canvas[y[0] : y[-1] + 1, x[0] : x[-1] + 1].clip(0, 1) * 255).round().astype(np.uint8)


def warp(rgba: np.ndarray, step_y: float, step_x: float, angle: float, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scaled, flipped or not, sheared, turned by ``angle`` degrees, recoloured: colour ``(h', w', 3)`` and alpha in [0, 1]."""
    shear = rng.normal(0, 0.06)
    flip = -1 if rng.random() < 0.5 else 1
    linear = _rotation(angle) @ np.array([[1, shear], [0, 1]]) @ np.diag([flip * step_x, step_y])
    h, w = rgba.shape[:2]
    corners = linear @ np.array([[0, w, 0, w], [0, 0, h, h]], float)
    low, high = corners.min(1), corners.max(1)
    size = tuple(int(np.ceil(v)) for v in high - low)
    premultiplied = _premultiplied(rgba)
    if min(step_x, step_y) < 0.6:  # area averaging first, against aliasing
        shrunk = (max(1, round(w * step_x)), max(1, round(h * step_y)))
        premultiplied = cv2.resize(premultiplied, shrunk, interpolation=cv2.INTER_AREA)
        linear = linear @ np.diag([w / shrunk[0], h / shrunk[1]])
    warped = cv2.warpAffine(premultiplied, np.hstack((linear, -low[:, None])), size, flags=cv2.INTER_LINEAR)
    alpha = warped[..., 3].clip(0, 1)
    colour = recolour((warped[..., :3] / np.maximum(alpha[..., None], 1e-3)).clip(0, 1), rng)
    if rng.random() < 0.1:
        soft = blur(np.dstack((colour * alpha[..., None], alpha)), rng)
        colour, alpha = (soft[..., :3] / np.maximum(soft[..., 3:], 1e-3)).clip(0, 1), soft[..., 3].clip(0, 1)
    return colour, alpha


def _turn(joint: tuple[float, float], to: Sequence[float], degrees: float, length: float) -> np.ndarray:
    """The affine map that brings a limb's upper ``joint`` (x, y) ``to`` its place, turned, and foreshortened to ``length``."""
    linear = _rotation(degrees) @ np.diag([1, length])
    return np.column_stack((linear, np.array(to) - linear @ np.array(joint)))


def _rotation(degrees: float) -> np.ndarray:
    turn = np.deg2rad(degrees)
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def _premultiplied(rgba: np.ndarray) -> np.ndarray:
    """uint8 ``(h, w, 4)`` as float32 in [0, 1], the colours times alpha."""
    result: np.ndarray = rgba.astype(np.float32) / 255
    result[..., :3] *= result[..., 3:]
    return result
