"""IMQ, MQ, RQ and the AP-like score."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from instmatt_core.errors import ImageError, UsageError
from instmatt_core.metrics import IMQ, conn, grad, mad, mse
from instmatt_core.metrics.errors import union_of_supports
from instmatt_core.metrics.imq import PROTOCOLS, SCORES, Match, assign, average_precision, iou_matrix, match, quality

PUBLISHED = {"mad": "MAD", "mse": "MSE", "grad": "Grad", "conn": "Conn", "iou": "IoU"}
KEYS = {0.5: "0.50", 0.75: "0.75"}


def stacks(count: int) -> Any:
    return arrays.arrays(np.uint8, (count, 8, 9), elements=st.sampled_from([0, 0, 1, 128, 200, 255]))


def disc(x: float, radius: float = 12, soft: float = 3, size: tuple[int, int] = (60, 120)) -> np.ndarray:
    ys, xs = np.mgrid[: size[0], : size[1]]
    return np.clip((radius - np.hypot(ys - size[0] / 2, xs - x)) / soft + 0.5, 0, 1).astype(np.float32)


def test_published_counts_scores_and_assignment_of_each_set(golden: Any) -> None:
    for name, expected in golden.expected["images"].items():
        result = match(golden.pred[name], golden.truth[name], "published")
        found = [(p.pred, p.truth, p.iou) for p in result.pairs]
        assert found == [(i, j, pytest.approx(iou, abs=1e-14)) for i, j, iou in expected.get("assignment_pred_gt_iou", [])]
        assert [p.ap_score for p in result.pairs] == pytest.approx(expected.get("eval_py_scores", []), abs=1e-6)
        for threshold, key in KEYS.items():
            q, wanted = quality([result], threshold, "published"), expected["per_threshold"][key]
            assert (q.tp, q.fp, q.fn) == (wanted["TP"], wanted["FP"], wanted["FN"])
            sums = [sum(p.score(s) for p in result.pairs if p.iou >= threshold) for s in SCORES]
            assert sums == pytest.approx(wanted["score_sums_MAD_MSE_Grad_Conn_IoU"], abs=1e-6)


@pytest.mark.parametrize("name", ["sets_1_to_7", "all_1_to_10", "1_to_7_with_6_folder_missing"])
def test_published_scores_of_several_sets(golden: Any, name: str) -> None:
    expected = golden.expected["sets"][name]
    imq = IMQ("published")
    for member in expected["members"]:
        missing = name.endswith("missing") and member == "6_empty_prediction"
        imq.update(None if missing else golden.pred[member], golden.truth[member])
    for threshold, q in imq.compute().items():
        for score in SCORES:
            wanted = expected[f"IMQ@{KEYS[threshold]}"][PUBLISHED[score]]
            assert {"IMQ": q.imq[score], "MQ": q.mq[score]} == pytest.approx({k: wanted[k] for k in ("IMQ", "MQ")}, abs=1e-6)
            assert q.rq == pytest.approx(wanted["RQ"], abs=1e-10)
    precision = average_precision(imq.matches, "published")
    assert list(precision) == pytest.approx(expected["eval_py"]["thresholds"])
    assert list(precision.values()) == pytest.approx(expected["eval_py"]["AP"], abs=1e-10)


def test_where_the_published_script_divides_by_zero(golden: Any) -> None:
    name = "8_no_true_positive"
    assert golden.expected["images"][name]["IMQ@0.50"] is None
    published, default = (IMQ(p) for p in ("published", "default"))
    for imq in (published, default):
        imq.update(golden.pred[name], golden.truth[name])
    assert math.isnan(published.compute()[0.5].imq["mad"])
    assert math.isnan(published.compute()[0.5].mq["mad"])
    assert default.compute()[0.5].imq["mad"] == default.compute()[0.5].mq["mad"] == default.compute()[0.5].rq == 0


def test_default_differs_from_published_only_by_the_epsilons_where_nothing_is_missing(golden: Any) -> None:
    both = {p: IMQ(p) for p in PROTOCOLS}
    for imq in both.values():
        for name in golden.pred:
            imq.update(golden.pred[name], golden.truth[name])
    for threshold in KEYS:
        default, published = (both[p].compute()[threshold] for p in ("default", "published"))
        assert (default.tp, default.fp, default.fn) == (published.tp, published.fp, published.fn)
        assert default.imq == pytest.approx(published.imq, abs=1e-3)
        assert default.imq != published.imq


def test_perfect_mattes_score_exactly_one(golden: Any) -> None:
    truth = golden.truth["1_perfect"]
    imq = IMQ()
    imq.update(truth[::-1], truth)
    for q in imq.compute().values():
        assert (q.tp, q.fp, q.fn, q.rq) == (3, 0, 0, 1.0)
        assert set(q.imq.values()) == set(q.mq.values()) == {1.0}
    assert set(average_precision(imq.matches).values()) == {1.0}


def test_a_picture_without_prediction_is_missed_or_skipped() -> None:
    truth = np.stack([disc(30), disc(80)])
    for protocol, fn in (("default", 2), ("published", 0)):
        imq = IMQ(protocol)
        imq.update(truth, truth)
        imq.update(None, truth)
        q = imq.compute()[0.5]
        assert (q.tp, q.fp, q.fn) == (2, 0, fn)
    imq = IMQ("published")
    imq.update(truth[:0], truth)  # an empty folder is not a missing one
    assert imq.compute()[0.5].fn == 2


def test_by_hand() -> None:
    """Two of three people found, one found that is not there: RQ = 2 / (2 + 1/2 + 1/2)."""
    truth = np.zeros((3, 10, 40), np.float32)
    pred = np.zeros((3, 10, 40), np.float32)
    for k in range(3):
        truth[k, :, 10 * k : 10 * k + 8] = 1
    pred[0, :, 0:8] = 1  # perfect
    pred[1, :, 10:16] = 1  # IoU 6/8, MAD 2/8: beyond 0.1, so score 0
    pred[2, :, 38:40] = 1  # nobody
    result = [match(pred, truth)]
    for threshold, tp, iou_sum in ((0.5, 2, 1.75), (0.76, 1, 1.0)):
        q = quality(result, threshold)
        assert (q.tp, q.fp, q.fn) == (tp, 3 - tp, 3 - tp)
        assert q.rq == pytest.approx(tp / 3)
        assert q.mq["mad"] == pytest.approx(1 / tp)
        assert q.imq["mad"] == pytest.approx(1 / 3)
        assert q.imq["iou"] == pytest.approx(iou_sum / 3)
    assert quality(result, 0.75).tp == 2


def test_pairs_are_measured_over_the_union_of_supports_of_the_whole_picture(golden: Any) -> None:
    """The crop that makes it fast must not show, not even in what lies below the support all around."""
    cases = [(golden.pred[name], golden.truth[name]) for name in ("4_soft_noise", "7_overlap_near_half", "10_faint_halo")]
    box = np.zeros((1, 60, 70), np.float32)
    box[:, 20:40, 25:50] = 1
    cases.append((np.maximum(box, np.random.default_rng(0).random(box.shape, np.float32) * 0.49 / 255), box * 0.8))
    for pred, truth in cases:
        for pair in match(pred, truth).pairs:
            p, g = pred[pair.pred], truth[pair.truth]
            union = union_of_supports(p, g)
            area = union.sum()
            literal = {"mad": mad(p, g, union), "mse": mse(p, g, union)}
            literal |= {"grad": grad(p, g, union, scale=1 / area), "conn": conn(p, g, union, scale=1 / area)}
            assert pair.errors == pytest.approx(literal, rel=1e-6)


@given(stacks(3), stacks(4))
def test_iou_and_assignment_against_literal_versions(pred: np.ndarray, truth: np.ndarray) -> None:
    iou = iou_matrix(pred, truth)
    for i, j in itertools.product(range(3), range(4)):
        p, g = set(zip(*np.nonzero(pred[i]), strict=True)), set(zip(*np.nonzero(truth[j]), strict=True))
        assert iou[i, j] == (len(p & g) / len(p | g) if p | g else 0)
    best = max(sum(iou[i, j] for i, j in enumerate(chosen)) for chosen in itertools.permutations(range(4), 3))
    pairs = assign(iou)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == 3
    assert sum(iou[i, j] for i, j in pairs) == pytest.approx(best)
    np.testing.assert_allclose(iou_matrix(truth, pred), iou.T)


@settings(max_examples=50)
@given(stacks(3), stacks(2), st.sampled_from(sorted(PROTOCOLS)))
def test_scores_are_bounded_and_consistent(pred: np.ndarray, truth: np.ndarray, protocol: str) -> None:
    result = match(pred, truth, protocol)
    for threshold in KEYS:
        q = quality([result], threshold, protocol)
        assert q.tp + q.fp == 3
        assert q.tp + q.fn == 2
        assert 0 <= q.rq <= 1
        for score in SCORES:
            if q.tp:
                assert 0 <= q.imq[score] <= q.mq[score] <= 1
                assert q.imq[score] == pytest.approx(q.mq[score] * q.rq)


def test_the_order_of_instances_and_pictures_does_not_matter(golden: Any) -> None:
    names = list(golden.pred)
    first = IMQ()
    for name in names:
        first.update(golden.pred[name], golden.truth[name])
    random.Random(5).shuffle(names)
    parts = [IMQ(), IMQ()]
    for k, name in enumerate(names):
        parts[k % 2].update(golden.pred[name][::-1], np.roll(golden.truth[name], 1, axis=0))
    parts[1].merge(parts[0])
    assert parts[1].compute() == first.compute()  # to the last digit
    assert average_precision(parts[1].matches) == average_precision(first.matches)


def test_nobody_is_no_exception() -> None:
    nobody, truth = np.zeros((0, 60, 120), np.float32), disc(40)[None]
    assert match(nobody, nobody) == Match((), (), ())
    assert math.isnan(quality([match(nobody, nobody)], 0.5).rq)
    assert math.isnan(quality([match(nobody, nobody)], 0.5).imq["mad"])
    assert quality([match(truth, nobody)], 0.5).fp == 1
    blank = match(truth * 0, truth * 0)
    assert blank.pairs[0].iou == 0
    assert blank.pairs[0].errors == {"mad": 0, "mse": 0, "grad": 0, "conn": 0}


def test_a_trace_that_eight_bits_cannot_store_is_no_support() -> None:
    truth = disc(40)
    haze = np.maximum(truth, np.float32(0.4 / 255))
    assert iou_matrix(haze[None], truth[None]).item() == iou_matrix(truth[None], truth[None]).item()
    assert iou_matrix(np.maximum(truth, np.float32(1 / 255))[None], truth[None]).item() < 0.2


def test_wrong_input_is_told() -> None:
    with pytest.raises(UsageError, match="protocol"):
        IMQ("offical")
    with pytest.raises(UsageError, match="merged"):
        IMQ("default").merge(IMQ("published"))
    with pytest.raises(ImageError, match="predicted"):
        match(disc(40)[None], disc(40)[None, :30])
    with pytest.raises(ImageError, match=r"\(K, H, W\)"):
        match(disc(40), disc(40)[None])
