"""IMQ and errors over the frames of a batch, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..instmatt_core.metrics import IMQ, MatteErrors

THRESHOLD = 0.5


@dataclass(frozen=True)
class Scores:
    """``imq`` in percent by error; ``errors`` of matched people, each with its usual scale; counts at IoU 0.5."""

    imq: dict[str, float]
    errors: dict[str, float]
    found: int
    extra: int
    missed: int


def score_people(mattes: Sequence[Tensor], truth: Sequence[Tensor]) -> Scores:
    """Score mattes ``(P, H, W)`` against true ones ``(G, H, W)`` of each picture."""
    imq, errors = IMQ(thresholds=[THRESHOLD]), MatteErrors()
    for predicted, true in zip(mattes, truth, strict=True):
        real = true[(true > 0).flatten(1).any(1)]  # an empty mask is nobody
        shown = predicted[(predicted > 0).flatten(1).any(1)]
        imq.update(shown.numpy(), real.numpy())
        for pair in imq.matches[-1].pairs:
            if pair.iou >= THRESHOLD:
                errors.update(shown[pair.pred].numpy(), real[pair.truth].numpy())
    quality = imq.compute()[THRESHOLD]
    return Scores({name: 100 * value for name, value in quality.imq.items()}, errors.compute(), quality.tp, quality.fp, quality.fn)


def table(scores: Scores) -> str:
    """The scores as Markdown tables, aligned for reading as they are."""
    imq = _rows(("IMQ, percent", *scores.imq), (f"at IoU {THRESHOLD}", *(f"{value:.2f}" for value in scores.imq.values())))
    errors = _rows(("mean error", *scores.errors), ("people found", *(f"{value:.4f}" for value in scores.errors.values())))
    return "\n".join([*imq, "", *errors, "", f"{scores.found} found, {scores.extra} extra, {scores.missed} missed"])


def _rows(head: Sequence[str], values: Sequence[str]) -> list[str]:
    widths = [max(len(a), len(b)) for a, b in zip(head, values, strict=True)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, values)]
    return [f"| {lines[0]} |", "|" + "|".join("-" * (width + 2) for width in widths) + "|", f"| {lines[1]} |"]
