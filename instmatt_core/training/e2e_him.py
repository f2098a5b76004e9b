"""Training of E2E-HIM: each person of a scene is some query's to find, to divide into tri-map classes, and to matte.

What the authors minimise is not published; these losses follow from the network's design: queries are matched with people as in
DETR (Carion et al., ECCV 2020), tri-maps are classified, and alphas count where the true tri-map is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..compositing import overlay
from ..data.synthesis import Scene
from ..image import as_image
from ..matting.conventions import normalise
from ..matting.e2e_him import E2EHIM
from ..matting.e2e_him.backbones import load_imagenet
from ..matting.e2e_him.network import E2EHIMNetwork
from ..matting.e2e_him.perception import QUERIES
from ..metrics import IMQ
from ..weights import read_safetensors
from ..weights.check import load_strictly
from .losses import class_entropy, in_band, match, trimap_entropy
from .recipe import Recipe, Stage
from .scenes import Scenes
from .task import Batch, State, Task, device_of

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2
BAND = (2, 12)  # px that the unknown band reaches beyond the soft pixels
CHECKED = 12  # scenes of people kept aside


def targets(scene: Scene, rng: Generator) -> Batch:
    """A scene as tensors: ``image (3, S, S)``, ``alphas (20, S, S)`` and ``trimaps (20, S, S)`` uint8, ``count``."""
    alphas = scene.alphas[-QUERIES:]
    filled = np.zeros((2, QUERIES, *scene.image.shape[:2]), np.uint8)
    for k, alpha in enumerate(alphas):
        filled[:, k] = alpha, trimap(alpha, rng)
    return {
        "image": torch.from_numpy(np.ascontiguousarray(scene.image.transpose(2, 0, 1))),
        "alphas": torch.from_numpy(filled[0]),
        "trimaps": torch.from_numpy(filled[1]),
        "count": torch.tensor(len(alphas)),
    }


def trimap(alpha: np.ndarray, rng: Generator) -> np.ndarray:
    """Classes ``(H, W)`` uint8 of ``alpha (H, W)`` uint8: background, foreground, and a band of random width round what is soft."""
    edge = cv2.morphologyEx((alpha > 127).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    side = 2 * int(rng.integers(*BAND)) + 1
    unsure = ((alpha > 0) & (alpha < 255) | (edge > 0)).astype(np.uint8)
    band = cv2.dilate(unsure, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0
    return np.where(band, UNKNOWN, np.where(alpha > 127, FOREGROUND, BACKGROUND)).astype(np.uint8)


class E2EHIMTask(Task):
    """See :class:`Task`. The recipe's ``network`` has ``backbone``, a name in ``e2e_him.backbones.BACKBONES``.

    Args:
        pretrained: weights of the whole network, or ImageNet's of a backbone, to start from.
    """

    system = "e2e-him"
    pretrained_parts = ("trans.",)
    network: E2EHIMNetwork

    def __init__(self, recipe: Recipe, folders: Sequence[Path], pretrained: Path | None):
        super().__init__(recipe, folders)
        self.backbone = recipe.network.get("backbone", "swin-t")
        self.network = E2EHIMNetwork(self.backbone)
        if pretrained:
            state = read_safetensors(pretrained, self.system)
            if any(key.startswith("trans.") for key in state):
                load_strictly(self.network, state, self.system)
            else:
                load_imagenet(self.network.perception.trans, state)

    def data(self, stage: Stage, start: int, length: int) -> Dataset[Batch]:
        return Scenes(self.composer(stage.size), start, length, targets)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        logits, alphas, trimaps = (part.float() for part in network(normalise(batch["image"].float() / 255)))
        true, classes = batch["alphas"].float() / 255, batch["trimaps"].long()
        pairs = [match(logits[i], trimaps[i], true[i, :count]) for i, count in enumerate(batch["count"].tolist())]
        found = torch.cat([torch.full_like(queries, i) for i, (queries, _) in enumerate(pairs)]), torch.cat([q for q, _ in pairs])
        wanted = found[0], torch.cat([people for _, people in pairs])
        unknown = classes[wanted] == UNKNOWN
        return {
            "class": class_entropy(logits, found),
            "trimap": trimap_entropy(trimaps[found], classes[wanted]),
            **in_band(alphas[found], true[wanted], unknown),
        }

    def sheet(self, state: State) -> Tensor:
        """What is found in six scenes of people kept aside."""
        system, composer = self._system(state), self.composer(self.recipe.stages[-1].size, kept_aside=True)
        views = [overlay(image, system(image)) for image in (as_image(composer[i].image) for i in range(6))]
        return torch.cat([torch.cat(views[:3], 2), torch.cat(views[3:], 2)], 1)

    def validate(self, state: State) -> dict[str, float]:
        """IMQ, by error."""
        system, composer, score = self._system(state), self.composer(self.recipe.stages[-1].size, kept_aside=True), IMQ()
        for scene in (composer[number] for number in range(CHECKED)):
            score.update(system(as_image(scene.image)).alphas.numpy(), scene.alphas)
        return {f"imq_{name}": value for name, value in score.compute()[0.5].imq.items()}

    def _system(self, state: State) -> E2EHIM:
        return E2EHIM(state, backbone=self.backbone, device=device_of(state), refine=None)
