"""The training loop: data by number, cosine schedule, moving average, checkpoints that resume bit for bit.

Nothing in a run depends on anything but the recipe, the data and the step: the scenes are numbered, and a checkpoint holds
weights, their average and the optimizer's state. A run that was killed goes on from its last checkpoint and gives the same.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..errors import UsageError, WeightsError
from ..image import write_bytes, write_png
from .recipe import Recipe

Report = Callable[[int, dict[str, float]], None]


def build_task(recipe: Recipe, folders: Sequence[Path], pretrained: Path | None) -> Any:
    """The task that a recipe names.

    Raises:
        UsageError: there is none of that name.
    """
    if recipe.task == "people":
        from .people import PeopleTask

        return PeopleTask(recipe, folders, pretrained)
    if recipe.task == "instmatt":
        from .instmatt import InstMattTask

        return InstMattTask(recipe, folders, pretrained)
    raise UsageError(f"no training task is called {recipe.task!r}; there are people and instmatt")


class Run:
    """A training run in a folder: ``checkpoint.safetensors``, ``log.csv``, ``sheet_STEP.png``."""

    def __init__(self, task: Any, recipe: Recipe, folder: Path, workers: int = 1):
        self.task, self.recipe, self.folder, self.workers = task, recipe, folder, workers
        self.network: nn.Module = task.network.to(memory_format=torch.channels_last)
        groups = task.groups()
        self.rates = [group.pop("rate") for group in groups]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=recipe.weight_decay)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.frozen = {name for name, p in self.network.named_parameters() if not p.requires_grad}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def log(self) -> Path:
        return self.folder / "log.csv"

    def train(self, report: Report = lambda step, values: None, until: int | None = None) -> None:
        """Go on to step ``until``, by default to the end of the recipe."""
        self.network.train()
        until = min(until or self.recipe.steps, self.recipe.steps)
        started = time.perf_counter()
        for batch in self._batches(until):
            values = self._one_step(batch)
            self.step += 1
            values["seconds"] = time.perf_counter() - started
            started = time.perf_counter()
            report(self.step, values)
            self._log(values)
            if self.step % self.recipe.checkpoint_every == 0 or self.step == until:
                self.save()
            if self.step % self.recipe.sheet_every == 0:
                write_png(self.folder / f"sheet_{self.step:06d}.png", self.task.sheet(self.average))

    def rate(self, step: int) -> float:
        """Share of the peak learning rate: linear warm-up, then half a cosine."""
        if step < self.recipe.warm_up:
            return (step + 1) / self.recipe.warm_up
        return 0.5 + 0.5 * math.cos(math.pi * (step - self.recipe.warm_up) / max(1, self.recipe.steps - self.recipe.warm_up))

    def _batches(self, until: int) -> Iterator[dict[str, Tensor]]:
        first = seen = 0
        for stage in self.recipe.stages:
            begin, end = max(self.step, first), min(until, first + stage.steps)
            if begin < end:
                data = self.task.data(stage, seen + (begin - first) * stage.batch, (end - begin) * stage.batch)
                yield from DataLoader(data, stage.batch, num_workers=self.workers, prefetch_factor=4 if self.workers else None)
            first, seen = first + stage.steps, seen + stage.steps * stage.batch

    def _one_step(self, batch: dict[str, Tensor]) -> dict[str, float]:
        share = self.rate(self.step)
        for group, peak in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = peak * share
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            losses = self.task.losses(self.network, batch)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        if torch.isfinite(norm):  # a broken batch must not break the weights
            self.optimizer.step()
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.is_floating_point() and name not in self.frozen:
                    self.average[name].lerp_(value, 1 - decay)
                else:
                    self.average[name].copy_(value)
        return {"total": total.item(), **{k: v.item() for k, v in losses.items()}, "norm": norm.item()}

    def _log(self, values: dict[str, float]) -> None:
        row = {"step": self.step, **{k: round(v, 5) for k, v in sorted(values.items())}}
        fresh = not self.log.exists()
        with self.log.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{k}": v for k, v in state.items()}
        temporary = self.checkpoint.with_suffix(".tmp")
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata={"step": str(self.step)})
        os.replace(temporary, self.checkpoint)

    def _resume(self) -> None:
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
        with safe_open(self.checkpoint, "pt") as file:
            self.step = int(file.metadata()["step"])
            for key in file.keys():  # noqa: SIM118 - not a dict
                part, name = key.split("/", 1)
                parts[part][name] = file.get_tensor(key)
        if self.log.exists():  # what was done after the checkpoint will be done again
            header, *rows = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if int(row.split(",", 1)[0]) <= self.step]
            write_bytes(self.log, "".join((header, *kept)).encode())
        self.network.load_state_dict(parts["network"])
        self.average = parts["average"]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            index, key = name.split("/")
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})

    def export(self, path: Path, licence: str) -> None:
        """Write the averaged weights as float16; the metadata say what they are and how they came about."""
        half = {k: v.half().contiguous() for k, v in self.average.items() if not k.endswith("num_batches_tracked")}
        broken = [k for k, v in half.items() if not torch.isfinite(v).all()]
        if broken:
            raise WeightsError(f"{path}: not written, float16 cannot hold {', '.join(broken)}")
        metadata = {
            "system": self.recipe.task,
            "step": str(self.step),
            "recipe": json.dumps(self.recipe, default=vars),
            "trained_on": ", ".join(folder.name for folder in self.task.folders),
            "licence": licence,
        }
        write_bytes(path, save(half, metadata))
