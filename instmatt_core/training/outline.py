"""Training of the outline network: MobileSAM, told by what the people detector draws whose outline to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..data.synthesis import Composer
from ..detect.mobile_sam.network import MobileSAM
from ..detect.people.detector import FIRST_SHARE
from ..detect.people.looks import CloserLook
from ..image import as_image
from ..weights import read_safetensors
from ..weights.bundled import prepared
from ..weights.check import load_strictly
from .closer import Prompts, eight_views
from .people import mask_loss
from .recipe import Recipe, Stage
from .scenes import Scenes
from .task import Batch, State, Task, device_of
from .told import Told, box_of

SCENE = 2.0  # a scene's sides are so many times a view's
FIRST_ONLY = 0.3  # share of views with what the first look drew; the others have what the closer look makes of it


class OutlinePrompts(Prompts):
    """As for the closer look, mostly with masks as it draws them."""

    def __init__(self, size: int, count: int):
        super().__init__(size, count)
        self.closer = CloserLook(torch.device("cpu"))

    def known(self, image: np.ndarray, told: Told, rng: Generator) -> Told:
        if rng.random() < FIRST_ONLY:
            return told
        masks = torch.from_numpy(told.known).float() / 255
        drawn, _ = self.closer(as_image(image), torch.from_numpy(told.box).float(), masks, 0)
        mask = FIRST_SHARE * masks[0] + (1 - FIRST_SHARE) * drawn if masks[0].any() else drawn
        own = (mask * 255).round().byte().numpy()
        box = box_of(own) if (own > 127).any() else told.box
        return replace(told, box=box, known=np.stack((own, told.known[1])))


class OutlineTask(Task):
    """See :class:`Task`.

    Args:
        pretrained: weights to start from; the encoder's first layers then stay as they are.
    """

    system = "mobile-sam"
    pretrained_parts = ("encoder.",)
    network: MobileSAM

    def __init__(self, recipe: Recipe, folders: Sequence[Path], pretrained: Path | None):
        super().__init__(recipe, folders)
        self.network = MobileSAM()
        if pretrained:
            load_strictly(self.network, read_safetensors(pretrained, self.system), self.system)
            self.network.encoder.stem.requires_grad_(False)
            self.network.encoder.stages[0].requires_grad_(False)

    def composer(self, size: int, kept_aside: bool = False) -> Composer:
        return super().composer(round(SCENE * size), kept_aside)

    def data(self, stage: Stage, start: int, length: int) -> Dataset[Batch]:
        return Scenes(self.composer(stage.size), start, length, OutlinePrompts(stage.size, stage.views))

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        batch = {name: part.flatten(0, 1) for name, part in batch.items()}
        there = batch["count"] > 0  # it is not asked whether somebody is there
        if not there.any():
            return {"mask": 0 * torch.stack([parameter.sum() for parameter in network.parameters()]).sum()}
        batch = {name: part[there] for name, part in batch.items()}
        images = batch["image"].float().div(255).contiguous(memory_format=torch.channels_last)
        logits = network(images, batch["box"], batch["prompt"][:, 1:].float() / 255).float()
        true = batch["masks"][:, 0].float() / 255
        return {"mask": mask_loss(F.interpolate(logits[:, None], true.shape[1:], mode="bilinear", align_corners=False)[:, 0], true)}

    def sheet(self, state: State) -> Tensor:
        """Eight views with people kept aside; what was known of them is drawn brighter."""
        network = MobileSAM()
        network.load_state_dict(state)
        device = device_of(state)
        network = prepared(network, device)
        size = self.recipe.stages[-1].size
        data = Scenes(self.composer(size, kept_aside=True), 0, 8, OutlinePrompts(size, 1), somebody=True)

        def draw(image: Tensor, prompt: Tensor, box: Tensor) -> Tensor:
            return network(image.to(device), box.to(device), prompt[:, 1:].to(device)).sigmoid()

        return eight_views(data, 1, draw)
