"""What the training loop needs to know of a task: the network, its data, how wrong it is, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..data.synthesis import Composer
from .recipe import Recipe, Stage

Batch = dict[str, Tensor]
State = Mapping[str, Tensor]


def device_of(state: State) -> torch.device:
    """Where weights are, and so where they are to be tried."""
    return next(iter(state.values())).device


class Task:
    """Base of all tasks.

    Attributes:
        system: which system's weights are trained.
        folders: the caches of cut-outs that scenes are composed from.
        network: on the CPU. What has ``requires_grad`` off stays as it is.
    """

    system: str
    network: nn.Module

    def __init__(self, recipe: Recipe, folders: Sequence[Path]):
        self.recipe, self.folders = recipe, folders

    pretrained_parts: tuple[str, ...] = ()  # how the names of parameters begin that learn at the recipe's ``backbone_rate``

    def composer(self, size: int, kept_aside: bool = False) -> Composer:
        """The scenes behind views of ``size`` px; here, as large as these."""
        recipe, square = self.recipe, (size, size)
        return Composer(
            self.folders,
            square,
            recipe.seed,
            kept_aside=kept_aside,
            real=recipe.real,
            crowded=recipe.crowded,
            hard=recipe.hard,
            seated=recipe.seated,
        )

    def groups(self) -> list[dict[str, Any]]:
        """The optimizer's groups of parameters, each with its peak ``rate``."""
        named = [(name, parameter) for name, parameter in self.network.named_parameters() if parameter.requires_grad]
        parts = [[p for name, p in named if name.startswith(self.pretrained_parts) == known] for known in (False, True)]
        rates = (self.recipe.rate, self.recipe.backbone_rate)
        return [{"params": part, "rate": rate} for part, rate in zip(parts, rates, strict=True) if part]

    def data(self, stage: Stage, start: int, length: int) -> Dataset[Batch]:
        """``length`` items from number ``start`` on: the same number is always the same item."""
        raise NotImplementedError

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The parts of the loss; their sum is what is minimised. ``network`` is :attr:`network`, or a wrapper of it."""
        raise NotImplementedError

    def sheet(self, state: State) -> Tensor:
        """A picture ``(3, H, W)`` of what a network with these weights does."""
        raise NotImplementedError

    def validate(self, state: State) -> dict[str, float]:
        """Figures of a network with these weights on people kept aside; higher is better. Not every task has them."""
        raise NotImplementedError

    def weights(self, state: State) -> dict[str, Tensor]:
        """What to write of ``state`` when it is done."""
        return dict(state)
