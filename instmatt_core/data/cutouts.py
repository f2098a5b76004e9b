"""People cut out of single-person photographs, and those photographs without them: what scenes are composed from.

A source folder holds ``image/NAME.*`` and ``alpha/NAME.png``. Preparing it once takes about a minute per 200 pictures; the
results are ordinary files: cut-outs as straight-alpha RGBA PNG with estimated foreground colour, photographs as JPEG.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from ..compositing import cutout
from ..errors import ImageError
from ..image import fit, read_image, read_matte, resize, to_uint8, write_bytes, write_png
from .memory import kept

KEPT_ASIDE = 0.15
VISIBLE = 0.02  # an alpha below is taken for noise


def is_kept_aside(name: str) -> bool:
    """Whether a person is for measuring only, never for training: a fixed 15%, by a hash of the file's stem."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) < KEPT_ASIDE * 2**32


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """The pictures of ``folder/image`` that have a matte in ``folder/alpha``, in order of name.

    Raises:
        ImageError: there is none.
    """
    found = [(image, folder / "alpha" / f"{image.stem}.png") for image in sorted((folder / "image").glob("*"))]
    found = [pair for pair in found if pair[1].exists()]
    if not found:
        raise ImageError(f"{folder}: holds no pictures in image/ with mattes of the same name in alpha/")
    return found


def prepare(source: Path, cache: Path, max_side: int = 512, skip: Callable[[ImageError], None] | None = None) -> Iterator[str]:
    """Write what is missing of ``cache/{people,photos,backgrounds}`` for every pair of ``source``; yields the names done.

    A pair that cannot be used is left out and its error given to ``skip``, or raised if that is None.

    ``people/NAME.png``: the cut-out, cropped, its longer side at most ``max_side`` px. ``photos/NAME.{jpg,png}``: the whole
    photograph and its matte. ``backgrounds/NAME.jpg``: the photograph with the person painted out.
    """
    for image_path, alpha_path in pairs(source):
        try:
            _prepare(image_path, alpha_path, cache, max_side)
        except ImageError as error:
            if skip is None:
                raise
            skip(error)
        yield image_path.stem


def _prepare(image_path: Path, alpha_path: Path, cache: Path, max_side: int) -> None:
    name = image_path.stem
    background = cache / "backgrounds" / f"{name}.jpg"
    if background.exists():  # written last
        return
    image, alpha = read_image(image_path), read_matte(alpha_path)
    if not (alpha > VISIBLE).any():
        raise ImageError(f"{alpha_path}: the matte is empty; remove the pair")
    if alpha.shape != image.shape[1:]:
        raise ImageError(f"{alpha_path}: the matte is {tuple(alpha.shape)}, the picture {tuple(image.shape[1:])} (height, width)")
    write_png(cache / "people" / f"{name}.png", _person(image, alpha, max_side))
    size = fit((image.shape[1], image.shape[2]), max_side)
    image, alpha = resize(image, size), resize(alpha, size)
    write_jpeg(cache / "photos" / f"{name}.jpg", to_uint8(image))
    write_png(cache / "photos" / f"{name}.png", alpha)
    write_jpeg(background, paint_out(to_uint8(image), to_uint8(alpha > VISIBLE) > 0))


def _person(image: Tensor, alpha: Tensor, max_side: int) -> Tensor:
    """``(4, h, w)``: the matte's neighbourhood, shrunk, decontaminated."""
    rows, columns = ((alpha > VISIBLE).any(axis).nonzero().flatten() for axis in (1, 0))
    y, x = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    image, alpha = image[:, y, x], alpha[y, x]
    size = fit((alpha.shape[0], alpha.shape[1]), max_side)
    return cutout(resize(image, size), resize(alpha, size))


def paint_out(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """``image (H, W, 3)`` uint8 with ``hole (H, W)`` filled smoothly, and grained like its surroundings."""
    height, width = hole.shape
    hole = cv2.dilate(hole.astype(np.uint8), np.ones((9, 9), np.uint8))
    small = (max(8, width // 4), max(8, height // 4))
    small_hole = (cv2.resize(hole, small, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    fill = cv2.inpaint(cv2.resize(image, small, interpolation=cv2.INTER_AREA), small_hole, 3, cv2.INPAINT_TELEA)
    fill = cv2.resize(fill, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    detail = image.astype(np.float32) - cv2.GaussianBlur(image, (0, 0), 2)
    fill += np.where(hole[..., None] > 0, detail[:, ::-1] * (hole[:, ::-1, None] == 0), 0)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 1.5)[..., None]
    return (soft * fill + (1 - soft) * image).clip(0, 255).round().astype(np.uint8)


@kept
def read_rgba(path: Path) -> np.ndarray:
    """A cut-out as ``(H, W, 4)`` uint8, red first, straight alpha."""
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if data is None or data.ndim != 3 or data.shape[2] != 4:
        raise ImageError(f"{path}: is not an RGBA cut-out; prepare the source folder again")
    return cv2.cvtColor(data, cv2.COLOR_BGRA2RGBA)


def write_jpeg(path: Path, image: np.ndarray, quality: int = 92) -> None:
    """Write ``(H, W, 3)`` uint8."""
    ok, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ImageError(f"{path}: could not be encoded as JPEG")
    write_bytes(path, data.tobytes())
