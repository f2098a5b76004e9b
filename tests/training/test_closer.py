"""What the closer look is shown in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from instmatt_core.data.synthesis import Scene
from instmatt_core.training import closer
from instmatt_core.training.closer import Prompts
from instmatt_core.training.loop import build_task
from instmatt_core.training.recipe import Recipe, Stage
from instmatt_core.training.told import Glance, box_of, choose, empty_box, glance, moved, spoilt
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
    batch = Prompts(96, 32)(scene(PERSON), np.random.default_rng(0))
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
    both = scene(PERSON, (slice(30, 110), slice(64, 94)))
    batch = Prompts(96, 12)(both, np.random.default_rng(1))
    assert (batch["count"] <= 1).all()
    assert batch["masks"].shape[1] == 1


def test_a_glance_knows_whose_each_mask_is() -> None:
    """One mask of the second person, one of nobody, one of a part of the first that is of neither."""
    both = scene(PERSON, (slice(30, 110), slice(80, 110)))
    masks = torch.zeros(3, 144, 144)
    masks[0, 34:110, 78:110] = masks[1, :20, :20] = masks[2, 20:40, 40:70] = 1
    seen = glance(lambda image, most: (masks, torch.ones(3)), both)  # type: ignore[arg-type]
    assert seen.whose == {0: 1}
    assert seen.wrong == [1]
    own, others = seen.known(1, 0)
    assert (own > 0).tolist() == (masks[0] > 0).tolist()
    assert (others > 0).tolist() == masks[1:].any(0).tolist()
    own, others = seen.known(1, None)  # only a box tells of who was seen: no mask is held to be somebody else's
    assert not own.any()
    assert (others > 0).tolist() == masks[1:].any(0).tolist()


def test_what_is_known_of_a_person_is_told() -> None:
    both = scene(PERSON, (slice(30, 110), slice(80, 110)))
    seen = Glance(both.alphas, {0: 0, 1: 1}, [])
    told = 0
    for each in choose(both, seen, 24, np.random.default_rng(0)):
        own, others = each.known
        if len(each.alphas):
            k = int(each.alphas[0, 105, 100] > 0)
            assert np.abs(each.box - box_of(both.alphas[k])).max() < 40
            assert np.array_equal(others, both.alphas[1 - k])
            assert not own.any() or np.array_equal(own, both.alphas[k])
            told += bool(own.any())
        else:
            assert own[both.alphas.any(0)].mean() < 30
    assert 12 < told < 22


def test_of_nobody_there_may_be_a_mask() -> None:
    """What a first look took for somebody is a box with nobody in it, and so is a place where somebody's shape is put."""
    one = scene(PERSON)
    ghost = np.zeros((1, 144, 144), np.uint8)
    ghost[0, 100:140, 100:130] = 255
    seen = Glance(np.concatenate((one.alphas, ghost)), {0: 0}, [1])
    nobody = [(each.box, each.known) for each in choose(one, seen, 60, np.random.default_rng(0)) if not len(each.alphas)]
    assert 5 < len(nobody) < 30
    for box, (own, others) in nobody:
        assert np.array_equal(own, ghost[0])
        assert np.array_equal(others, one.alphas[0])
        assert np.abs(box - (100, 100, 130, 140)).max() < 25
    seen = Glance(one.alphas, {0: 0}, [])
    shapes = [each.known[0] for each in choose(one, seen, 100, np.random.default_rng(1)) if not len(each.alphas)]
    assert any(shape.any() for shape in shapes)
    assert not all(shape.any() for shape in shapes)


def test_a_shape_is_moved_into_a_box() -> None:
    shape = moved(scene(PERSON).alphas[0], np.array((80.0, 10, 120, 30)))
    assert box_of(shape).tolist() == [80, 10, 120, 30]
    assert not moved(np.zeros((50, 50), np.uint8), np.array((10.0, 10, 20, 20))).any()


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
