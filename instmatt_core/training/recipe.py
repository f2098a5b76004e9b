"""A training run's settings, read from a TOML file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import UsageError

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Stage:
    """``steps`` steps on pictures of ``size`` x ``size`` px, of ``batch`` scenes at a time; InstMatt's first stage and the
    closer look see ``views`` crops of each."""

    steps: int
    size: int
    batch: int
    views: int = 2


@dataclass(frozen=True)
class Recipe:
    """What decides a run, together with the data.

    Attributes:
        task: what is trained, a name that :func:`instmatt_core.training.loop.build_task` knows.
        stages: one after the other, under one learning rate schedule.
        rate: peak learning rate of new layers; ``backbone_rate`` of pretrained ones. Linear warm-up, then cosine to zero.
        average: decay per step of the moving average of the weights, which is what is measured and shipped.
        clip: largest norm of the gradient.
        checkpoint_every, sheet_every, validate_every: steps between checkpoints, between sheets of samples to look at, and between
            measurements on people kept aside; 0 for no measurements, the only choice for the people detector and its closer look.
        real: share of pictures that are photographs as they are.
        crowded: folders whose photographs may show passers-by without a matte.
        network: the settings of the network, for tasks that have any: those of
            :class:`instmatt_core.matting.instmatt.config.InstMattConfig`.
        precision: "float32", or "bfloat16" for the convolutions.
        hard: share of scenes made to be difficult.
        seated: share of scenes in which people sit side by side.
        detected: share of scenes in which InstMatt's first stage is guided by what ``detectors``, in turn by chance, find in them, not
            by spoiled masks.
        whole: share of the crops of InstMatt's first stage that show a whole person, as it sees them in use where everyone is matted
            apart.
    """

    task: str
    stages: tuple[Stage, ...]
    rate: float = 2e-3
    backbone_rate: float = 4e-4
    weight_decay: float = 0.02
    warm_up: int = 100
    average: float = 0.998
    clip: float = 10.0
    real: float = 0.25
    crowded: tuple[str, ...] = ()
    network: dict[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    hard: float = 0.0
    seated: float = 0.0
    detected: float = 0.0
    detectors: tuple[str, ...] = ("people",)
    whole: float = 0.0
    seed: int = 0
    checkpoint_every: int = 100
    sheet_every: int = 500
    validate_every: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UsageError(f"precision is one of {', '.join(PRECISIONS)}, not {self.precision!r}")

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def with_tuples(table: dict[str, Any]) -> dict[str, Any]:
    """A TOML table with tuples for lists: a recipe does not change."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def read_recipe(path: Path) -> Recipe:
    """Read a TOML recipe.

    Raises:
        UsageError: it cannot be read, or a setting is missing or not known.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        values["stages"] = tuple(Stage(**stage) for stage in values.get("stages", ()))
        values["network"] = with_tuples(values.get("network", {}))
        return Recipe(**with_tuples(values))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a recipe ({error})") from error
    except TypeError as error:
        names = ", ".join(field.name for field in fields(Recipe))
        raise UsageError(f"{path}: {error}; a recipe has {names}; a stage has steps, size, batch, views") from error
