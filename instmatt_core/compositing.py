"""Clean colour: foreground estimation, cut-outs, over, and the coloured overlay."""

from __future__ import annotations

import colorsys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from .errors import ImageError
from .image import to_uint8
from .threads import torch_threads_kept
from .windows import window_around

if TYPE_CHECKING:
    from .instances import InstanceMattes

SEEN = 0.5 / 255  # a fainter alpha is 0 in 8 bits
_ONE_AT_A_TIME = threading.Lock()  # where numba has no OpenMP, two threads at once in its parallel code end the process


def estimate_foreground(image: Tensor, alpha: Tensor) -> Tensor:
    """The person's own colour under the matte: multi-level estimation (Germer et al., 2020).

    Computed in the neighbourhood of the matte; elsewhere the picture is returned unchanged.

    Args:
        image: float ``(3, H, W)`` in [0, 1].
        alpha: float ``(H, W)`` in [0, 1].

    Returns:
        ``(3, H, W)`` in [0, 1].

    Raises:
        ImageError: another shape or type.
    """
    _check("image", image, _size(alpha))
    result = image.clone()
    seen = alpha > SEEN
    if not seen.any():
        return result
    y, x = window_around(seen, 8, (image.shape[1], image.shape[2]))
    colour = np.ascontiguousarray(image[:, y, x].permute(1, 2, 0).numpy(), dtype=np.float32)
    if max(colour.shape[:2]) < 2:
        return result
    with _ONE_AT_A_TIME, torch_threads_kept():
        from pymatting import estimate_foreground_ml

        estimate = estimate_foreground_ml(colour, np.ascontiguousarray(alpha[y, x].numpy(), dtype=np.float32))
    result[:, y, x] = torch.from_numpy(np.asarray(estimate, dtype=np.float32)).permute(2, 0, 1).clamp(0, 1)
    return result


def cutout(image: Tensor, alpha: Tensor) -> Tensor:
    """Straight-alpha RGBA ``(4, H, W)`` of one person, decontaminated.

    Args:
        image: float ``(3, H, W)`` in [0, 1].
        alpha: the person's matte, float ``(H, W)`` in [0, 1].

    Raises:
        ImageError: another shape or type.
    """
    return torch.cat((estimate_foreground(image, alpha), alpha[None]))


def over(foreground: Tensor, alpha: Tensor, background: Tensor) -> Tensor:
    """``alpha * foreground + (1 - alpha) * background``, as ``(3, H, W)``.

    Args:
        foreground: float ``(3, H, W)``, or one colour ``(3, 1, 1)``.
        alpha: float ``(H, W)`` in [0, 1].
        background: as the foreground.

    Raises:
        ImageError: another shape or type.
    """
    size = _size(alpha)
    for name, picture in (("foreground", foreground), ("background", background)):
        _check(name, picture, (1, 1) if picture.shape[1:] == (1, 1) else size)
    return alpha * foreground + (1 - alpha) * background


def _size(alpha: Tensor) -> tuple[int, int]:
    """Height, width of a matte that is one."""
    if alpha.ndim != 2 or not alpha.is_floating_point():
        raise ImageError(f"alpha must be float (H, W), not {alpha.dtype} {tuple(alpha.shape)}")
    return alpha.shape[0], alpha.shape[1]


def _check(name: str, picture: Tensor, size: tuple[int, int]) -> None:
    if tuple(picture.shape) != (3, *size) or not picture.is_floating_point():
        raise ImageError(f"{name} must be float {(3, *size)}, as the matte's size is; it is {picture.dtype} {tuple(picture.shape)}")


def person_colour(index: int) -> tuple[float, float, float]:
    """A bright colour for a person's number; neighbours in number are far apart in hue."""
    return colorsys.hsv_to_rgb((0.02 + index * 0.618034) % 1, 0.85, 1.0)


def overlay(image: Tensor, mattes: InstanceMattes, numbers: Sequence[int] | None = None) -> Tensor:
    """The picture dimmed, each person tinted in a colour, outlined and numbered, as ``(3, H, W)`` in [0, 1].

    Args:
        image: float ``(3, H, W)`` in [0, 1].
        mattes: of its people.
        numbers: of each, from 0, where they are not their order; the picture shows them from 1.

    Raises:
        ImageError: another shape or type, or mattes of another size.
    """
    _check("image", image, mattes.size)
    numbers = range(len(mattes)) if numbers is None else numbers
    total = mattes.alphas.sum(0).clamp(max=1)
    result = image * (0.45 + 0.55 * total)
    for alpha, number in zip(mattes.alphas, numbers, strict=True):
        tint = torch.tensor(person_colour(number))[:, None, None]
        result += alpha * 0.45 * (tint - image)
    canvas = np.ascontiguousarray(to_uint8(result))
    scale = max(canvas.shape[:2]) / 900
    for alpha, number in zip(mattes.alphas, numbers, strict=True):
        solid = (alpha > 0.5).to(torch.uint8).numpy()
        colour = tuple(int(255 * c) for c in person_colour(number))
        contours, _ = cv2.findContours(solid, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, colour, max(1, round(1.5 * scale)), cv2.LINE_AA)
        if solid.any():
            _number(canvas, str(number + 1), _inner_point(solid), colour, scale)
    return torch.from_numpy(canvas).permute(2, 0, 1).float() / 255


def _inner_point(solid: np.ndarray) -> tuple[int, int]:
    """The pixel deepest inside."""
    distance = cv2.distanceTransform(cv2.copyMakeBorder(solid, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return int(x) - 1, int(y) - 1


def _number(canvas: np.ndarray, text: str, centre: tuple[int, int], colour: tuple[int, ...], scale: float) -> None:
    font, size, width = cv2.FONT_HERSHEY_SIMPLEX, max(0.45, 0.8 * scale), max(1, round(2 * scale))
    (w, h), _ = cv2.getTextSize(text, font, size, width)
    cv2.circle(canvas, centre, round(0.75 * max(w, h) + 3 * scale), (20, 20, 20), -1, cv2.LINE_AA)
    cv2.circle(canvas, centre, round(0.75 * max(w, h) + 3 * scale), colour, width, cv2.LINE_AA)
    cv2.putText(canvas, text, (centre[0] - w // 2, centre[1] + h // 2), font, size, (255, 255, 255), width, cv2.LINE_AA)
