"""The loop: a run that is stopped and goes on gives what one in a piece gives; recipes say what is wrong with them."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import instmatt_core
from instmatt_core.cli.main import main
from instmatt_core.detect.people.network import PeopleNetwork
from instmatt_core.errors import UsageError, WeightsError
from instmatt_core.image import read_image
from instmatt_core.training.loop import Run, build_task, new_accelerator
from instmatt_core.training.recipe import Recipe, Stage, read_recipe

RECIPE = Recipe("people", (Stage(2, 64, 2), Stage(2, 96, 2)), warm_up=2, checkpoint_every=2, sheet_every=3)


def new_run(cutouts: Path, folder: Path, recipe: Recipe = RECIPE) -> Run:
    torch.manual_seed(0)
    return Run(build_task(recipe, [cutouts], None), recipe, folder, workers=0)


def test_killed_and_gone_on_is_the_same_bit_for_bit(cutouts: Path, tmp_path: Path) -> None:
    def kill(step: int, values: dict[str, float]) -> None:
        if step == 4:
            raise KeyboardInterrupt

    new_run(cutouts, tmp_path / "whole").train()
    with pytest.raises(KeyboardInterrupt):
        new_run(cutouts, tmp_path / "pieces").train(kill)
    assert new_run(cutouts, tmp_path / "pieces").step == 2  # the third is logged, but not in the checkpoint
    new_run(cutouts, tmp_path / "pieces").train(until=3)
    new_run(cutouts, tmp_path / "pieces").train()
    whole, pieces = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "pieces"))
    assert whole.keys() == pieces.keys()
    assert all(torch.equal(whole[k], pieces[k]) for k in whole)
    assert any(k.startswith("optimizer/") for k in whole)
    assert read_image(tmp_path / "pieces" / "sheet_000003.png").shape == (3, 768, 1152)
    logs = [list(csv.DictReader((tmp_path / name / "log.csv").read_text().splitlines())) for name in ("whole", "pieces")]
    for row in logs[0] + logs[1]:
        del row["seconds"]
    assert len(logs[0]) == 4
    assert logs[0] == logs[1]


def test_workers_make_the_same_scenes(cutouts: Path, tmp_path: Path) -> None:
    """Also where OpenCV has threads in this process, which a fork would wait for."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    cv2.warpAffine(np.zeros((2000, 2000, 3), np.float32), np.eye(2, 3), (2000, 2000))
    logs = []
    for workers in (1, 0):
        torch.manual_seed(0)
        run = Run(build_task(RECIPE, [cutouts], None), RECIPE, tmp_path / str(workers), workers)
        totals: list[float] = []
        run.train(lambda step, values, totals=totals: totals.append(values["total"]))  # type: ignore[misc]
        logs.append(totals)
    cv2.setNumThreads(threads)
    assert len(logs[0]) == 4  # two stages, each with workers of its own
    assert logs[0] == logs[1]


def test_the_average_follows_the_weights(cutouts: Path, tmp_path: Path) -> None:
    run = new_run(cutouts, tmp_path)
    start = {k: v.clone() for k, v in run.average.items()}
    run.train(until=1)  # decay at the first step is 1 / 10
    for name in ("centre.weight", "people.0.1.0.weight", "people.0.1.1.running_mean"):
        now = run.network.state_dict()[name]
        assert not torch.equal(now, start[name])
        torch.testing.assert_close(run.average[name], 0.1 * start[name] + 0.9 * now)


def test_it_learns(cutouts: Path, tmp_path: Path) -> None:
    """Twenty steps on made-up figures lower the loss by much more than it fluctuates."""
    run = new_run(cutouts, tmp_path, Recipe("people", (Stage(20, 64, 4),), warm_up=3, rate=3e-3, checkpoint_every=100))
    totals: list[float] = []
    run.train(lambda step, values: totals.append(values["total"]))
    assert len(totals) == 20
    assert sum(totals[-4:]) < 0.6 * sum(totals[:4])


def test_starts_from_a_trained_network(cutouts: Path, tmp_path: Path) -> None:
    """From exported weights of a whole network, or from a backbone's alone, whose early layers then stay as they are."""
    first = new_run(cutouts, tmp_path / "first")
    first.train(until=2)
    first.export(tmp_path / "people.safetensors", "none")
    second = build_task(RECIPE, [cutouts], tmp_path / "people.safetensors").network.state_dict()
    for name in ("centre.weight", "backbone.stem.0.weight", "people.0.1.1.running_mean"):
        torch.testing.assert_close(second[name], first.average[name].half().float(), rtol=0, atol=0)
    save_file({k: v.contiguous() for k, v in first.task.network.backbone.state_dict().items()}, tmp_path / "backbone.safetensors")
    third = build_task(RECIPE, [cutouts], tmp_path / "backbone.safetensors").network
    assert torch.equal(third.backbone.blocks[9].project[0].weight, first.task.network.backbone.blocks[9].project[0].weight)
    assert not third.backbone.stem[0].weight.requires_grad
    assert third.centre.weight.requires_grad


