"""Both stages of InstMatt's training at tiny size, and what they look at."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from block_scenes import block_scene
from safetensors.torch import load_file, save_file

from instmatt_core.data.synthesis import Composer
from instmatt_core.errors import UsageError, WeightsError
from instmatt_core.instances import InstanceMasks
from instmatt_core.matting.instmatt import InstMatt
from instmatt_core.training import instmatt
from instmatt_core.training.crops import MOST_PEOPLE, Crowd, Views, colours, first, near_outline, tri, view, whole_person
from instmatt_core.training.loop import Run, build_task
from instmatt_core.training.recipe import Recipe, Stage
from instmatt_core.training.scenes import Scenes, inhabited

NETWORK = {
    "widths": (8, 8, 8, 8, 16),
    "encoder_depths": (1, 1, 1, 1),
    "decoder_depths": (1, 1, 1, 1),
    "aspp": 8,
    "head": 8,
    "refiner": 4,
}
FIRST = Recipe("instmatt", (Stage(20, 64, 2),), rate=5e-3, warm_up=3, network=NETWORK, real=0.1, validate_every=20, sheet_every=20)
SECOND = replace(FIRST, task="instmatt-refiner", validate_every=0, sheet_every=100)


def run_of(recipe: Recipe, cutouts: Path, folder: Path, pretrained: Path | None = None) -> Run:
    torch.manual_seed(0)
    return Run(build_task(recipe, [cutouts], pretrained), recipe, folder, workers=0)


@pytest.fixture(scope="module")
def stage_one(cutouts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """Twenty steps of the first stage: the exported file, and the loss at each step."""
    folder = tmp_path_factory.mktemp("first")
    run, totals = run_of(FIRST, cutouts, folder), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instmatt, "CHECKED", 2)
        run.train(lambda step, values: totals.append(values["total"]))
    run.export(folder / "out.safetensors", "none")
    return folder / "out.safetensors", totals


def test_a_view_is_a_window_of_the_scene_with_the_target_first() -> None:
    scene = block_scene((10, 10, 60, 30), (20, 30, 70, 60), side=96)
    window = (slice(8, 72), slice(4, 68))
    alphas = scene.alphas[first(1, 2)]
    seen = view(scene.image, alphas, (alphas > 127) * np.uint8(255), window, 64)
    assert torch.equal(seen["image"].permute(1, 2, 0), torch.from_numpy(scene.image[window]))
    assert torch.equal(seen["true"][0], torch.from_numpy(scene.alphas[1][window]))
    assert torch.equal(seen["true"][1], torch.from_numpy(scene.alphas[0][window]))
    assert (seen["true"].int().sum(0) == 255).all()
    assert torch.equal(seen["guide"], seen["true"])


def test_a_guide_is_as_unsure_as_the_masks() -> None:
    scene = block_scene((10, 10, 60, 30), (20, 30, 70, 60), side=96)
    window = (slice(0, 96), slice(0, 96))
    for told, guided in ((255, 255), (191, 255), (128, 128), (64, 0)):  # between a quarter and three quarters a detector is torn
        seen = view(scene.image, scene.alphas, (scene.alphas > 127) * np.uint8(told), window, 96)
        assert int(seen["guide"][0, 40, 20]) == pytest.approx(guided, abs=2)
        assert int(seen["guide"][2, 40, 20]) == pytest.approx(255 - guided, abs=2)


def test_a_window_larger_than_the_view_is_shrunk() -> None:
    scene = block_scene((9, 9, 60, 30), (21, 30, 69, 60), side=96)
    window = (slice(0, 96), slice(0, 96))
    seen = view(scene.image, scene.alphas, (scene.alphas > 127) * np.uint8(255), window, 32)
    assert {part.shape[-2:] for part in seen.values()} == {(32, 32)}
    means = torch.from_numpy(scene.image).permute(2, 0, 1).float().unflatten(1, (32, 3)).unflatten(3, (32, 3)).mean((2, 4))
    assert (seen["image"] - means).abs().max() <= 1  # rounding
    assert torch.equal(seen["true"][0], torch.from_numpy(scene.alphas[0, ::3, ::3].copy()))
    assert torch.equal(seen["guide"], seen["true"])


def test_the_three_alphas_and_their_colours_make_the_picture() -> None:
    scene = block_scene((10, 10, 60, 30), (20, 30, 70, 60), side=96)
    true = tri(scene.alphas)
    parts = colours(scene.image, true).astype(float) * (true[:, None] / 255)
    assert np.abs(parts.sum(0).transpose(1, 2, 0) - scene.image).max() < 1


def test_colours_reach_beyond_what_they_are_the_colours_of() -> None:
    image = np.full((40, 40, 3), (200, 30, 60), np.uint8)
    image[:, 20:] = (10, 90, 250)
    alpha = np.zeros((40, 40), np.uint8)
    alpha[:, :20] = 255
    assert np.abs(colours(image, alpha[None])[0, :, 20, 23] - np.array((200, 30, 60.0))).max() < 5


def test_windows_lie_near_the_outline() -> None:
    alpha = block_scene((40, 40, 60, 60), side=96).alphas[0]
    for seed in range(20):
        rows, columns = near_outline(alpha, 32, np.random.default_rng(seed))
        assert rows.stop - rows.start == columns.stop - columns.start == 32
        assert 0 < alpha[rows, columns].mean() < 255


def test_windows_of_whole_people_show_all_of_them() -> None:
    mask = block_scene((30, 20, 70, 40), side=96).alphas[0] > 127
    for seed in range(20):
        rows, columns = whole_person(mask, 32, np.random.default_rng(seed))
        assert mask[rows, columns].sum() == mask.sum()
        assert 1.3 * 40 < rows.stop - rows.start == columns.stop - columns.start < 2 * 40
    assert whole_person(mask, 96, np.random.default_rng(0)) == (slice(0, 96), slice(0, 96))  # at least as large as the view


def test_a_share_of_views_shows_the_whole_person() -> None:
    scene = block_scene((4, 4, 92, 60), side=96)  # larger than a view
    cut = [bool(v[[0, -1]].any() or v[:, [0, -1]].any()) for v in Views(48, 60, whole=0.5)(scene, np.random.default_rng(0))["true"][:, 0]]
    assert 15 < sum(cut) < 45
    assert not Views(48, 12, whole=1.0)(scene, np.random.default_rng(0))["true"][:, 0, :, -1].any()


def test_items_by_number(cutouts: Path) -> None:
    composer = Composer([cutouts], (128, 128))
    for prepare, count in ((Views(64, 3), 3), (Crowd(64), MOST_PEOPLE)):
        items = partial(Scenes, composer, prepare=prepare, somebody=True)
        one, same, other = items(5, 3)[1], items(6, 1)[0], items(5, 3)[2]
        assert one["image"].shape == (count, 3, 64, 64)
        assert one["colours"].shape == (count, 3, 3, 64, 64)
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert not torch.equal(one["image"], other["image"])


def test_everybody_in_a_crowd_is_a_target(cutouts: Path) -> None:
    data = Scenes(Composer([cutouts], (128, 128)), 0, 12, Crowd(64), somebody=True)
    counts = [int(data[i]["count"]) for i in range(12)]
    assert max(counts) > 1
    item = data[counts.index(max(counts))]
    targets = item["true"][: max(counts), 0].int()
    for k in range(len(targets)):
        assert (item["true"][k, 1] - (targets.sum(0) - targets[k])).abs().max() <= 1  # the others are the reference


def test_the_first_stage_learns(stage_one: tuple[Path, list[float]]) -> None:
    totals = stage_one[1]
    assert len(totals) == 20
    assert sum(totals[-4:]) < 0.75 * sum(totals[:4])
    assert (stage_one[0].parent / "sheet_000020.png").exists()
    assert (stage_one[0].parent / "validation.csv").read_text().splitlines()[0] == "step,imq_conn,imq_grad,imq_iou,imq_mad,imq_mse"


def test_the_first_stage_alone_is_a_matting_system(stage_one: tuple[Path, list[float]], cutouts: Path) -> None:
    state = {name: value.float() for name, value in load_file(stage_one[0]).items()}
    assert not any(name.startswith("refiner.") for name in state)
    scene = inhabited(Composer([cutouts], (96, 128), kept_aside=True), 1)
    people = InstanceMasks.from_masks(torch.from_numpy(scene.alphas > 127).float())
    image = torch.from_numpy(scene.image).permute(2, 0, 1) / 255
    system = InstMatt(state)
    alphas = system(image, people)
    assert alphas.shape == people.masks.shape
    assert len(alphas)
    with pytest.raises(UsageError, match="first stage only"):
        system.refine_mattes(image, alphas)


def test_the_second_stage_changes_the_refiner_only(stage_one: tuple[Path, list[float]], cutouts: Path, tmp_path: Path) -> None:
    run, totals = run_of(SECOND, cutouts, tmp_path, stage_one[0]), []
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.train(lambda step, values: totals.append(values["total"]))
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("network.refiner."), name
    assert sum(totals[-4:]) < 0.9 * sum(totals[:4])
    run.export(tmp_path / "out.safetensors", "none")
    state, one = load_file(tmp_path / "out.safetensors"), load_file(stage_one[0])
    assert all(torch.equal(state[name], one[name]) for name in one)
    InstMatt({name: value.float() for name, value in state.items()})  # strict: names and shapes


def test_a_start_from_other_weights_is_refused(stage_one: tuple[Path, list[float]], cutouts: Path) -> None:
    other = replace(SECOND, network=NETWORK | {"aspp": 16})
    with pytest.raises(WeightsError, match="aspp1"):
        build_task(other, [cutouts], stage_one[0])


def test_a_refiner_of_nothing_is_refused(cutouts: Path) -> None:
    with pytest.raises(UsageError, match="--pretrained"):
        build_task(SECOND, [cutouts], None)


def test_semantics_learn_on_from_a_network_without(stage_one: tuple[Path, list[float]], cutouts: Path, tmp_path: Path) -> None:
    recipe = replace(FIRST, stages=(Stage(2, 64, 2),), network=NETWORK | {"semantics": True}, validate_every=0, sheet_every=100)
    run = run_of(recipe, cutouts, tmp_path, stage_one[0])
    task = run.task
    assert isinstance(task, instmatt.InstMattTask)
    fresh, known = task.groups()
    assert (fresh["rate"], known["rate"]) == (recipe.rate, recipe.backbone_rate)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    first = load_file(stage_one[0])
    assert all(torch.equal(before[name], value.float()) for name, value in first.items() if value.is_floating_point())
    run.train()
    still = {name for name, p in run.network.named_parameters() if torch.equal(before[name], p)}
    assert all(name.startswith(("refiner.", "semantics.pyramid.backbone.")) for name in still)
    assert "semantics.pyramid.backbone.stem.0.weight" in still
    assert "semantics.pyramid.backbone.blocks.20.project.0.weight" not in still
    run.export(tmp_path / "out.safetensors", "none")
    state = load_file(tmp_path / "out.safetensors")
    InstMatt({name: value.float() for name, value in state.items()})
    save_file({name: value for name, value in state.items() if name != "semantics.into.0.bias"}, tmp_path / "half.safetensors")
    with pytest.raises(WeightsError, match=r"semantics\.into\.0\.bias"):
        build_task(recipe, [cutouts], tmp_path / "half.safetensors")


def test_a_network_that_makes_no_sense(cutouts: Path) -> None:
    with pytest.raises(UsageError, match="breadth"):
        build_task(replace(FIRST, network={"breadth": 3}), [cutouts], None)
