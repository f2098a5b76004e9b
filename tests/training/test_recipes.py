"""Twenty steps of every recipe in the package: its own task, network, rates, losses and precision, on tiny pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import instmatt_core.training
from instmatt_core.training.loop import Run, build_task
from instmatt_core.training.recipe import Recipe, Stage, read_recipe

RECIPES = sorted((Path(instmatt_core.training.__file__).parent / "recipes").glob("*.toml"))
STEPS = 20
IDLE = ("conv1.", "conv2.")  # in E2E-HIM's files, used by nothing


def in_small(recipe: Recipe) -> Recipe:
    """The same over ``STEPS`` steps, each stage at its own size of 64 px and more, two scenes at a time."""
    share, rest = divmod(STEPS, len(recipe.stages))
    stages = tuple(Stage(share + (rest if i == 0 else 0), 64 + 32 * i, 2) for i in range(len(recipe.stages)))
    return replace(recipe, stages=stages, warm_up=3, checkpoint_every=STEPS + 1, sheet_every=STEPS + 1, validate_every=0)


def first_stage(path: Path, cutouts: Path, folder: Path) -> Path | None:
    """What a refiner's recipe starts from; None for other recipes."""
    if not path.stem.endswith("-refiner"):
        return None
    run = new_run(path.with_stem(path.stem.removesuffix("-refiner")), cutouts, folder)
    run.train(until=3)
    run.export(folder / "first.safetensors", "none")
    return folder / "first.safetensors"


def new_run(path: Path, cutouts: Path, folder: Path, pretrained: Path | None = None) -> Run:
    torch.manual_seed(0)
    recipe = in_small(read_recipe(path))
    run = Run(build_task(recipe, [cutouts], pretrained), recipe, folder, workers=0)
    run.save = lambda: None  # type: ignore[method-assign] # hundreds of MB
    return run


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_twenty_steps(path: Path, cutouts: Path, tmp_path: Path) -> None:
    run = new_run(path, cutouts, tmp_path / "run", first_stage(path, cutouts, tmp_path / "first"))
    start = {name: value.detach().clone() for name, value in run.network.named_parameters()}
    logged: list[dict[str, float]] = []
    run.train(lambda step, values: logged.append(values))
    assert len(logged) == STEPS
    assert np.isfinite([value for row in logged for value in row.values()]).all()
    changed = {name for name, value in run.network.named_parameters() if not torch.equal(value, start[name])}
    idle = {name for name in start if run.recipe.task == "e2e-him" and name.startswith(IDLE)}
    estimates = {name for name in run.fixed if name.endswith(("weight_u", "weight_v"))}  # of the spectral norms: no optimizer's work
    assert changed - estimates == set(start) - run.fixed - idle
