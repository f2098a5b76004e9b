"""The training loop: data by number, cosine schedule, moving average, checkpoints that resume bit for bit.

Nothing in a run depends on anything but the recipe, the data and the step: the scenes are numbered, and a checkpoint holds
weights, their average and the optimizer's state. A run that was killed goes on from its last checkpoint and gives the same.

Hugging Face accelerate says where things are: on one process's CPU or GPU, or, started by ``accelerate launch``, on several GPUs
or machines that share the run's folder; each step's batch is then divided among them.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..errors import UsageError, WeightsError
from ..image import write_bytes, write_png
from ..weights.packed import halved
from .recipe import Recipe
from .task import Batch, Task

if TYPE_CHECKING:
    from accelerate import Accelerator

Report = Callable[[int, dict[str, float]], None]


TASKS = {  # by a recipe's name for it, the module here and its class
    "people": ("people", "PeopleTask"),
    "people-closer": ("closer", "CloserTask"),
    "outline": ("outline", "OutlineTask"),
    "instmatt": ("instmatt", "InstMattTask"),
    "instmatt-refiner": ("instmatt", "RefinerTask"),
    "e2e-him": ("e2e_him", "E2EHIMTask"),
}


def build_task(recipe: Recipe, folders: Sequence[Path], pretrained: Path | None) -> Task:
    """The task that a recipe names.

    Raises:
        UsageError: there is none of that name.
    """
    if recipe.task not in TASKS:
        raise UsageError(f"no training task is called {recipe.task!r}; there are {', '.join(TASKS)}")
    module, name = TASKS[recipe.task]
    task: Task = getattr(import_module(f".{module}", __package__), name)(recipe, folders, pretrained)
    return task


def new_accelerator() -> Accelerator:
    """Where to train.

    Raises:
        UsageError: accelerate is not installed.
    """
    try:
        from accelerate import Accelerator, DataLoaderConfiguration, DistributedDataParallelKwargs, InitProcessGroupKwargs
    except ImportError as error:
        raise UsageError('training needs accelerate; where this project lies, run: pip install ".[train]"') from error
    parts = DataLoaderConfiguration(split_batches=True)  # a recipe's batch is that of all processes together
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # what a batch without people leaves out
    patient = InitProcessGroupKwargs(timeout=timedelta(hours=12))  # the first process makes cut-outs and measures, the others wait
    return Accelerator(mixed_precision="no", dataloader_config=parts, kwargs_handlers=[unused, patient])


class Run:
    """A training run in a folder: ``checkpoint.safetensors``, ``log.csv``, ``validation.csv``, ``sheet_STEP.png``.

    Raises:
        UsageError: the recipe measures a task that cannot be measured, or the folder's checkpoint is of another recipe.
    """

    def __init__(self, task: Task, recipe: Recipe, folder: Path, workers: int = 1):
        if recipe.validate_every and type(task).validate is Task.validate:
            raise UsageError(f"{recipe.task} cannot be measured on people kept aside: leave validate_every out of the recipe")
        self.task, self.recipe, self.folder, self.workers = task, recipe, folder, workers
        self.accelerator = new_accelerator()
        self.network = task.network.to(self.accelerator.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups = task.groups()
        self.rates = [group.pop("rate") for group in groups]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=recipe.weight_decay)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.fixed = {name for name, parameter in self.network.named_parameters() if not parameter.requires_grad}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self._resume()
        if self.accelerator.is_main_process:
            for log in ("log.csv", "validation.csv"):
                truncate(self.folder / log, self.step)
        self.model: nn.Module = self.accelerator.prepare_model(self.network)
        if recipe.precision == "bfloat16":  # the network only: losses are differences of what is nearly the same
            self.model.forward = torch.autocast(self.accelerator.device.type, torch.bfloat16)(self.model.forward)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def train(self, report: Report = lambda step, values: None, until: int | None = None) -> None:
        """Go on to step ``until``, by default to the end of the recipe."""
        self.model.train()
        until = min(until or self.recipe.steps, self.recipe.steps)
        started = time.perf_counter()
        for batch in self._batches(until):
            values = self._one_step(batch)
            self.step += 1
            values["seconds"] = time.perf_counter() - started
            started = time.perf_counter()
            if self.accelerator.is_main_process:
                report(self.step, values)
                self._write_down(values, self.step == until)
            self.accelerator.wait_for_everyone()

    def rate(self, step: int) -> float:
        """Share of the peak learning rate: linear warm-up, then half a cosine."""
        if step < self.recipe.warm_up:
            return (step + 1) / self.recipe.warm_up
        return 0.5 + 0.5 * math.cos(math.pi * (step - self.recipe.warm_up) / max(1, self.recipe.steps - self.recipe.warm_up))

    def _batches(self, until: int) -> Iterator[Batch]:
        first = seen = 0
        for stage in self.recipe.stages:
            begin, end = max(self.step, first), min(until, first + stage.steps)
            if begin < end:
                data = self.task.data(stage, seen + (begin - first) * stage.batch, (end - begin) * stage.batch)
                # spawned everywhere: a fork of a process in which OpenCV has threads waits for them for ever
                apart: dict[str, Any] = {"prefetch_factor": 4, "multiprocessing_context": "spawn"} if self.workers else {}
                loader = DataLoader(data, stage.batch, num_workers=self.workers, **apart)
                yield from self.accelerator.prepare_data_loader(loader)
            first, seen = first + stage.steps, seen + stage.steps * stage.batch

    def _one_step(self, batch: Batch) -> dict[str, float]:
        torch.manual_seed(self._seed())
        share = self.rate(self.step)
        for group, peak in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = peak * share
        losses = self.task.losses(self.model, batch)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        self.accelerator.backward(total)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        if torch.isfinite(norm):  # a broken batch must not break the weights
            self.optimizer.step()
        self._follow()
        values = torch.stack([total, *losses.values(), norm]).detach()
        values = self.accelerator.reduce(values, "mean")
        return dict(zip(("total", *losses, "norm"), values.tolist(), strict=True))

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average a step towards the weights."""
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            # What the optimizer leaves alone follows at once: u and v of a spectral norm, say, must fit together.
            if value.is_floating_point() and name not in self.fixed:
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def _write_down(self, values: dict[str, float], last: bool) -> None:
        append(self.folder / "log.csv", self.step, values)
        every = self.recipe.validate_every
        if every and (self.step % every == 0 or self.step == self.recipe.steps):
            append(self.folder / "validation.csv", self.step, self.task.validate(self.average))
        if self.step % self.recipe.sheet_every == 0:
            write_png(self.folder / f"sheet_{self.step:06d}.png", self.task.sheet(self.average))
        if self.step % self.recipe.checkpoint_every == 0 or last:  # after the rest: what came before it is not done again
            self.save()

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{k}": v for k, v in state.items()}
        temporary = self.checkpoint.with_suffix(".tmp")
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata={"step": str(self.step), "recipe": self._identity()})
        os.replace(temporary, self.checkpoint)

    def _seed(self) -> int:
        """What dropout draws from in this step."""
        numbers = (self.recipe.seed, self.step, self.accelerator.process_index)
        return int(np.random.SeedSequence(numbers).generate_state(1)[0])

    def _identity(self) -> str:
        """What of the recipe decides the weights."""
        settings = {name: value for name, value in vars(self.recipe).items() if not name.endswith("_every")}
        return json.dumps(settings, default=vars, sort_keys=True)

    def _resume(self) -> None:
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
        with safe_open(self.checkpoint, "pt", device=str(self.accelerator.device)) as file:
            self.step = int(file.metadata()["step"])
            if file.metadata().get("recipe", self._identity()) != self._identity():
                raise UsageError(f"{self.checkpoint}: is of another recipe; use another --output, or delete it")
            for key in file.keys():  # noqa: SIM118 - not a dict
                part, name = key.split("/", 1)
                parts[part][name] = file.get_tensor(key).clone()  # no view of the file, which Windows then could not replace
        self.network.load_state_dict(parts["network"])
        self.average = parts["average"]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            index, key = name.split("/")
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})

    def export(self, path: Path, licence: str) -> None:
        """Write the averaged weights as float16; the metadata say what they are and how they came about.

        Raises:
            WeightsError: training has gone astray: there are weights that are not finite.
        """
        weights = self.task.weights(self.average)
        broken = [k for k, v in weights.items() if not torch.isfinite(v).all()]
        if broken:
            raise WeightsError(f"{path}: not written, these weights are not finite: {', '.join(broken)}")
        half = {k: halved(v).contiguous() for k, v in weights.items()}
        metadata = {
            "system": self.task.system,
            "step": str(self.step),
            "recipe": json.dumps(self.recipe, default=vars),
            "trained_on": ", ".join(folder.name for folder in self.task.folders),
            "licence": licence,
        }
        write_bytes(path, save(half, metadata))


def append(path: Path, step: int, values: dict[str, float]) -> None:
    """Add a row to a CSV file; the first comes with a header."""
    row = {"step": step, **{k: round(v, 5) for k, v in sorted(values.items())}}
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def truncate(path: Path, step: int) -> None:
    """Drop the rows after ``step``: what was done after the checkpoint will be done again."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [row for row in lines[1:] if int(row.split(",", 1)[0]) <= step]
    if kept:
        write_bytes(path, "".join((lines[0], *kept)).encode())
    else:
        path.unlink(missing_ok=True)
