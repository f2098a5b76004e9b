"""An evaluation as tables of text, which the command line and the page both print."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .evaluation import Evaluation, mean_of
from .him import DEFINITION
from .imq import SCORES, THRESHOLDS, quality

UNDEFINED = "-"
NAMES = {"mad": "MAD", "mse": "MSE", "grad": "Grad", "conn": "Conn", "iou": "IoU"}
PAPER = {  # IMQ as printed in the InstMatt paper
    "InstMatt, HIM2K natural": {"mad": 70.26, "mse": 81.34, "grad": 74.90, "conn": 72.60},
    "InstMatt, HIM2K synthetic": {"mad": 63.59, "mse": 78.14, "grad": 64.50, "conn": 67.71},
    "InstMatt, RWP-636": {"mad": 51.10, "mse": 73.09},
    "Mask R-CNN, HIM2K natural": {"mad": 24.22, "mse": 33.74, "grad": 2.27, "conn": 26.65},
}


@dataclass(frozen=True)
class Table:
    """``rows`` were measured here; ``quoted`` rows come from elsewhere and must look so. Each row is a label and its cells."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    quoted: list[tuple[str, ...]]
    caption: str = ""


def tables(evaluation: Evaluation, *, per_image: bool = False) -> list[Table]:
    """IMQ and MQ beside the paper's rows; recognition; our EMSE, EMAD, ACC, REC; and each picture's IMQ if asked for."""
    at = {t: evaluation.quality(t) for t in THRESHOLDS}
    him = evaluation.him()
    made = [
        Table(
            "Instance matting quality, percent",
            ("measured here", *NAMES.values()),
            [
                (f"{kind}, IoU {t}", *(_percent(values[name]) for name in SCORES))
                for t, q in at.items()
                for kind, values in (("IMQ", q.imq), ("MQ", q.mq))
            ],
            [(f"paper: {label}", *(f"{row[n]:.2f}" if n in row else UNDEFINED for n in SCORES)) for label, row in PAPER.items()],
            'Rows marked "paper" quote the IMQ printed in the InstMatt paper (CVPR 2022), for orientation; they were not measured here.',
        ),
        Table(
            "Recognition",
            ("measured here", "RQ, percent", "matched (TP)", "extra (FP)", "missed (FN)"),
            [(f"IoU {t}", _percent(q.rq), str(q.tp), str(q.fp), str(q.fn)) for t, q in at.items()],
            [],
            f"AP-like score, mean of ten thresholds from 0.70 to 0.95: {_percent(mean_of(evaluation.average_precision()))} percent",
        ),
        Table(
            f"E2E-HIM's measures, {DEFINITION}",
            ("measured here", "EMSE x 1000", "EMAD x 1000", "ACC, percent", "REC, percent"),
            [(DEFINITION, _number(him["emse"]), _number(him["emad"]), _percent(him["acc"]), _percent(him["rec"]))],
            [],
            "Errors that also charge extra and missed people. The paper's formulas are not at hand: not comparable with its figures.",
        ),
    ]
    if per_image:
        made.append(_per_image(evaluation))
    return made


def _per_image(evaluation: Evaluation) -> Table:
    rows = []
    for picture in evaluation.pictures:
        if picture.match is None:
            rows.append((picture.task.name, str(len(picture.task.truth)), "left out", *[UNDEFINED] * (1 + len(SCORES))))
            continue
        q = quality([picture.match], THRESHOLDS[0], evaluation.protocol)
        predicted = "none" if picture.task.pred is None else str(q.tp + q.fp)
        rows.append((picture.task.name, str(q.tp + q.fn), predicted, str(q.tp), *(_percent(q.imq[name]) for name in SCORES)))
    return Table(f"IMQ of each picture at IoU {THRESHOLDS[0]}, percent", ("picture", "people", "found", "TP", *NAMES.values()), rows, [])


def _percent(value: float) -> str:
    return _number(100 * value)


def _number(value: float) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.2f}"
