"""Miniatures of the data sets, made as their layouts say."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import cv2
import numpy as np

SIZE = (24, 36)  # height, width


def write(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)
    return path


def square(size: tuple[int, int], k: int) -> tuple[slice, slice]:
    """Where person ``k`` stands: rows, columns."""
    unit = size[0] // 24
    return slice(5 * unit, 15 * unit), slice((5 + 16 * k) * unit, (15 + 16 * k) * unit)


def picture(path: Path, size: tuple[int, int] = SIZE, people: int = 0) -> Path:
    """A grey picture, with bright squares for people."""
    pixels = np.full((*size, 3), 90, np.uint8)
    for k in range(people):
        pixels[square(size, k)] = 220
    return write(path, pixels)


def alpha(path: Path, value: int = 255, size: tuple[int, int] = SIZE, k: int = 0) -> Path:
    """The matte of person ``k``, of this value."""
    matte = np.zeros(size, np.uint8)
    matte[square(size, k)] = value
    return write(path, matte)


def bitmap(mask: np.ndarray, x: int, y: int, *, transparent: bool = True) -> dict[str, object]:
    """A Supervisely bitmap: its PNG carries the mask in its transparency, or in plain grey."""
    pixels = np.dstack([np.full((*mask.shape, 3), 255, np.uint8), mask * 255]) if transparent else mask * 255
    data = zlib.compress(cv2.imencode(".png", pixels)[1].tobytes())
    return {"origin": [x, y], "data": base64.b64encode(data).decode()}


def annotation(path: Path, objects: list[dict[str, object]], size: tuple[int, int] = SIZE, tags: list[object] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"description": "", "size": {"height": size[0], "width": size[1]}, "tags": tags or [], "objects": objects}
    path.write_text(json.dumps(record), "utf-8")
    return path


SQUARE = {  # of 10 px, with a hole of 3
    "classTitle": "person_poly",
    "points": {"exterior": [[2, 3], [11, 3], [11, 12], [2, 12]], "interior": [[[5, 6], [7, 6], [7, 8], [5, 8]]]},
}


def make_him2k(root: Path, size: tuple[int, int] = SIZE) -> Path:
    """Two natural pictures of two and one people, one composite, and two sets of masks."""
    for name, people in (("natural/a", 2), ("natural/b", 1), ("comp/a", 1)):
        picture(root / "images" / f"{name}.jpg", size, people)
        for k in range(people):
            alpha(root / "alphas" / name / f"{k:02d}.png", 255 - 55 * k, size, k)
            for masks in ("masks_matched_r50", "masks_matched_r101"):
                alpha(root / masks / name / f"{k:02d}.png", 255, size, k)
    return root
