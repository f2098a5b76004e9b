"""What the outline network is shown in training, and its sample sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from block_scenes import block_scene
from safetensors.torch import save_file

from instmatt_core.detect.mobile_sam.network import MobileSAM
from instmatt_core.training.loop import build_task
from instmatt_core.training.outline import OutlinePrompts
from instmatt_core.training.recipe import Recipe, Stage
from instmatt_core.training.told import Told
from instmatt_core.weights.bundled import load_bundled

PERSON = (20, 40, 100, 70)  # y0, x0, y1, x1
RECIPE = Recipe("outline", (Stage(2, 64, 2),))


class Sure:
    """A generator that always says ``value``."""

    def __init__(self, value: float):
        self.random = lambda: value


def test_what_is_known_is_what_the_closer_look_draws() -> None:
    scene = block_scene(PERSON, side=144)
    prompts = OutlinePrompts(64, 1)
    prompts.closer = lambda image, box, masks, whose: (torch.ones(144, 144), 1.0)  # type: ignore[assignment]
    first = np.stack((scene.alphas[0] // 2, 0 * scene.alphas[0]))
    told = Told(scene.alphas, np.array((40.0, 20, 70, 100)), first)
    assert prompts.known(scene.image, told, Sure(0.0)) is told  # type: ignore[arg-type]
    drawn = prompts.known(scene.image, told, Sure(0.9))  # type: ignore[arg-type]
    assert drawn.known[0, 60, 50] == round(255 * 0.7 + 127 * 0.3)  # both, as in the people detector
    assert drawn.known[0, 0, 0] == round(255 * 0.7)
    assert drawn.box.tolist() == [0, 0, 144, 144]
    assert not drawn.known[1].any()
    assert drawn.alphas is told.alphas


def test_views_without_anybody_cost_nothing() -> None:
    task = build_task(RECIPE, [], None)
    batch = OutlinePrompts(64, 2)(block_scene(side=144), np.random.default_rng(0))
    batch = {name: part[None] for name, part in batch.items()}
    assert task.losses(task.network, batch)["mask"] == 0


def test_the_loss_is_of_the_person_told(cutouts: Path) -> None:
    """The truth costs next to nothing, its neighbour's mask much."""
    task = build_task(RECIPE, [cutouts], None)
    batch = OutlinePrompts(64, 8)(block_scene(PERSON, (30, 84, 110, 114), side=144), np.random.default_rng(1))
    batch = {name: part[None] for name, part in batch.items()}
    true = batch["masks"][0, batch["count"][0] > 0, 0].float()[:, ::2, ::2] / 255
    right, wrong = ((40 * each - 20) for each in (true, 1 - true))
    assert task.losses(lambda *told: right, batch)["mask"] < 0.5 * task.losses(lambda *told: wrong, batch)["mask"]  # type: ignore[arg-type]


def test_starts_from_weights_the_first_layers_of_which_stay(cutouts: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = MobileSAM().state_dict()
    save_file(state, tmp_path / "start.safetensors")
    network = build_task(RECIPE, [cutouts], tmp_path / "start.safetensors").network
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    fixed = {name.rpartition(".")[0] for name, value in network.named_parameters() if not value.requires_grad}
    assert fixed
    assert all(name.startswith(("encoder.stem", "encoder.stages.0")) for name in fixed)


def test_a_sheet_shows_what_the_network_draws(cutouts: Path) -> None:
    torch.manual_seed(0)
    task = build_task(RECIPE, [cutouts], None)
    untrained = task.sheet(task.network.state_dict())
    assert untrained.shape == (3, 2 * 64, 4 * 64)
    trained = task.sheet(load_bundled("outline"))
    assert not torch.equal(untrained, trained)


@pytest.mark.parametrize("size", [64, 96])
def test_boxes_are_of_the_view(size: int) -> None:
    batch = OutlinePrompts(size, 6)(block_scene(PERSON, side=144), np.random.default_rng(3))
    assert batch["box"].shape == (6, 4)
    assert (batch["box"] >= 0).all()
    assert (batch["box"] <= size).all()
    inside = batch["prompt"][:, 0] > 127
    for box, drawn in zip(batch["box"], inside, strict=True):
        rows, columns = (drawn.any(axis).nonzero().flatten() for axis in (1, 0))
        assert (box - 4 * torch.stack((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))).abs().max() <= 4
