"""What the people detector's training starts from, and its sample sheets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from instmatt_core.compositing import overlay
from instmatt_core.errors import WeightsError
from instmatt_core.image import resize, to_uint8
from instmatt_core.instances import InstanceMattes
from instmatt_core.training import people
from instmatt_core.training.loop import build_task
from instmatt_core.training.people import SHOWN_FROM
from instmatt_core.training.recipe import Recipe, Stage
from instmatt_core.weights.bundled import FOLDER, load_bundled
from instmatt_core.windows import mask_boxes

RECIPE = Recipe("people", (Stage(2, 64, 2),))
CLOSER = Recipe("people-closer", (Stage(2, 64, 2),))
SIDE = 384


class Pictures:
    """The example, whatever scene is asked for."""

    def __init__(self, picture: torch.Tensor):
        self.image = to_uint8(picture)

    def __getitem__(self, index: int) -> Pictures:
        return self


@pytest.fixture
def picture(example: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Two people ``(3, 384, 384)``, which are in every scene of a sheet."""
    picture = torch.from_numpy(to_uint8(resize(example, (SIDE, SIDE)))).permute(2, 0, 1) / 255
    monkeypatch.setattr(people, "Composer", lambda *arguments, **settings: Pictures(picture))
    return picture


def drawn(picture: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """The sheet on which these people are in each picture."""
    view = overlay(picture, InstanceMattes(masks, mask_boxes(masks), torch.ones(len(masks))))
    return view.repeat(1, 2, 3)


def test_a_sheet_shows_what_the_network_finds_by_itself(cutouts: Path, picture: torch.Tensor) -> None:
    torch.manual_seed(0)
    task = build_task(RECIPE, [cutouts], None)
    nobody = drawn(picture, torch.zeros(0, SIDE, SIDE))
    assert torch.equal(task.sheet(task.network.state_dict()), nobody)  # before any training
    task.network.load_state_dict(load_bundled("people"))
    trained = task.sheet(task.network.state_dict())
    assert trained.shape == nobody.shape == (3, 2 * SIDE, 3 * SIDE)
    tinted = (trained - nobody).abs().amax(0)[:SIDE, :SIDE] > 0.1
    assert tinted[:, : SIDE // 2].float().mean() > 0.1
    assert tinted[:, SIDE // 2 :].float().mean() > 0.1


def test_a_sheet_shows_the_first_looks_surer_masks(cutouts: Path, picture: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    masks, scores = torch.zeros(2, SIDE // 2, SIDE // 2), torch.tensor([SHOWN_FROM + 0.1, SHOWN_FROM - 0.1])
    masks[0, 20:90, 10:60], masks[1, 40:120, 90:150] = 1, 1
    monkeypatch.setattr(people, "FirstLook", lambda device, network: lambda image, most: (masks, scores))
    task = build_task(RECIPE, [cutouts], None)
    assert torch.equal(task.sheet(task.network.state_dict()), drawn(picture, resize(masks[:1], (SIDE, SIDE))))


def test_the_closer_look_starts_from_the_first(cutouts: Path) -> None:
    network = build_task(CLOSER, [cutouts], FOLDER / "people.safetensors").network
    state, first = network.state_dict(), load_bundled("people")
    assert all(torch.equal(state[name], value) for name, value in first.items())
    assert not state["prompt.weight"].any()  # it changes nothing at first
    assert not network.backbone.stem[0].weight.requires_grad


def test_weights_to_start_from_that_are_not_the_networks(cutouts: Path, tmp_path: Path) -> None:
    def start(name: str) -> None:
        build_task(RECIPE, [cutouts], tmp_path / name)

    with pytest.raises(WeightsError, match=r"none\.safetensors: not a safetensors file"):
        start("none.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"text\.safetensors: not a safetensors file"):
        start("text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors", metadata={"system": "instmatt"})
    with pytest.raises(WeightsError, match=r"other\.safetensors: weights of instmatt, not of people"):
        start("other.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"(?s)unexpected a\n.*missing blocks\.0"):
        start("a.safetensors")
    with pytest.raises(WeightsError, match=r"unexpected prompt\.weight"):
        build_task(RECIPE, [cutouts], FOLDER / "people_closer.safetensors")
    whole = {name: value for name, value in load_file(FOLDER / "people.safetensors").items() if name != "features.bias"}
    save_file(whole, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match=r"missing features\.bias"):
        start("part.safetensors")
