"""Geometry: squares for the person detector, rotated crops for the landmark network, and the way back.

Affine maps are ``(2, 3)`` float64 arrays from crop pixels to picture pixels (centres at whole numbers, as OpenCV has them).
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.special import expit

CROP = 256
CROP_MARGIN = 1.25
TILES = (0.7, 0.5)


def search_squares(height: int, width: int) -> list[tuple[float, float, float]]:
    """``(x0, y0, side)``: the whole picture, centred, then overlapping tiles, their sides ``TILES`` of its long side."""
    longest = float(max(height, width))
    squares = [((width - longest) / 2, (height - longest) / 2, longest)]
    for side in (longest * tile for tile in TILES):
        squares += [(x, y, side) for y in _starts(height, side) for x in _starts(width, side)]
    return squares


def _starts(length: float, side: float) -> list[float]:
    """At most three evenly spaced starts that cover an axis with at least a third of overlap."""
    if length <= side:
        return [(length - side) / 2]
    count = 2 if length - side <= 0.4 * side else 3
    return [float(v) for v in np.linspace(0, length - side, count)]


def pyramid(image: np.ndarray) -> list[np.ndarray]:
    """The picture and its halvings, so that a crop is never taken from far too fine pixels."""
    levels = [image]
    while min(levels[-1].shape[:2]) >= 2 * CROP:
        levels.append(cv2.pyrDown(levels[-1]))
    return levels


def sample(levels: list[np.ndarray], matrix: np.ndarray, side: int) -> np.ndarray:
    """A ``side x side`` crop, bilinear, zero outside of the picture."""
    step = np.hypot(matrix[0, 0], matrix[1, 0])
    level = int(np.clip(np.floor(np.log2(max(step, 1e-6)) + 0.25), 0, len(levels) - 1))
    scaled = matrix.copy()
    scaled /= 2**level  # pyrDown keeps pixel (2x, 2y) at (x, y)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(levels[level], scaled, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT)


def square_matrix(square: tuple[float, float, float], side: int) -> np.ndarray:
    """The map of an upright square."""
    x, y, length = square
    step = length / side
    return np.array([[step, 0, x + step / 2 - 0.5], [0, step, y + step / 2 - 0.5]])


def person_matrix(centre: np.ndarray, top: np.ndarray) -> np.ndarray:
    """The map of a person's crop: ``centre`` between the hips, ``top`` straight up at the rim of the person's circle."""
    up = top - centre
    radius = float(np.hypot(*up))
    step = 2 * radius * CROP_MARGIN / CROP
    cosine, sine = -up[1] / max(radius, 1e-6), up[0] / max(radius, 1e-6)
    rotation = step * np.array([[cosine, -sine], [sine, cosine]])
    middle = np.full(2, (CROP - 1) / 2)
    return np.hstack((rotation, (centre - rotation @ middle)[:, None]))


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Crop points ``(N, 2)`` in picture pixels."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def paste(logits: np.ndarray, matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Segmentation logits of a crop as a ``(height, width)`` mask in [0, 1], zero outside the crop."""
    mask = expit(logits)
    return cv2.warpAffine(mask.astype(np.float32), matrix, (width, height), flags=cv2.INTER_LINEAR)
