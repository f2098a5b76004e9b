"""Training of the closer look: the people detector's network, told by a box and masks whom to draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..compositing import overlay
from ..data.synthesis import Composer, Scene
from ..detect.people.looks import FirstLook, draw_prompted
from ..detect.people.network import MASK_STRIDE, PeopleNetwork
from ..image import as_image, resize
from ..instances import InstanceMattes
from ..weights.bundled import prepared
from ..windows import mask_boxes
from .people import PeopleTask, targets
from .recipe import Stage
from .scenes import Scenes
from .task import Batch, State, device_of
from .told import Told, choose, glance

SCENE = 1.5  # a scene's sides are so many times a view's
SURROUNDINGS = (0.1, 0.5)  # of a box's longer side, on every side


class Prompts:
    """Makes of a scene ``count`` views of ``size`` px, each with one person's targets, ``box (4,)`` px, and ``prompt (3, S/4, S/4)`` uint8:
    the box, and what masks are known of that person and of all others."""

    def __init__(self, size: int, count: int):
        self.size, self.count = size, count
        self.first = FirstLook(torch.device("cpu"))

    def __call__(self, scene: Scene, rng: Generator) -> Batch:
        everyone = choose(scene, glance(self.first, scene), self.count, rng)
        views = [self.view(scene.image, self.known(scene.image, told, rng), rng) for told in everyone]
        return {name: torch.stack([view[name] for view in views]) for name in views[0]}

    def known(self, image: np.ndarray, told: Told, rng: Generator) -> Told:
        """What is known of a person when they are looked at."""
        return told

    def view(self, image: np.ndarray, told: Told, rng: Generator) -> Batch:
        """A square round the box, with whom it tells of as target."""
        box = told.box
        longer, least = max(box[2:] - box[:2]), min(image.shape[:2])
        side = int(np.clip(longer * (1 + 2 * rng.uniform(*SURROUNDINGS)), 16, least))
        corner = ((box[:2] + box[2:] - side) / 2 + rng.normal(0, 0.03 * side, 2)).round().astype(int)
        x, y = (int(np.clip(c, 0, n - side)) for c, n in zip(corner, image.shape[1::-1], strict=True))
        rows, columns = slice(y, y + side), slice(x, x + side)
        seen, *own = (self.scaled(np.ascontiguousarray(part[rows, columns])) for part in (image, *told.alphas))
        sure = np.zeros(seen.shape[:2], bool)  # the box says who is meant: nobody else needs to be known
        scene = Scene(seen, np.stack(own) if own else np.zeros((0, *seen.shape[:2]), np.uint8), sure)
        box = np.clip((box - (x, y, x, y)) * self.size / side, 0, self.size)
        x0, y0, x1, y1 = box.round().astype(int).tolist()
        inside = np.zeros((self.size, self.size), np.uint8)
        inside[y0:y1, x0:x1] = 255
        masks = (inside, *(self.scaled(np.ascontiguousarray(part[rows, columns])) for part in told.known))
        prompt = np.stack([cv2.resize(part, (self.size // MASK_STRIDE,) * 2, interpolation=cv2.INTER_AREA) for part in masks])
        return targets(scene, rng, 1) | {"prompt": torch.from_numpy(prompt), "box": torch.from_numpy(box).float()}

    def scaled(self, part: np.ndarray) -> np.ndarray:
        """A square part of a picture at the size of the views."""
        return cv2.resize(part, (self.size, self.size), interpolation=cv2.INTER_AREA)


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
        return eight_views(data, 0, lambda image, prompt, box: draw_prompted(network, image, prompt)[0])


def eight_views(data: Scenes, bright: int, draw: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    """A picture ``(3, 2S, 4S)`` of eight views and whom ``draw`` draws in them; number ``bright`` of the prompts is drawn brighter.

    ``draw`` is called with ``image (1, 3, S, S)``, ``prompt (1, 3, S/4, S/4)``, both in [0, 1], and ``box (1, 4)`` px, on the CPU.
    """
    views = []
    for i in range(8):
        batch = data[i]
        image, prompt = as_image(batch["image"][0].permute(1, 2, 0).numpy()), batch["prompt"].float() / 255
        size = (image.shape[1], image.shape[2])
        with torch.inference_mode():
            mask = resize(draw(image[None], prompt, batch["box"]).cpu(), size)
        lit = image * (0.6 + 0.4 * resize(prompt[0, bright], size))
        views.append(overlay(lit, InstanceMattes(mask, mask_boxes(mask), torch.ones(1))))
    return torch.cat([torch.cat(views[:4], 2), torch.cat(views[4:], 2)], 1)
