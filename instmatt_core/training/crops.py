"""What a matting network is shown in training: a crop of a scene round somebody, with masks that are not quite right, and the truth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from ..data.synthesis import Scene
from ..guidance import steepened, tri_masks_of
from ..image import to_uint8
from ..matting.instmatt.system import SURROUNDINGS
from ..windows import mask_boxes, square_around
from .detected import Detected
from .spoil import spoil
from .task import Batch

SCENE = 2  # a scene's sides are so many times a crop's
MOST_PEOPLE = 4  # in a crop with everybody
LEAST_VISIBLE = 0.005  # of the crop; who shows less in it is left out

Window = tuple[slice, slice]


class Views:
    """Makes of a scene ``count`` crops of ``size`` px, each with one target; see :func:`view`, stacked to ``(count, ...)``.

    Each is round somebody else, as long as there are more: a share ``whole`` shows all of the person, shrunk if need be, the others
    what is near an outline. A share ``detected`` of scenes shows the people whom one of ``detectors`` finds, with its masks; the others
    everybody, with spoiled ones.
    """

    def __init__(self, size: int, count: int, detected: float = 0.0, detectors: Sequence[str] = ("people",), whole: float = 0.0):
        self.size, self.count, self.share, self.whole = size, count, detected, whole
        self.find = Detected(detectors) if detected else None

    def __call__(self, scene: Scene, rng: Generator) -> Batch:
        people = np.arange(len(scene.alphas))
        found = self.find(scene, rng) if self.find and rng.random() < self.share else None
        if found is not None and sure(found).any():
            people = people[sure(found).any((1, 2))]
        else:
            found = None
        chosen = rng.permutation(people)
        views = []
        for i in range(self.count):
            order = first(int(chosen[i % len(chosen)]), len(scene.alphas))
            alphas = scene.alphas[order]
            masks = spoil(alphas, rng) * np.uint8(255) if found is None else found[order]
            if rng.random() < self.whole:
                window = whole_person(sure(masks[0] if sure(masks[0]).any() else alphas[0]), self.size, rng)
            else:
                window = near_outline(alphas[0], self.size, rng)
            views.append(view(scene.image, alphas, masks, window, self.size))
        return {name: torch.stack([v[name] for v in views]) for name in views[0]}


class Crowd:
    """Makes of a scene one crop of ``size`` px with everybody in it as a target, ``(MOST_PEOPLE, ...)``, and their ``count``."""

    def __init__(self, size: int):
        self.size = size

    def __call__(self, scene: Scene, rng: Generator) -> Batch:
        window = near_outline(scene.alphas[rng.integers(len(scene.alphas))], self.size, rng)
        visible = sure(scene.alphas[:, window[0], window[1]]).mean((1, 2)) > LEAST_VISIBLE
        alphas = scene.alphas[visible if visible.any() else slice(1)][:MOST_PEOPLE]
        masks = spoil(alphas, rng, leave_out=0) * np.uint8(255)
        orders = [first(k, len(alphas)) for k in range(len(alphas))]
        views = [view(scene.image, alphas[order], masks[order], window, self.size) for order in orders]
        filled = views + views[-1:] * (MOST_PEOPLE - len(views))
        return {name: torch.stack([v[name] for v in filled]) for name in filled[0]} | {"count": torch.tensor(len(views))}


def first(target: int, count: int) -> np.ndarray:
    """The order of ``count`` people in which ``target`` comes first."""
    return np.r_[target, np.delete(np.arange(count), target)]


def view(image: np.ndarray, alphas: np.ndarray, masks: np.ndarray, window: Window, size: int) -> Batch:
    """A square window of a scene as one person's network sees it, shrunk to ``size`` px where it is larger; all uint8.

    Args:
        image: ``(H, W, 3)`` uint8.
        alphas: true ones ``(K, H, W)`` uint8, the target's first; ``masks (K, H, W)`` uint8 likewise, unsure where a detector is.

    Returns:
        ``image (3, S, S)``; ``guide (3, S, S)``, the tri-mask; ``true (3, S, S)``, the tri-matte; ``colours (3, 3, S, S)`` of target,
        reference and background.
    """
    seen = shrunk(image[window], size)
    true = tri(np.stack([shrunk(alpha[window], size) for alpha in alphas]))
    told = torch.from_numpy(np.stack([shrunk(mask[window], size) for mask in masks]))
    guide = np.stack([to_uint8(part) for part in tri_masks_of(steepened(as_float(told)))[0]])
    parts = {"image": seen.transpose(2, 0, 1), "guide": guide, "true": true, "colours": colours(seen, true)}
    return {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}


def sure(part: np.ndarray) -> np.ndarray:
    """Where an alpha or mask, uint8, is above one half."""
    return part > 127


def near_outline(alpha: np.ndarray, size: int, rng: Generator) -> Window:
    """A square window whose middle lies somewhere near the outline of ``alpha (H, W)``."""
    solid = sure(alpha).astype(np.uint8)
    edge = np.argwhere(cv2.morphologyEx(solid, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    y, x = edge[rng.integers(len(edge))] if len(edge) else np.array(alpha.shape) // 2
    y, x = (int(v + rng.integers(-size // 3, size // 3 + 1) - size // 2) for v in (y, x))
    y, x = (min(max(v, 0), side - size) for v, side in zip((y, x), alpha.shape, strict=True))
    return slice(y, y + size), slice(x, x + size)


def whole_person(mask: np.ndarray, size: int, rng: Generator) -> Window:
    """A square window of at least ``size`` px round all of ``mask (H, W)`` bool, about as wide as the one in which a person is matted
    apart."""
    box = mask_boxes(torch.from_numpy(mask)[None].float())[0]
    return square_around(box, mask.shape, SURROUNDINGS * rng.uniform(0.7, 1.3), size)


def shrunk(part: np.ndarray, size: int) -> np.ndarray:
    """A square picture or matte, ``size`` px wide if it was wider."""
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) if len(part) > size else part


def tri(alphas: np.ndarray) -> np.ndarray:
    """Target (the first), reference (the others) and background ``(3, H, W)`` uint8 of people ``(K, H, W)`` uint8."""
    total = np.minimum(alphas.sum(0, dtype=np.int32), 255)
    return np.stack((alphas[0], total - alphas[0], 255 - total)).astype(np.uint8)


def colours(image: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """About which colour ``(C, 3, H, W)`` uint8 each of ``alphas (C, H, W)`` uint8 has: the picture's where it is opaque, and what
    is opaque near by elsewhere. Only weighs errors, for which this is good enough."""
    found = []
    for alpha in alphas:
        weight = (alpha.astype(np.float32) / 255) ** 4 + 1e-4
        weighted = cv2.GaussianBlur(image * weight[..., None], (0, 0), 6)
        near = weighted / cv2.GaussianBlur(weight, (0, 0), 6)[..., None]
        found.append(np.where(alpha[..., None] > 242, image, near.round()).transpose(2, 0, 1))
    return np.stack(found).astype(np.uint8)


def as_float(part: Tensor) -> Tensor:
    """uint8 as float in [0, 1]."""
    return part.float() / 255
