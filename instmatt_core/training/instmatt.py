"""Training of InstMatt: first what makes tri-mattes of tri-masks, then, on that, the refiner of everyone together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..data.synthesis import Composer
from ..errors import UsageError
from ..instances import InstanceMasks
from ..matting.conventions import normalise
from ..matting.instmatt import InstMatt
from ..matting.instmatt.config import InstMattConfig
from ..matting.instmatt.fusion import fuse
from ..matting.instmatt.network import InstMattNetwork, activate
from ..metrics import IMQ
from ..weights.bundled import load_bundled
from ..weights.check import load_strictly
from ..windows import mask_boxes
from .crops import SCENE, Crowd, Views, as_float
from .losses import over_scales, refinement
from .recipe import Recipe, Stage
from .scenes import Scenes, inhabited
from .spoil import spoil
from .task import Batch, State, Task, device_of

PASSES = 3  # of the refiner, each from what the one before has made
CHECKED = 12  # scenes of people kept aside


class InstMattTask(Task):
    """The first stage: encoder, pyramid and decoder; the refiner is left as it is, and out of the weights.

    Args:
        pretrained: weights to start from, with or without a refiner.
    """

    system = "instmatt"
    pretrained_parts = ("semantics.pyramid.backbone.",)

    def __init__(self, recipe: Recipe, folders: Sequence[Path], pretrained: Path | None):
        super().__init__(recipe, folders)
        self.network = self.trained(self.start(pretrained))

    def trained(self, network: InstMattNetwork) -> nn.Module:
        """``network``, with nothing but this stage's part left to train."""
        network.refiner.requires_grad_(False)
        return network

    def start(self, pretrained: Path | None) -> InstMattNetwork:
        """The network to start from."""
        try:
            network = InstMattNetwork(InstMattConfig(**self.recipe.network))
        except TypeError as error:
            raise UsageError(f"the recipe's network makes no sense: {error}") from error
        if network.config.semantics:
            network.semantics.start(load_bundled("people_closer"))
            network.semantics.pyramid.backbone.keep_first()
        if pretrained:
            from ..weights import read_safetensors

            state = read_safetensors(pretrained, self.system)
            fresh = [part for part in ("refiner.", "semantics.") if not any(key.startswith(part) for key in state)]
            own = {key: value for key, value in network.state_dict().items() if key.startswith(tuple(fresh))}
            load_strictly(network, own | state, self.system)
        return network

    def data(self, stage: Stage, start: int, length: int) -> Dataset[Batch]:
        prepare = Views(stage.size, stage.views, self.recipe.detected, self.recipe.detectors, self.recipe.whole)
        return Scenes(self.composer(stage.size), start, length, prepare, somebody=True)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        views = {name: as_float(part.flatten(0, 1)) for name, part in batch.items()}
        made = network(normalise(views["image"]).contiguous(memory_format=torch.channels_last), views["guide"])
        return over_scales((made.os1.float(), made.os4.float(), made.os8.float()), views["true"], views["colours"])

    def weights(self, state: State) -> dict[str, Tensor]:
        return {name: value for name, value in state.items() if not name.startswith("refiner.")}

    def sheet(self, state: State) -> Tensor:
        """Six crops with people kept aside: each with its guide, what is made of it, and the truth."""
        size = self.recipe.stages[-1].size
        system = InstMatt(self.weights(state), device=device_of(state))
        data = Scenes(self.composer(size, kept_aside=True), 0, 3, Views(size, 2), somebody=True)
        strips = []
        for view in (data[i] for i in range(3)):
            for image, guide, true in zip(*(as_float(view[name]) for name in ("image", "guide", "true")), strict=True):
                alpha = system(image, InstanceMasks(guide[:2], mask_boxes(guide[:2]), torch.ones(2)))[0]
                strips.append(torch.cat((image, *(a.expand(3, -1, -1) for a in (guide[0], alpha, true[0]))), 2))
        return torch.cat([torch.cat(strips[i : i + 3], 1) for i in (0, 3)], 2)

    def validate(self, state: State) -> dict[str, float]:
        """IMQ with spoiled masks, by error."""
        system, score = InstMatt(self.weights(state), device=device_of(state)), IMQ()
        composer = self.composer(self.recipe.stages[-1].size, kept_aside=True)
        for number in range(CHECKED):
            scene = inhabited(composer, number)
            masks = torch.from_numpy(spoil(scene.alphas, np.random.default_rng([composer.seed, number, 2]), leave_out=0)).float()
            image = as_float(torch.from_numpy(scene.image).permute(2, 0, 1))
            score.update(system(image, InstanceMasks.from_masks(masks)).numpy(), scene.alphas)
        return {f"imq_{name}": value for name, value in score.compute()[0.5].imq.items()}

    def composer(self, size: int, kept_aside: bool = False) -> Composer:
        return super().composer(SCENE * size, kept_aside)


class Refinement(nn.Module):
    """A frozen first stage, and the refiner on what it makes."""

    def __init__(self, network: InstMattNetwork):
        super().__init__()
        self.network = network.requires_grad_(False)
        self.network.refiner.requires_grad_(True)

    def train(self, mode: bool = True) -> Refinement:
        super().train(mode)
        self.network.eval()  # statistics of the norms, and of the spectral norms, stay
        return self

    def forward(self, image: Tensor, guides: Tensor) -> list[Tensor]:
        """Tri-mattes ``(K, 3, H, W)`` after each of :data:`PASSES`, from ``image (3, H, W)``, normalised, and everyone's tri-masks."""
        with torch.no_grad():
            made = self.network(image.expand(len(guides), -1, -1, -1), guides)
            alphas, _ = fuse(made.os1.float(), made.os4.float(), made.os8.float())
        results = [alphas]
        for _ in range(PASSES):
            results.append(activate(self.network.refiner(image, results[-1].detach(), made.feature).float()))
        return results[1:]


class RefinerTask(InstMattTask):
    """The second stage: the refiner alone.

    Args:
        pretrained: the first stage's weights.

    Raises:
        UsageError: there are none; what an untrained one makes cannot be refined.
    """

    def start(self, pretrained: Path | None) -> InstMattNetwork:
        if pretrained is None:
            raise UsageError("a refiner is trained on a first stage: give its weights as --pretrained")
        return super().start(pretrained)

    def trained(self, network: InstMattNetwork) -> nn.Module:
        return Refinement(network)

    def data(self, stage: Stage, start: int, length: int) -> Dataset[Batch]:
        return Scenes(self.composer(stage.size), start, length, Crowd(stage.size), somebody=True)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        scenes = []
        for i, count in enumerate(batch["count"].tolist()):
            views = {name: as_float(part[i, :count]) for name, part in batch.items() if name != "count"}
            made = network(normalise(views["image"][0]), views["guide"])
            scenes.append(refinement(made, views["true"], views["colours"]))
        return {name: torch.stack([terms[name] for terms in scenes]).mean() for name in scenes[0]}

    def weights(self, state: State) -> dict[str, Tensor]:
        return {name.removeprefix("network."): value for name, value in state.items()}
