"""What the closer look is shown in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from instmatt_core.data.synthesis import Scene
from instmatt_core.training import closer
from instmatt_core.training.closer import Prompts, box_of, empty_box, spoilt
from instmatt_core.training.loop import build_task
from instmatt_core.training.recipe import Recipe, Stage
from instmatt_core.weights.bundled import load_bundled

PERSON = (slice(20, 100), slice(40, 70))  # rows, columns


def scene(*people: tuple[slice, slice], side: int = 144) -> Scene:
    alphas = np.zeros((len(people), side, side), np.uint8)
    image = np.full((side, side, 3), 60, np.uint8)
    for alpha, (rows, columns) in zip(alphas, people, strict=True):
        alpha[rows, columns] = 255
        image[rows, columns] = 200
    return Scene(image, alphas, np.zeros((side, side), bool))


def test_box() -> None:
    assert box_of(scene(PERSON).alphas[0]).tolist() == [40, 20, 70, 100]


def test_a_view_has_its_person_under_its_prompt() -> None:
    batch = Prompts(96, 16)(scene(PERSON), np.random.default_rng(0))
    assert batch["image"].shape == (16, 3, 96, 96)
    assert batch["prompt"].shape == (16, 1, 24, 24)
    assert 8 < int(batch["count"].sum()) < 16  # now and then nobody is in the box
    for image, masks, prompt, count in zip(*(batch[name] for name in ("image", "masks", "prompt", "count")), strict=True):
        mask = masks[0, ::2, ::2] > 127  # at the prompt's size
        assert bool(mask.any()) == bool(count)
        if count:
            assert (image[:, ::4, ::4][:, mask] > 150).float().mean() > 0.9
            assert (prompt[0][mask] > 0).float().mean() > 0.5
            assert (mask[prompt[0] > 0]).float().mean() > 0.4
        else:
            assert (image[:, ::4, ::4][:, prompt[0] > 0] > 150).float().mean() < 0.3


def test_of_two_people_one_is_the_target() -> None:
    both = scene(PERSON, (slice(30, 110), slice(64, 94)))
    batch = Prompts(96, 12)(both, np.random.default_rng(1))
    assert (batch["count"] <= 1).all()
    assert batch["masks"].shape[1] == 1


def test_a_scene_without_people() -> None:
    batch = Prompts(64, 2)(scene(), np.random.default_rng(0))
    assert not batch["masks"].any()
    assert batch["count"].tolist() == [0, 0]


def test_spoilt_boxes_stay_near() -> None:
    rng, box = np.random.default_rng(0), np.array((40.0, 20, 70, 100))
    wrong = np.array([(spoilt(box, rng) - box) / (30, 80, 30, 80) for _ in range(400)])
    assert np.abs(wrong).max() < 0.5
    assert (wrong[:, 3] < -0.13).mean() > 0.05  # without feet
    assert (wrong[:, 3] > 0.13).sum() == 0


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


def test_an_empty_box_is_empty() -> None:
    rng = np.random.default_rng(0)
    boxes = [box for _ in range(30) if (box := empty_box(scene(PERSON), rng)) is not None]
    assert len(boxes) > 5
    for x0, y0, x1, y1 in np.round(boxes).astype(int):
        assert (scene(PERSON).alphas[0, y0:y1, x0:x1] > 0).mean() < 0.2
    assert empty_box(scene((slice(None), slice(None))), rng) is None
