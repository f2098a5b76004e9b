"""Training of InstMatt's first stage: scenes and spoiled masks in, tri-mattes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..data.synthesis import Composer, Scene
from ..matting.conventions import normalise
from ..matting.instmatt.config import InstMattConfig
from ..matting.instmatt.network import InstMattNetwork
from .losses import over_scales
from .recipe import Recipe, Stage
from .spoil import spoil

VIEWS = 2  # crops of each scene, each round somebody else if there are several
SCENE = 2  # a scene's sides are so many times a crop's

Batch = dict[str, Tensor]


class Views(Dataset[Batch]):
    """Crops of scenes from number ``start`` on; see :func:`view`, stacked to ``(VIEWS, ...)``."""

    def __init__(self, composer: Composer, size: int, start: int, length: int):
        self.composer, self.size, self.start, self.length = composer, size, start, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Batch:
        cv2.setNumThreads(1)
        number = self.start + index
        rng = np.random.default_rng([self.composer.seed, number, 2])
        scene = inhabited(self.composer, number)
        chosen = rng.permutation(len(scene.alphas))
        views = [view(scene, int(chosen[i % len(chosen)]), self.size, rng) for i in range(VIEWS)]
        return {name: torch.stack([v[name] for v in views]) for name in views[0]}


def inhabited(composer: Composer, number: int) -> Scene:
    """The scene of that number; or if nobody is in it, another one."""
    scene = composer[number]
    while not len(scene.alphas):
        number += 1 << 32
        scene = composer[number]
    return scene


def view(scene: Scene, target: int, size: int, rng: Generator) -> Batch:
    """A square round some point of a person's outline, all uint8.

    Returns:
        ``image (3, S, S)``; ``guide (3, S, S)``, the tri-mask of the spoiled masks; ``true (3, S, S)``, the tri-matte;
        ``colours (3, 3, S, S)`` of target, reference and background.
    """
    order = np.r_[target, np.delete(np.arange(len(scene.alphas)), target)]
    alphas = scene.alphas[order]
    window = near_outline(alphas[0], size, rng)
    image = scene.image[window]
    guide = tri(spoil(alphas, rng)[(slice(None), *window)] * np.uint8(255))
    true = tri(alphas[(slice(None), *window)])
    parts = {"image": image.transpose(2, 0, 1), "guide": guide, "true": true, "colours": colours(image, true)}
    return {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}


def near_outline(alpha: np.ndarray, size: int, rng: Generator) -> tuple[slice, slice]:
    """A window whose middle lies somewhere near the outline of ``alpha (H, W)``."""
    solid = (alpha > 127).astype(np.uint8)
    edge = np.argwhere(cv2.morphologyEx(solid, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    y, x = edge[rng.integers(len(edge))] if len(edge) else np.array(alpha.shape) // 2
    y, x = (int(v + rng.integers(-size // 3, size // 3 + 1) - size // 2) for v in (y, x))
    y, x = (min(max(v, 0), side - size) for v, side in zip((y, x), alpha.shape, strict=True))
    return slice(y, y + size), slice(x, x + size)


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
    """uint8 ``(N, VIEWS, ...)`` as float in [0, 1], one view after the other."""
    return part.flatten(0, 1).float() / 255


class InstMattTask:
    """What the training loop needs to know: the network, its data, its loss, and what to look at."""

    def __init__(self, recipe: Recipe, folders: Sequence[Path], pretrained: Path | None):
        self.recipe, self.folders = recipe, folders
        self.config = InstMattConfig(**recipe.network)
        self.network = InstMattNetwork(self.config)
        if pretrained:
            from safetensors.torch import load_file

            self.network.load_state_dict(load_file(pretrained))
        self.network.refiner.requires_grad_(False)

    def groups(self) -> list[dict]:
        """The optimizer's groups of parameters, each with its peak ``rate``."""
        return [{"params": [p for p in self.network.parameters() if p.requires_grad], "rate": self.recipe.rate}]

    def data(self, stage: Stage, start: int, length: int) -> Dataset[Batch]:
        """Crops of ``length`` scenes from number ``start`` on."""
        return Views(self._composer(stage.size, False), stage.size, start, length)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The parts of the loss; their sum is what is minimised."""
        made = network(normalise(as_float(batch["image"])).contiguous(memory_format=torch.channels_last), as_float(batch["guide"]))
        scales = (made.os1.float(), made.os4.float(), made.os8.float())
        return over_scales(scales, as_float(batch["true"]), as_float(batch["colours"]))

    def sheet(self, state: dict[str, Tensor]) -> Tensor:
        """Six crops with people kept aside, a picture ``(3, H, W)``: each with its guide, what is made of it, and the truth."""
        network = InstMattNetwork(self.config)
        network.load_state_dict(state)
        network.eval()
        size = self.recipe.stages[-1].size
        data = Views(self._composer(size, True), size, 0, 3)
        batch = {name: torch.stack([data[i][name] for i in range(3)]) for name in ("image", "guide", "true")}
        image, guide, true = (as_float(batch[name]) for name in ("image", "guide", "true"))
        with torch.no_grad():
            alpha = network(normalise(image), guide).os1[:, 0]
        grey = [a[:, None].expand(-1, 3, -1, -1) for a in (guide[:, 0], alpha, true[:, 0])]
        strips = torch.cat((image, *grey), 3)
        return torch.cat([torch.cat(list(strips[i : i + 3]), 1) for i in (0, 3)], 2)

    def _composer(self, size: int, kept_aside: bool) -> Composer:
        recipe = self.recipe
        return Composer(self.folders, (SCENE * size,) * 2, recipe.seed, real=recipe.real, crowded=recipe.crowded, kept_aside=kept_aside)
