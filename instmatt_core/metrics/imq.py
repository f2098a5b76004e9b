"""Instance matting quality (InstMatt, CVPR 2022): how many people were found, and how well each was matted.

``IMQ = sum of scores / (TP + FP/2 + FN/2) = MQ * RQ``, over all instances of a data set at once; docs/metrics.md has it in full.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ImageError, UsageError
from .errors import REACH, absolute_map, as_alpha, connectivity_map, gradient_map, squared_map, support, total

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MAPS = {"mad": absolute_map, "mse": squared_map, "grad": gradient_map, "conn": connectivity_map}
SCORES = (*MAPS, "iou")
THRESHOLDS = (0.5, 0.75)  # of IoU
AP_THRESHOLDS = tuple(float(t) for t in np.linspace(0.7, 0.95, 10))  # of the AP-like score


@dataclass(frozen=True)
class Protocol:
    """How edge cases are counted. Both compare mattes in float32 and add in float64.

    Attributes:
        epsilon_iou, epsilon_area, epsilon_count: what is added to a denominator.
        skips_missing: leave a picture without any prediction out, instead of counting its people as missed.
        unmatched: IMQ and MQ where not one instance was matched.
        summary: all of that in words, for the report.
    """

    name: str
    epsilon_iou: float
    epsilon_area: float
    epsilon_count: float
    skips_missing: bool
    unmatched: float
    summary: str


PROTOCOLS = {
    "default": Protocol(
        "default",
        epsilon_iou=0.0,
        epsilon_area=0.0,
        epsilon_count=0.0,
        skips_missing=False,
        unmatched=0.0,
        summary="people in a picture without prediction count as missed; exact denominators; mattes in float32, sums in float64",
    ),
    "published": Protocol(
        "published",
        epsilon_iou=1e-8,
        epsilon_area=1.0,
        epsilon_count=1e-6,
        skips_missing=True,
        unmatched=math.nan,  # the script divides by zero there
        summary="as InstMatt's script: a picture without prediction is left out; small constants in the denominators",
    ),
}


@dataclass(frozen=True)
class Pair:
    """A predicted matte and the true one it was assigned to, by index.

    ``errors``: mean "mad", "mse", "grad" and "conn" over the union of the two supports.
    """

    pred: int
    truth: int
    iou: float
    errors: dict[str, float]

    def score(self, name: str) -> float:
        """In [0, 1]: ``1 - min(10 * error, 1)``, or the IoU itself."""
        return self.iou if name == "iou" else 1.0 - min(10.0 * self.errors[name], 1.0)

    @property
    def ap_score(self) -> float:
        """What the AP-like score thresholds: ``(1 - min(MAD, 1)) * IoU``."""
        return (1.0 - min(self.errors["mad"], 1.0)) * self.iou


@dataclass(frozen=True)
class Match:
    """One picture: the support of every matte in px, and the assigned pairs, whatever their IoU."""

    pred_areas: tuple[int, ...]
    truth_areas: tuple[int, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Quality:
    """Counts at one threshold of IoU, and recognition quality RQ, matting quality MQ and IMQ by name of error; all in [0, 1]."""

    tp: int
    fp: int
    fn: int
    rq: float
    mq: dict[str, float]
    imq: dict[str, float]


def protocol_named(name: str) -> Protocol:
    """One of :data:`PROTOCOLS`.

    Raises:
        UsageError: there is no such protocol.
    """
    if name not in PROTOCOLS:
        raise UsageError(f'no protocol "{name}"; there are {", ".join(PROTOCOLS)}')
    return PROTOCOLS[name]


def iou_matrix(pred: ArrayLike, truth: ArrayLike, epsilon: float = 0.0) -> np.ndarray:
    """``(P, G)`` float64 IoU of the supports of mattes ``(P, H, W)`` and ``(G, H, W)``; 0 between two blank mattes.

    Raises:
        ImageError: the mattes differ in size or are no mattes.
    """
    pred, truth = _stack(pred), _stack(truth)
    if pred.size and truth.size and pred.shape[1:] != truth.shape[1:]:
        raise ImageError(f"predicted mattes are {pred.shape[1:]}, true ones {truth.shape[1:]}")
    preds, truths = [[support(m) for m in mattes] for mattes in (pred, truth)]
    areas = [[np.count_nonzero(m) for m in masks] for masks in (preds, truths)]
    iou = np.zeros((len(preds), len(truths)))
    for i, p in enumerate(preds):
        for j, g in enumerate(truths):
            shared = np.count_nonzero(p & g)
            if shared:
                iou[i, j] = shared / (areas[0][i] + areas[1][j] - shared + epsilon)
    return iou


def assign(iou: np.ndarray) -> list[tuple[int, int]]:
    """The one-to-one assignment (prediction, truth) of greatest total IoU, whatever the IoU of a pair."""
    from scipy.optimize import linear_sum_assignment

    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(1.0 - iou), strict=True)]


def match(pred: ArrayLike, truth: ArrayLike, protocol: str = "default") -> Match:
    """Assign the predicted mattes ``(P, H, W)`` of one picture to the true ones ``(G, H, W)`` and measure each pair.

    Raises:
        ImageError: the mattes differ in size or are no mattes.
    """
    rules = protocol_named(protocol)
    pred, truth = _stack(pred), _stack(truth)
    iou = iou_matrix(pred, truth, rules.epsilon_iou)
    pairs = tuple(Pair(i, j, float(iou[i, j]), _errors(pred[i], truth[j], rules.epsilon_area)) for i, j in assign(iou))
    areas = [tuple(int(np.count_nonzero(support(m))) for m in mattes) for mattes in (pred, truth)]
    return Match(areas[0], areas[1], pairs)


def quality(matches: Iterable[Match], threshold: float, protocol: str = "default") -> Quality:
    """IMQ, MQ, RQ and the counts over many pictures; NaN if there is no instance at all. The order does not matter."""
    rules, matches = protocol_named(protocol), list(matches)
    found = [pair for m in matches for pair in m.pairs if pair.iou >= threshold]
    tp = len(found)
    fp = sum(len(m.pred_areas) for m in matches) - tp
    fn = sum(len(m.truth_areas) for m in matches) - tp
    weight = tp + fp / 2 + fn / 2 + rules.epsilon_count
    none = rules.unmatched if fp or fn else math.nan
    sums = {name: math.fsum(pair.score(name) for pair in found) for name in SCORES}
    return Quality(
        tp,
        fp,
        fn,
        rq=tp / weight if tp or fp or fn else math.nan,
        mq={name: value / tp if tp else none for name, value in sums.items()},
        imq={name: value / weight if tp else none for name, value in sums.items()},
    )


def average_precision(matches: Iterable[Match], protocol: str = "default") -> dict[float, float]:
    """The AP-like score by threshold: ``2 TP / (2 TP + FP + FN)`` where a TP is a pair with ``ap_score >= threshold``.

    Their mean is the mAP. NaN if there is no instance at all.
    """
    rules, matches = protocol_named(protocol), list(matches)
    instances = sum(len(m.pred_areas) + len(m.truth_areas) for m in matches)  # 2 TP + FP + FN at any threshold
    scores = [pair.ap_score for m in matches for pair in m.pairs]
    return {
        t: 2 * sum(score >= t for score in scores) / (instances + rules.epsilon_count) if instances else math.nan for t in AP_THRESHOLDS
    }


class IMQ:
    """IMQ over a data set. Parts gathered apart can be merged; neither order nor grouping changes the last digit."""

    def __init__(self, protocol: str = "default", thresholds: Sequence[float] = THRESHOLDS) -> None:
        self.protocol, self.thresholds = protocol_named(protocol), tuple(thresholds)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.matches: list[Match] = []

    def update(self, pred: ArrayLike | None, truth: ArrayLike) -> None:
        """Add one picture: ``(P, H, W)`` and ``(G, H, W)``; ``pred`` None where there is no prediction for it at all."""
        if pred is None and self.protocol.skips_missing:
            return
        truth = _stack(truth)
        self.matches.append(match(truth[:0] if pred is None else pred, truth, self.protocol.name))

    def merge(self, other: IMQ) -> None:
        """Take over what another one has gathered under the same protocol."""
        if other.protocol != self.protocol:
            raise UsageError(f"results of the protocols {self.protocol.name} and {other.protocol.name} cannot be merged")
        self.matches += other.matches

    def compute(self) -> dict[float, Quality]:
        """:class:`Quality` by threshold."""
        return {t: quality(self.matches, t, self.protocol.name) for t in self.thresholds}


def _stack(mattes: ArrayLike) -> np.ndarray:
    array = as_alpha(mattes)
    if array.ndim != 3:
        raise ImageError(f"mattes must be (K, H, W), not {array.shape}")
    return array


def _errors(pred: np.ndarray, truth: np.ndarray, epsilon: float) -> dict[str, float]:
    """Mean errors over the union of supports, on a crop that holds all that Grad's kernel reaches from there."""
    union = support(pred) | support(truth)
    area = int(np.count_nonzero(union))
    if not area:
        return dict.fromkeys(MAPS, 0.0)
    crop = tuple(
        slice(max(int(line[0]) - REACH, 0), int(line[-1]) + REACH + 1)
        for line in (np.flatnonzero(union.any(axis=1)), np.flatnonzero(union.any(axis=0)))
    )
    return {name: total(error_map(pred[crop], truth[crop]), union[crop]) / (area + epsilon) for name, error_map in MAPS.items()}
