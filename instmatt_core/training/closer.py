"""Training of the closer look: the people detector's network, told by a box whom to draw."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..compositing import overlay
from ..data.synthesis import Composer, Scene
from ..detect.people.looks import draw_prompted
from ..detect.people.network import MASK_STRIDE, PeopleNetwork
from ..image import as_image, resize
from ..instances import InstanceMattes, mask_boxes
from ..weights.bundled import prepared
from .people import PeopleTask, targets
from .recipe import Stage
from .scenes import Scenes
from .task import Batch, State, device_of

SCENE = 1.5  # a scene's sides are so many times a view's
NOBODY = 0.12  # share of boxes in which nobody is
LEAST_SIDE = 20  # px of the box of who is looked at
SURROUNDINGS = (0.1, 0.5)  # of the box's longer side, on every side
JITTER = 0.05  # of the box's sides
CUT = 0.25  # share of boxes that leave out a part, as what misses the feet does; up to 0.35 of a side

Box = np.ndarray  # x0, y0, x1, y1 px


class Prompts:
    """Makes of a scene ``count`` views of ``size`` px, each with one person's targets and ``prompt (1, S/4, S/4)`` uint8."""

    def __init__(self, size: int, count: int):
        self.size, self.count = size, count

    def __call__(self, scene: Scene, rng: Generator) -> Batch:
        boxes = [box_of(alpha) for alpha in scene.alphas]
        people = [k for k, box in enumerate(boxes) if max(box[2:] - box[:2]) >= LEAST_SIDE]
        rng.shuffle(people)
        views = []
        for i in range(self.count):
            nowhere = empty_box(scene, rng) if not people or rng.random() < NOBODY else None
            if nowhere is not None or not people:
                box, alphas = spoilt(np.array((0, 0, *scene.image.shape[1::-1])), rng) if nowhere is None else nowhere, scene.alphas[:0]
            else:
                k = people[i % len(people)]
                box, alphas = spoilt(boxes[k], rng), scene.alphas[k : k + 1]
            views.append(self.view(scene.image, alphas, box, rng))
        return {name: torch.stack([view[name] for view in views]) for name in views[0]}

    def view(self, image: np.ndarray, alphas: np.ndarray, box: Box, rng: Generator) -> Batch:
        """A square round ``box``, with who is in it, of ``alphas (K, H, W)``, as targets."""
        longer, least = max(box[2:] - box[:2]), min(image.shape[:2])
        side = int(np.clip(longer * (1 + 2 * rng.uniform(*SURROUNDINGS)), 16, least))
        corner = ((box[:2] + box[2:] - side) / 2 + rng.normal(0, 0.03 * side, 2)).round().astype(int)
        x, y = (int(np.clip(c, 0, n - side)) for c, n in zip(corner, image.shape[1::-1], strict=True))
        rows, columns = slice(y, y + side), slice(x, x + side)
        seen, *own = (self.scaled(np.ascontiguousarray(part[rows, columns])) for part in (image, *alphas))
        sure = np.zeros(seen.shape[:2], bool)  # the box says who is meant: nobody else needs to be known
        scene = Scene(seen, np.stack(own) if own else np.zeros((0, *seen.shape[:2]), np.uint8), sure)
        x0, y0, x1, y1 = np.clip((box - (x, y, x, y)) * self.size / side, 0, self.size).round().astype(int).tolist()
        inside = np.zeros((self.size, self.size), np.uint8)
        inside[y0:y1, x0:x1] = 255
        prompt = cv2.resize(inside, (self.size // MASK_STRIDE,) * 2, interpolation=cv2.INTER_AREA)
        return targets(scene, rng, 1) | {"prompt": torch.from_numpy(prompt)[None]}

    def scaled(self, part: np.ndarray) -> np.ndarray:
        """A square part of a picture at the size of the views."""
        return cv2.resize(part, (self.size, self.size), interpolation=cv2.INTER_AREA)


def box_of(alpha: np.ndarray) -> Box:
    """Of what is opaque in ``alpha (H, W)`` uint8."""
    x, y, w, h = cv2.boundingRect((alpha > 127).astype(np.uint8))
    return np.array((x, y, x + w, y + h), float)


def spoilt(box: Box, rng: Generator) -> Box:
    """A box as detectors give it: not quite right, now and then without a part."""
    box = box.copy()
    sides = np.tile(box[2:] - box[:2], 2)
    if rng.random() < CUT:
        edge = rng.choice(4, p=(0.15, 0.15, 0.15, 0.55))  # the feet most often
        box[edge] += (1 if edge < 2 else -1) * rng.uniform(0.05, 0.35) * sides[edge]
    return box + rng.normal(0, JITTER, 4).clip(-0.12, 0.12) * sides


def empty_box(scene: Scene, rng: Generator) -> Box | None:
    """A box with little of anybody in it, or None where there seems to be no room for one."""
    height, width = scene.image.shape[:2]
    anybody = (scene.alphas > 127).any(0) | scene.unsure
    for _ in range(6):
        h = rng.uniform(0.12, 0.8) * height
        w = min(width, h * np.exp(rng.normal(-0.7, 0.5)))
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        if anybody[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1].mean() < 0.12:
            return np.array((x, y, x + w, y + h))
    return None


class CloserTask(PeopleTask):
    """See :class:`Task`."""

    prompted = True

    def data(self, stage: Stage, start: int, length: int) -> Dataset[Batch]:
        return Scenes(self.composer(stage.size), start, length, Prompts(stage.size, stage.views))

    def composer(self, size: int, kept_aside: bool = False) -> Composer:
        return super().composer(round(SCENE * size / 32) * 32, kept_aside)

    def look(self, network: nn.Module, image: Tensor, batch: Batch) -> Sequence[Tensor]:
        return network(image, batch["prompt"].float() / 255)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return super().losses(network, {name: part.flatten(0, 1) for name, part in batch.items()})

    def sheet(self, state: State) -> Tensor:
        """Eight views with people kept aside; the prompt is drawn brighter."""
        network = PeopleNetwork(prompted=True)
        network.load_state_dict(state)
        network = prepared(network, device_of(state))
        size = self.recipe.stages[-1].size
        data = Scenes(self.composer(size, kept_aside=True), 0, 8, Prompts(size, 1), somebody=True)
        views = []
        for i in range(len(data)):
            batch = data[i]
            image, prompt = as_image(batch["image"][0].permute(1, 2, 0).numpy()), batch["prompt"][0, 0].float() / 255
            with torch.inference_mode():
                mask, _ = draw_prompted(network, image[None], prompt[None])
            mask = resize(mask.cpu(), (size, size))
            bright = image * (0.6 + 0.4 * resize(prompt, (size, size)))
            views.append(overlay(bright, InstanceMattes(mask, mask_boxes(mask), torch.ones(1))))
        return torch.cat([torch.cat(views[:4], 2), torch.cat(views[4:], 2)], 1)
