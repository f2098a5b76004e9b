"""Masks of the real detector as guidance."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from block_scenes import block_scene

from instmatt_core.data.synthesis import Scene
from instmatt_core.errors import UsageError
from instmatt_core.image import to_uint8
from instmatt_core.training.crops import Views
from instmatt_core.training.detected import Detected


def test_found_people_stand_where_they_stand_in_the_scene(example: torch.Tensor) -> None:
    picture, nowhere = to_uint8(example), np.zeros(example.shape[1:], bool)
    detected, rng = Detected(["people"]), np.random.default_rng(0)
    people = detected.detectors[0](example).masks.numpy() > 0.5
    corner = nowhere.copy()
    corner[:40, :40] = True
    truth = np.concatenate((people[::-1], corner[None])) * np.uint8(255)  # right to left, and somebody whom it cannot find
    masks = detected(Scene(picture, truth, nowhere), rng)
    assert masks.shape == truth.shape
    assert not masks[-1].any()
    for mask, true in zip(masks[:-1] > 127, truth > 127, strict=False):
        assert (mask & true).sum() > 0.99 * (mask | true).sum()
    assert ((masks > 60) & (masks < 190)).any()  # as unsure as they are
    assert detected(Scene(picture, truth[:0], nowhere), rng).shape == (0, *nowhere.shape)


def test_each_scene_has_one_of_the_detectors(example: torch.Tensor) -> None:
    asked = []

    def note(name: str) -> Callable[[torch.Tensor], list[str]]:
        return lambda image: asked.append(name) or []

    detected, rng = Detected(["people", "ensemble"]), np.random.default_rng(0)
    detected.detectors = [note(detector.name) for detector in detected.detectors]
    scene = Scene(to_uint8(example), np.zeros((0, *example.shape[1:]), np.uint8), np.zeros(example.shape[1:], bool))
    for _ in range(20):
        detected(scene, rng)
    assert set(asked) == {"people", "ensemble"}
    views = pickle.loads(pickle.dumps(Views(64, 2, 1.0, ("people", "ensemble"))))
    assert [detector.name for detector in views.find.detectors] == ["people", "ensemble"]
    with pytest.raises(UsageError, match="'dogs'"):
        Detected(["dogs"])


def test_a_share_of_views_is_guided_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = block_scene((10, 10, 80, 40), (20, 50, 90, 90), side=96)
    found = np.zeros(scene.alphas.shape, np.uint8)
    found[1, 30:80, 55:85] = 255  # of the first nothing
    views = Views(64, 3, detected=1.0)
    monkeypatch.setattr(views, "find", lambda scene, rng: found)
    made = views(scene, np.random.default_rng(0))
    assert all((guide[0] > 0).any() for guide in made["guide"])  # the target is always one who was found
    assert (made["guide"][:, 1] == 0).all()
    assert (made["true"][:, 0] == 255).any()
    monkeypatch.setattr(views, "find", lambda scene, rng: np.zeros_like(found))
    assert (views(scene, np.random.default_rng(0))["guide"][:, 1] > 0).any()  # nobody found: spoiled masks
