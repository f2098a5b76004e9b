"""EMSE, EMAD, ACC, REC: our definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import linear_sum_assignment

from instmatt_core.metrics import HIM
from instmatt_core.metrics.imq import iou_matrix


def stacks(count: int) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(np.uint8, (count, 6, 7), elements=st.sampled_from([0, 0, 1, 128, 255]))


def him(*pictures: tuple[np.ndarray | None, np.ndarray]) -> dict[str, float]:
    gathered = HIM()
    for pred, truth in pictures:
        gathered.update(pred, truth)
    return gathered.compute()


def unambiguous(pred: np.ndarray, truth: np.ndarray) -> bool:
    """Whether one assignment alone has the greatest total IoU; a tie is broken by the order of the mattes."""
    iou = iou_matrix(pred, truth)
    totals = {}
    for chosen in itertools.permutations(range(len(pred)), len(truth)):
        pairs = frozenset((i, j) for j, i in enumerate(chosen) if iou[i, j] > 0)
        totals[pairs] = sum(iou[i, j] for i, j in pairs)
    return sum(total > max(totals.values()) - 1e-9 for total in totals.values()) == 1


def literal(pred: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Straight from the formulas in docs/metrics.md, instance by instance."""
    p, g = pred / 255.0, truth / 255.0
    iou = np.array([[np.sum((a > 0) & (b > 0)) / max(np.sum((a > 0) | (b > 0)), 1) for b in g] for a in p])
    matched = {int(i): int(j) for i, j in zip(*linear_sum_assignment(-iou), strict=True) if iou[i, j] >= 0.5}
    empty = np.zeros(p.shape[1:])
    terms = [(p[i], g[j]) for i, j in matched.items()]
    terms += [(p[i], empty) for i in range(len(p)) if i not in matched]
    terms += [(empty, g[j]) for j in range(len(g)) if j not in matched.values()]
    return {
        "emse": 1000 * sum(((a - b) ** 2).mean() for a, b in terms) / len(g),
        "emad": 1000 * sum(abs(a - b).mean() for a, b in terms) / len(g),
        "acc": len(matched) / len(p),
        "rec": len(matched) / len(g),
    }


@given(stacks(3), stacks(2))
def test_against_the_formulas(pred: np.ndarray, truth: np.ndarray) -> None:
    assume(unambiguous(pred, truth))
    assert him((pred, truth)) == pytest.approx(literal(pred, truth), rel=1e-5, abs=1e-5)


def test_by_hand() -> None:
    """One found perfectly, one missed (a fifth of the picture), one made up (a tenth at half opacity)."""
    truth, pred = np.zeros((2, 10, 10), np.float32), np.zeros((2, 10, 10), np.float32)
    truth[0, 0:3] = pred[0, 0:3] = 1
    truth[1, 8:10] = 1
    pred[1, 5] = 0.5
    assert him((pred, truth)) == pytest.approx({"emad": 1000 * (0.2 + 0.05) / 2, "emse": 1000 * (0.2 + 0.025) / 2, "acc": 0.5, "rec": 0.5})


@given(stacks(2))
def test_zero_on_equality(truth: np.ndarray) -> None:
    assume(unambiguous(truth, truth))
    result = him((truth, truth))
    assert result["emse"] == result["emad"] == 0


@given(stacks(2), stacks(2), stacks(1))
def test_making_somebody_up_never_helps(pred: np.ndarray, truth: np.ndarray, extra: np.ndarray) -> None:
    extra = extra * ~(truth > 0).any(0)  # in no true person's place
    assume(unambiguous(pred, truth))
    without, with_extra = him((pred, truth)), him((np.concatenate([pred, extra]), truth))
    assert with_extra["emad"] >= without["emad"] - 1e-9
    assert with_extra["emse"] >= without["emse"] - 1e-9
    assert with_extra["acc"] <= without["acc"]
    assert with_extra["rec"] == without["rec"]


@given(stacks(3), stacks(2))
def test_bounded(pred: np.ndarray, truth: np.ndarray) -> None:
    result = him((pred, truth))
    assert 0 <= result["emse"] <= result["emad"] <= 1000 * 5 / 2
    assert 0 <= result["acc"] <= 1
    assert 0 <= result["rec"] <= 1


def test_a_missing_prediction_is_the_empty_matte() -> None:
    truth = np.full((1, 4, 4), 255, np.uint8)
    assert him((None, truth)) == him((truth[:0], truth)) == {"emse": 1000, "emad": 1000, "acc": 0, "rec": 0}
    nobody = him((truth[:0], truth[:0]))
    assert all(math.isnan(v) for v in nobody.values())


def test_order_and_grouping_do_not_matter() -> None:
    random = np.random.default_rng(0)
    pictures = [tuple(random.random((k, 20, 30), np.float32) * (random.random((k, 20, 30)) > 0.4) for k in (3, 2)) for _ in range(9)]
    first, second = HIM(), HIM()
    for pred, truth in pictures[:4][::-1]:
        first.update(pred[::-1], truth[::-1])
    for pred, truth in pictures[4:]:
        second.update(pred, truth)
    second.merge(first)
    assert second.compute() == him(*pictures)
