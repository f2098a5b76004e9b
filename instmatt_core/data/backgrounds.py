"""Backgrounds without people, and things that are none: crops of photographs, or generated."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from ..errors import ImageError
from .memory import kept


@kept
def read_rgb(path: Path) -> np.ndarray:
    """A picture file as ``(H, W, 3)`` uint8, red first, by the fast way."""
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if data is None:
        raise ImageError(f"{path}: damaged, or not a picture")
    return data[..., ::-1]


def crop_to(image: np.ndarray, size: tuple[int, int], rng: Generator, least: float = 0.4) -> np.ndarray:
    """A random crop, at least ``least`` of what would fit, resized to ``size`` (height, width), float32 in [0, 1]."""
    height, width = image.shape[:2]
    whole = min(height / size[0], width / size[1])
    step = whole * rng.uniform(least, 1)
    h, w = int(size[0] * step), int(size[1] * step)
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    crop = np.ascontiguousarray(image[y : y + h, x : x + w])
    return cv2.resize(crop, size[::-1], interpolation=cv2.INTER_AREA if step > 1 else cv2.INTER_LINEAR).astype(np.float32) / 255


def texture(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """Noise of several scales between a few colours, stretched in some direction: wood, cloth, foliage, plaster."""
    height, width = size
    field = np.zeros(size, np.float32)
    stretch = np.exp(rng.normal(0, 0.8))
    for octave in range(int(rng.integers(2, 7))):
        cells = 2.0 ** (octave + 1)
        grid = rng.standard_normal((max(2, round(cells * stretch)), max(2, round(cells / stretch))), np.float32)
        field += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(rng.uniform(0.4, 0.9) ** octave)
    if rng.random() < 0.3:  # stripes, tiles
        y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(size)
        angle, count = rng.uniform(0, np.pi), rng.uniform(4, 40)
        field += np.float32(rng.uniform(0.3, 2)) * np.sign(np.sin(2 * np.pi * count * (x * np.cos(angle) + y * np.sin(angle))))
    field = (field - field.min()) / max(float(np.ptp(field)), 1e-6)
    colours = rng.uniform(0, 1, (4, 3)) * 0.6 + rng.uniform(0, 1, 3) * 0.4
    stops = np.linspace(0, 1, 4)
    return np.stack([np.interp(field, stops, colours[:, c]) for c in range(3)], -1).astype(np.float32)


def shape(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """The soft-edged silhouette ``(H, W)`` of some object: box, ellipse, post, or a rounded polygon."""
    height, width = size
    mask: np.ndarray = np.zeros(size, np.uint8)
    centre = rng.uniform(0.1, 0.9, 2) * (width, height)
    reach = np.exp(rng.uniform(np.log(0.05), np.log(0.45))) * max(size)
    kind = rng.integers(4)
    if kind == 0:
        corners = cv2.boxPoints((tuple(map(float, centre)), tuple(map(float, reach * rng.uniform(0.4, 2, 2))), float(rng.normal(0, 12))))
        cv2.fillPoly(mask, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    elif kind == 1:
        axes = reach * rng.uniform(0.3, 1, 2)
        cv2.ellipse(mask, (tuple(map(float, centre)), tuple(map(float, axes)), float(rng.uniform(0, 180))), 255, -1, cv2.LINE_AA)
    elif kind == 2:
        end = centre + reach * np.array([rng.normal(0, 0.4), 2])
        start = tuple(map(int, centre))
        cv2.line(mask, start, tuple(map(int, end)), 255, max(2, int(reach * rng.uniform(0.05, 0.5))), cv2.LINE_AA)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 10))))
        radii = reach * rng.uniform(0.3, 1, len(angles))
        points = centre + np.stack((np.cos(angles), np.sin(angles)), 1) * radii[:, None]
        cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, reach * rng.uniform(0, 0.1)))
        mask = (np.clip(mask.astype(np.float32) - 100, 0, 55) * (255 / 55)).astype(np.uint8)
    return mask.astype(np.float32) / 255


def generate(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """A made-up place: a wall and a floor of some texture, shaded, with objects."""
    scene = texture(size, rng)
    if rng.random() < 0.6:
        horizon = int(size[0] * rng.uniform(0.35, 0.85))
        scene[horizon:] = texture((size[0] - horizon, size[1]), rng)
    for _ in range(int(rng.integers(0, 8))):
        mask = shape(size, rng)[..., None]
        scene = scene * (1 - mask) + texture(size, rng) * mask
    y, x = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j].astype(np.float32)
    scene = scene * np.clip(1 + rng.uniform(-0.4, 0.4) * x + rng.uniform(-0.4, 0.4) * y, 0.2, 1.8)[..., None]
    return np.clip(cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.3, 3)), 0, 1).astype(np.float32)
