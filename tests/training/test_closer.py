"""What the closer look is shown in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from block_scenes import block_scene

from instmatt_core.training import closer
from instmatt_core.training.closer import Prompts
from instmatt_core.training.loop import build_task
from instmatt_core.training.recipe import Recipe, Stage
from instmatt_core.weights.bundled import load_bundled

PERSON = (20, 40, 100, 70)  # y0, x0, y1, x1


def test_a_view_has_its_person_under_its_prompt() -> None:
    batch = Prompts(96, 32)(block_scene(PERSON, side=144), np.random.default_rng(0))
    assert batch["image"].shape == (32, 3, 96, 96)
    assert batch["prompt"].shape == (32, 3, 24, 24)
    assert 16 < int(batch["count"].sum()) < 32  # now and then nobody is in the box
    for image, masks, prompt, count in zip(*(batch[name] for name in ("image", "masks", "prompt", "count")), strict=True):
        mask = masks[0, ::2, ::2] > 127  # at the prompt's size
        assert bool(mask.any()) == bool(count)
        if count:
            assert (image[:, ::4, ::4][:, masks[0, ::2, ::2] == 255] > 150).float().mean() > 0.9
            assert (prompt[0][mask] > 0).float().mean() > 0.5
            assert (mask[prompt[0] > 0]).float().mean() > 0.4
        else:
            assert (image[:, ::4, ::4][:, prompt[0] > 0] > 150).float().mean() < 0.3


def test_of_two_people_one_is_the_target() -> None:
    both = block_scene(PERSON, (30, 64, 110, 94), side=144)
    batch = Prompts(96, 12)(both, np.random.default_rng(1))
    assert (batch["count"] <= 1).all()
    assert batch["masks"].shape[1] == 1


def test_a_scene_without_people() -> None:
    batch = Prompts(64, 2)(block_scene(side=144), np.random.default_rng(0))
    assert not batch["masks"].any()
    assert batch["count"].tolist() == [0, 0]


def test_a_sheet_shows_what_the_network_draws(cutouts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    task = build_task(Recipe("people-closer", (Stage(2, 64, 2),)), [cutouts], None)
    untrained = task.sheet(task.network.state_dict())
    assert untrained.shape == (3, 2 * 64, 4 * 64)
    task.network.load_state_dict(load_bundled("people_closer"))
    trained = task.sheet(task.network.state_dict())
    monkeypatch.setattr(closer, "draw_prompted", lambda network, images, prompts: (torch.zeros(1, 32, 32), torch.zeros(1)))
    nobody = task.sheet(task.network.state_dict())
    assert 0.01 < ((trained - nobody).abs().amax(0) > 0.1).float().mean() < 0.9
    assert not torch.equal(untrained, trained)
