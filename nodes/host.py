"""What the nodes need of ComfyUI: its progress bar and interruption, its devices, and a way to say "there is nobody"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

from .tensors import image_batch
from .values import per_person

PeopleSocket = io.Custom("INSTMATT_PEOPLE")
TriMasksSocket = io.Custom("INSTMATT_TRIMASKS")
MattesSocket = io.Custom("INSTMATT_MATTES")
ModelSocket = io.Custom("INSTMATT_MODEL")

TICKS = 1000


def progress(steps: int = 1) -> Callable[[int], Callable[[float], None]]:
    """Progress of equal steps: ``progress(n)(i)`` is what step i reports its share to. Reporting is where a run is interrupted."""
    bar = comfy.utils.ProgressBar(TICKS)

    def of(step: int) -> Callable[[float], None]:
        def report(share: float) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            bar.update_absolute(round(TICKS * (step + share) / max(steps, 1)))

        report(0.0)
        return report

    return of


def out(tensor: Tensor) -> Tensor:
    """A tensor where ComfyUI wants what flows between nodes."""
    return tensor.to(comfy.model_management.intermediate_device(), comfy.model_management.intermediate_dtype())


def image_out(images: Sequence[Tensor]) -> Tensor:
    """Pictures ``(C, H, W)`` as an IMAGE."""
    return out(image_batch(images))


def each_and_all(maps: Sequence[Tensor], tracked: bool) -> tuple[Any, Any]:
    """Per-person maps ``(K, H, W)`` or ``(K, H, W, C)`` of each frame as one batch and as a list with an item for each person.

    With nobody there, both outputs are blocked: core nodes cannot take an empty batch, so what follows is left out of the run.
    """
    people = per_person(maps, tracked)
    if not people:
        return nobody(), nobody()
    batch = out(torch.cat(people))
    return batch, list(batch.split([len(part) for part in people]))  # views of the batch: a video's masks are large


def nobody() -> Any:
    """An output that keeps the nodes after it from running, without an error."""
    return ExecutionBlocker(None)
