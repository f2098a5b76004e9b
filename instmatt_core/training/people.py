"""Training of the people detector: what the network should say about a scene, and how wrong it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..compositing import overlay
from ..data.synthesis import Composer, Scene
from ..detect.people.looks import FirstLook
from ..detect.people.network import CENTRE_STRIDE, MASK_STRIDE, OUTPUT_STRIDE, PeopleNetwork, draw_masks
from ..image import as_image, resize
from ..instances import InstanceMattes
from ..weights import read_safetensors
from ..weights.check import load_strictly
from ..windows import mask_boxes
from .recipe import Recipe, Stage
from .scenes import Scenes
from .task import Batch, State, Task, device_of

COUNTER = "num_batches_tracked"  # of batch norms; exports leave it out
CELLS = 3  # places from which each person's mask is drawn in training: the centre, and others near it
MOST_PEOPLE = 9  # in one scene
SHOWN_FROM = 0.3  # score of the people on sample sheets
LABEL_FROM = 0.4  # where people may be without a matte, a centre as likely as this is not held to be wrong


def targets(scene: Scene, rng: np.random.Generator, most: int = MOST_PEOPLE) -> Batch:
    """A scene as tensors: ``image (3, S, S)`` uint8, ``masks (most, S/2, S/2)`` uint8, ``count``, ``cells (most, 3, 2)``,
    ``heat (S/8, S/8)``, ``unsure (S/8, S/8)``.

    A centre is the pixel of a person's visible part that is nearest to its centre of gravity.
    """
    side = scene.image.shape[0]
    alphas = scene.alphas[-most:]
    masks = np.zeros((most, side // OUTPUT_STRIDE, side // OUTPUT_STRIDE), np.uint8)
    cells = np.zeros((most, CELLS, 2), np.int64)
    heat = np.zeros((side // CENTRE_STRIDE,) * 2, np.float32)
    rows, columns = np.mgrid[0 : heat.shape[0], 0 : heat.shape[1]]
    for i, alpha in enumerate(alphas):
        masks[i] = cv2.resize(alpha, masks.shape[1:], interpolation=cv2.INTER_AREA)
        inside = np.argwhere(alpha >= min(128, int(alpha.max())))
        centre = inside[((inside - inside.mean(0)) ** 2).sum(1).argmin()]
        spread = float(np.clip(0.12 * np.sqrt(len(inside)) / CENTRE_STRIDE, 0.6, 3))
        cell = centre // CENTRE_STRIDE
        heat = np.maximum(heat, np.exp(-((rows - cell[0]) ** 2 + (columns - cell[1]) ** 2) / (2 * spread**2)))
        cells[i] = np.clip(np.round(cell + rng.normal(0, spread, (CELLS, 2))), 0, heat.shape[0] - 1)
        cells[i, 0] = cell
    unsure = cv2.resize(scene.unsure.astype(np.uint8), heat.shape, interpolation=cv2.INTER_AREA)
    image = np.ascontiguousarray(scene.image.transpose(2, 0, 1))
    return {
        "image": torch.from_numpy(image),
        "masks": torch.from_numpy(masks),
        "count": torch.tensor(len(alphas)),
        "cells": torch.from_numpy(cells),
        "heat": torch.from_numpy(heat.astype(np.float32)),
        "unsure": torch.from_numpy(unsure > 0),
    }


def centre_loss(logits: Tensor, heat: Tensor, unsure: Tensor) -> Tensor:
    """The focal loss of Zhou et al. (Objects as Points, eq. 1) with alpha 2, beta 4, per person; all ``(B, H, W)``.

    A likely centre in an ``unsure`` place may be somebody whose matte we do not have, and costs nothing.
    """
    p = logits.sigmoid()
    at_centre = heat == 1
    hit = (1 - p) ** 2 * F.softplus(-logits)
    miss = (1 - heat) ** 4 * p**2 * F.softplus(logits)
    miss = miss.masked_fill(unsure & (p.detach() > LABEL_FROM), 0)
    return torch.where(at_centre, hit, miss).sum() / at_centre.sum().clamp(min=1)


def dice_loss(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """1 - 2 sum(p t) / (sum(p^2) + sum(t^2)) of each map ``(N, H, W)`` (Milletari et al., 2016), averaged."""
    p = logits.sigmoid() if weight is None else logits.sigmoid() * weight
    overlap = 2 * (p * target).sum((1, 2)) + 1
    return (1 - overlap / ((p * p).sum((1, 2)) + (target * target).sum((1, 2)) + 1)).mean()


def outline(target: Tensor) -> Tensor:
    """1 within about 3 pixels of an edge of the masks ``(N, H, W)``, else 0; found at half the size, for speed."""
    small = F.avg_pool2d(target[:, None], 2)
    edge = F.max_pool2d(small, 3, 1, 1) + F.max_pool2d(-small, 3, 1, 1)
    return F.interpolate(edge, scale_factor=2)[:, 0]


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Dice, and cross-entropy per pixel of the person, in which the outline counts five times."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * (1 + 4 * outline(target))
    size = target.sum((1, 2)) + 0.05 * target[0].numel()
    return dice_loss(logits, target) + 0.5 * (entropy.sum((1, 2)) / size).mean()


class PeopleTask(Task):
    """See :class:`Task`.

    Args:
        pretrained: weights of the whole network, or of a backbone, to start from; the first layers then stay as they are.
    """

    system = "people"
    prompted = False
    pretrained_parts = ("backbone.",)
    network: PeopleNetwork

    def __init__(self, recipe: Recipe, folders: Sequence[Path], pretrained: Path | None):
        super().__init__(recipe, folders)
        self.network = PeopleNetwork(self.prompted)
        if pretrained:
            self.start(read_safetensors(pretrained, self.system))
            self.network.backbone.keep_first()

    def start(self, state: State) -> None:
        """Load weights of the whole network, less what exports leave out and what is new in the closer look, or of a backbone.

        Raises:
            WeightsError: listing every tensor that is missing, unexpected or of another shape.
        """
        module = self.network if "centre.bias" in state else self.network.backbone
        own = {name: value for name, value in module.state_dict().items() if name.startswith("prompt.") or name.endswith(COUNTER)}
        load_strictly(module, own | dict(state), self.system)

    def data(self, stage: Stage, start: int, length: int) -> Dataset[Batch]:
        """``length`` scenes from number ``start`` on."""
        return Scenes(self.composer(stage.size), start, length, targets)

    def look(self, network: nn.Module, image: Tensor, batch: Batch) -> Sequence[Tensor]:
        """What the network says of ``image (B, 3, H, W)``."""
        return network(image)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The parts of the loss; their sum is what is minimised."""
        image = batch["image"].float().div(255).contiguous(memory_format=torch.channels_last)
        heat, weights, features, somebody = (part.float() for part in self.look(network, image, batch))
        drawn, wanted = [], []
        for i, count in enumerate(batch["count"].tolist()):
            if count:
                cells = batch["cells"][i, :count].flatten(0, 1)
                drawn.append(draw_masks(features[i], weights[i][:, cells[:, 0], cells[:, 1]].T, cells))
                wanted.append(batch["masks"][i, :count].repeat_interleave(CELLS, 0))
        anybody = batch["masks"].float().div(255).sum(1).clamp(max=1)
        anybody = F.avg_pool2d(anybody[:, None], MASK_STRIDE // OUTPUT_STRIDE)[:, 0]
        sure = 1 - F.interpolate(batch["unsure"][:, None].float(), scale_factor=CENTRE_STRIDE // MASK_STRIDE)[:, 0] * (anybody < 0.1)
        entropy = F.binary_cross_entropy_with_logits(somebody[:, 0], anybody, sure.clamp(min=0.1))
        return {
            "centre": centre_loss(heat[:, 0], batch["heat"], batch["unsure"]),
            "somebody": 0.5 * entropy,
            "mask": mask_loss(torch.cat(drawn), torch.cat(wanted).float() / 255) if drawn else 0 * features.sum(),
        }

    def weights(self, state: State) -> dict[str, Tensor]:
        return {name: value for name, value in state.items() if not name.endswith(COUNTER)}

    def sheet(self, state: State) -> Tensor:
        """What a network with these weights finds by itself in six scenes of people kept aside: a picture ``(3, H, W)``."""
        network = PeopleNetwork()
        network.load_state_dict(state)
        look, composer = FirstLook(device_of(state), network), Composer(self.folders, (384, 384), kept_aside=True)
        views = []
        for index in range(6):
            image = as_image(composer[index].image)
            masks, scores = look(image, MOST_PEOPLE)
            shown = scores >= SHOWN_FROM
            masks = resize(masks[shown], (384, 384))
            views.append(overlay(image, InstanceMattes(masks, mask_boxes(masks), scores[shown])))
        return torch.cat([torch.cat(views[:3], 2), torch.cat(views[3:], 2)], 1)