def test_rate(cutouts: Path, tmp_path: Path) -> None:
    run = new_run(cutouts, tmp_path, Recipe("people", (Stage(110, 64, 2),), warm_up=10))
    assert run.rate(0) == pytest.approx(0.1)
    assert run.rate(9) == run.rate(10) == 1
    assert run.rate(60) == pytest.approx(0.5)
    assert run.rate(110) == pytest.approx(0)


def test_from_the_command_line(single_people: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('task = "people"\nwarm_up = 1\n[[stages]]\nsteps = 2\nsize = 64\nbatch = 2\n', encoding="utf-8")
    arguments = ["train", str(recipe), "--people", str(single_people), "--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "run")]
    assert main([*arguments, "--workers", "0", "--export", str(tmp_path / "out.safetensors")]) == 0
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        notes = file.metadata()
    assert notes["step"] == "2"
    assert notes["trained_on"] == single_people.name
    assert json.loads(notes["recipe"])["stages"] == [{"steps": 2, "size": 64, "batch": 2, "views": 2}]
    state = load_file(tmp_path / "out.safetensors")
    assert all(v.dtype == torch.float16 for v in state.values())
    PeopleNetwork().load_state_dict({k: v.float() for k, v in state.items()})  # strict: names and shapes


def test_weights_that_are_not_finite_are_not_written(cutouts: Path, tmp_path: Path) -> None:
    run = new_run(cutouts, tmp_path, RECIPE)
    name, weight = next(iter(run.average.items()))
    weight.fill_(float("nan"))
    with pytest.raises(WeightsError, match=f"not finite: {name}$"):
        run.export(tmp_path / "out.safetensors", "none")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task = ", "cannot be read"),
        ('task = "people"\nprecision = "half"', "precision is one of"),
        ('task = "people"\nspeed = 3', "speed"),
        ('task = "people"\nstages = [{steps = 2}]', "size"),
    ],
)
def test_a_recipe_that_makes_no_sense(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_recipe(path)


def test_an_unknown_task() -> None:
    with pytest.raises(UsageError, match="'dogs'") as refused:
        build_task(Recipe("dogs", ()), [], None)
    recipes = (Path(instmatt_core.__file__).parent / "training" / "recipes").glob("*.toml")
    named = re.split(r", | and |there are ", str(refused.value))
    assert {read_recipe(path).task for path in recipes} <= set(named)


@pytest.mark.parametrize("task", ["people", "people-closer"])
def test_a_task_that_cannot_be_measured_is_not(task: str, cutouts: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{task} cannot be measured.*validate_every"):
        new_run(cutouts, tmp_path / "run", replace(RECIPE, task=task, validate_every=2))
    assert not (tmp_path / "run").exists()


def test_without_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(UsageError, match=r"pip install \"\.\[train\]\""):
        new_accelerator()


def test_bfloat16_is_for_the_convolutions_only(cutouts: Path, tmp_path: Path) -> None:
    run = new_run(cutouts, tmp_path, replace(RECIPE, precision="bfloat16"))
    seen = set()
    run.network.centre.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    run.train(until=1)
    assert seen == {torch.bfloat16}
    assert {value.dtype for value in run.network.parameters()} == {torch.float32}


def test_a_checkpoint_of_another_recipe_is_refused(cutouts: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, checkpoint_every=1)
    new_run(cutouts, tmp_path, recipe).train(until=1)
    assert new_run(cutouts, tmp_path, replace(recipe, checkpoint_every=7)).step == 1  # which decides nothing
    with pytest.raises(UsageError, match="another recipe"):
        new_run(cutouts, tmp_path, replace(recipe, rate=1e-3))


def test_killed_before_the_first_checkpoint(cutouts: Path, tmp_path: Path) -> None:
    new_run(cutouts, tmp_path, replace(RECIPE, checkpoint_every=100)).train(until=2)
    (tmp_path / "checkpoint.safetensors").unlink()  # written at the end, which a kill does not reach
    (tmp_path / "validation.csv").touch()
    new_run(cutouts, tmp_path, replace(RECIPE, checkpoint_every=100)).train(until=1)
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["step", "1"]


def test_people_on_one_side_only(
    single_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instmatt_core.data.cutouts.is_kept_aside", lambda name: False)
    recipe = str(Path(instmatt_core.__file__).parent / "training" / "recipes" / "people.toml")
    assert main(["train", recipe, "--people", str(single_people), "--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "run")]) == 2
    assert "kept aside" in capsys.readouterr().err
