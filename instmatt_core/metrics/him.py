"""EMSE, EMAD, ACC and REC, after the names in E2E-HIM (Liu et al., TCSVT 2023). **Our definition**: the paper's formulas are not at hand.

Figures from here are therefore not comparable with the paper's. In each picture predictions and truths are assigned by the IoU of their
supports, as for IMQ; a pair with IoU >= 0.5 is matched (TP), any other prediction is extra (FP), any other truth missed (FN). With e(p, g)
the mean over the whole picture of ``|p - g|`` (EMAD) or ``(p - g)^2`` (EMSE), and 0 the empty matte::

    E   = 1000 / G * ( sum over matched e(p, g) + sum over extra e(p, 0) + sum over missed e(0, g) )      G = number of true instances
    ACC = TP / (TP + FP)          REC = TP / (TP + FN)

All sums run over the data set. Dividing by G, not by the number of terms, keeps an extra prediction from ever lowering the error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import absolute_map, as_alpha, mean, squared_map
from .imq import assign, iou_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

DEFINITION = "our definition"
THRESHOLD = 0.5
SCALE = 1e3


@dataclass(frozen=True)
class Charge:
    """One picture: the summed e of all its instances, and the counts."""

    squared: float
    absolute: float
    tp: int
    fp: int
    fn: int


def charge(pred: ArrayLike, truth: ArrayLike) -> Charge:
    """Charge predicted mattes ``(P, H, W)`` against true ones ``(G, H, W)`` of one picture.

    Raises:
        ImageError: the mattes differ in size or are no mattes.
    """
    pred, truth = as_alpha(pred), as_alpha(truth)
    iou = iou_matrix(pred, truth)
    matched = [(i, j) for i, j in assign(iou) if iou[i, j] >= THRESHOLD]
    pairs = [(pred[i], truth[j]) for i, j in matched]
    alone = [*np.delete(pred, [i for i, _ in matched], axis=0), *np.delete(truth, [j for _, j in matched], axis=0)]
    pairs += [(matte, np.zeros_like(matte)) for matte in alone]
    return Charge(
        squared=math.fsum(mean(squared_map(p, g)) for p, g in pairs),
        absolute=math.fsum(mean(absolute_map(p, g)) for p, g in pairs),
        tp=len(matched),
        fp=len(pred) - len(matched),
        fn=len(truth) - len(matched),
    )


def summarise(charges: Iterable[Charge]) -> dict[str, float]:
    """The sums over many pictures: "emse" and "emad" (times 1000), "acc" and "rec" (in [0, 1]).

    ACC is 0 where people were there and nothing was predicted; what would be 0 / 0 is NaN.
    """
    charges = list(charges)
    tp, fp, fn = (sum(getattr(c, count) for c in charges) for count in ("tp", "fp", "fn"))
    people = tp + fn

    def per_person(total: float) -> float:
        return SCALE * total / people if people else math.nan

    return {
        "emse": per_person(math.fsum(c.squared for c in charges)),
        "emad": per_person(math.fsum(c.absolute for c in charges)),
        "acc": tp / max(tp + fp, 1) if tp + fp + fn else math.nan,
        "rec": tp / people if people else math.nan,
    }


class HIM:
    """EMSE, EMAD, ACC and REC (our definition) over a data set, mergeable, exact in any order."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.charges: list[Charge] = []

    def update(self, pred: ArrayLike | None, truth: ArrayLike) -> None:
        """Add one picture: ``(P, H, W)`` and ``(G, H, W)``; ``pred`` None (no prediction at all) counts everybody as missed."""
        truth = as_alpha(truth)
        self.charges.append(charge(truth[:0] if pred is None else pred, truth))

    def merge(self, other: HIM) -> None:
        """Take over what another one has gathered."""
        self.charges += other.charges

    def compute(self) -> dict[str, float]:
        """See :func:`summarise`."""
        return summarise(self.charges)
