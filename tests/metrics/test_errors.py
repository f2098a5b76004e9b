"""Errors of one matte: against the published script's numbers, other libraries, slow literal versions, and their own properties."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from scipy.spatial import distance

from instmatt_core.errors import ImageError
from instmatt_core.metrics import MatteErrors, conn, grad, mad, mse, sad
from instmatt_core.metrics import errors as module
from instmatt_core.metrics.errors import ERRORS, connectivity_map, gradient_map, union_of_supports, unknown

SIZE = (13, 17)
mattes = arrays.arrays(np.uint8, SIZE, elements=st.sampled_from([0, 1, 25, 26, 51, 102, 153, 204, 230, 254, 255]))


def soft(seed: int, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(size), 3)
    return np.clip((noise - 0.48) * 20, 0, 1).astype(np.float32)


@pytest.mark.parametrize("kind", ["raw_union_mask", "raw_whole_image"])
def test_the_published_scripts_errors(golden: Any, kind: str) -> None:
    compared = 0
    for name, expected in golden.expected["images"].items():
        for k, (i, j, _) in enumerate(expected.get("assignment_pred_gt_iou", [])):
            pred, truth = golden.pred[name][i], golden.truth[name][j]
            region = union_of_supports(pred, truth) if kind == "raw_union_mask" else None
            area = pred.size if region is None else region.sum()
            mine = {
                "SAD": sad(pred, truth, region),
                "MAD": mad(pred, truth, region) * area / (area + 1),
                "MSE": mse(pred, truth, region) * area / (area + 1),
                "Grad": grad(pred, truth, region, scale=1) / (area + 1),
                "Conn": conn(pred, truth, region, scale=1) / (area + 1),
            }
            assert mine == pytest.approx({error: expected[kind][error][k] for error in mine}, abs=1e-6)
            compared += 1
    assert compared > 20


def test_gradient_kernel(golden: Any) -> None:
    gauss, slope = module._kernels()
    np.testing.assert_allclose(-np.outer(gauss, slope), golden.expected["gradient_kernel_hx"], atol=1e-7)


def test_gradient_map_against_scipy(golden: Any) -> None:
    kernel = np.array(golden.expected["gradient_kernel_hx"])

    def slope(alpha: np.ndarray) -> np.ndarray:
        return np.hypot(*(ndimage.convolve(alpha.astype(float), k, mode="nearest") for k in (kernel, kernel.T)))

    pred, truth = soft(1), soft(2)
    np.testing.assert_allclose(gradient_map(pred, truth), (slope(pred) - slope(truth)) ** 2, rtol=1e-5, atol=1e-6)


def literal_connectivity(pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Conn by flood filling, a pixel at a time."""
    height, width = pred.shape
    levels = [np.float32(i * 0.1) for i in range(11)]
    reached: dict[tuple[int, int], np.float32] = {}
    for below, level in itertools.pairwise(levels):
        open_ = {(y, x) for y in range(height) for x in range(width) if pred[y, x] >= level and truth[y, x] >= level}
        largest: set[tuple[int, int]] = set()
        for seed in sorted(open_):
            if seed not in open_:
                continue
            open_.remove(seed)
            component, border = {seed}, [seed]
            while border:
                y, x = border.pop()
                for neighbour in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                    if neighbour in open_:
                        open_.remove(neighbour)
                        component.add(neighbour)
                        border.append(neighbour)
            if len(component) > len(largest):
                largest = component
        for y in range(height):
            for x in range(width):
                if (y, x) not in largest:
                    reached.setdefault((y, x), below)
    result = np.zeros_like(pred)
    for y in range(height):
        for x in range(width):
            phi = []
            for alpha in (pred[y, x], truth[y, x]):
                above = alpha - reached.get((y, x), np.float32(1))
                phi.append(1 - above if above >= np.float32(0.15) else np.float32(1))
            result[y, x] = abs(phi[0] - phi[1])
    return result


@given(mattes, mattes)
def test_connectivity_map_against_flood_filling(pred: np.ndarray, truth: np.ndarray) -> None:
    p, g = (m.astype(np.float32) / np.float32(255) for m in (pred, truth))
    np.testing.assert_allclose(connectivity_map(pred, truth), literal_connectivity(p, g), atol=1e-6)


@pytest.mark.parametrize("tenths", range(1, 10))
def test_a_matte_at_a_level_of_conn_reaches_it(tenths: int) -> None:
    """Against an opaque matte, whose excess over the shared level is 1 - tenths / 10, and counts from 0.15."""
    flat = np.full((4, 5), tenths / 10, np.float32)
    expected = 1 - tenths / 10 if tenths < 9 else 0
    np.testing.assert_allclose(connectivity_map(flat, np.ones_like(flat)), expected, atol=1e-6)


def test_sums_and_means_against_scipys_distances() -> None:
    pred, truth = soft(3), soft(4)
    region = union_of_supports(pred, truth)
    area = region.sum()
    assert 0 < area < region.size
    for where in (None, region):
        p, g = (m.ravel().astype(float) if where is None else m[where].astype(float) for m in (pred, truth))
        assert sad(pred, truth, where) == pytest.approx(distance.cityblock(p, g) / 1000)
        assert mad(pred, truth, where) == pytest.approx(distance.cityblock(p, g) / p.size)
        assert mse(pred, truth, where) == pytest.approx(distance.sqeuclidean(p, g) / p.size)


@given(mattes, mattes)
def test_symmetric_zero_on_equality_bounded(pred: np.ndarray, truth: np.ndarray) -> None:
    for name, error in ERRORS.items():
        assert error(pred, pred) == 0
        value = error(pred, truth, scale=1)
        assert value == error(truth, pred, scale=1)
        assert 0 <= value <= (1 if name in ("mad", "mse") else 2 * pred.size)
    assert mse(pred, truth) <= mad(pred, truth)
    assert conn(pred, truth, scale=1) <= pred.size


@given(mattes, mattes, st.sampled_from([np.fliplr, np.flipud, np.transpose]))
def test_turning_the_picture_changes_nothing(pred: np.ndarray, truth: np.ndarray, turn: Any) -> None:
    for error in (sad, mad, mse, grad):
        assert error(turn(pred), turn(truth)) == pytest.approx(error(pred, truth), rel=1e-5, abs=1e-7)


def test_regions_add_up_and_unknown_is_the_band() -> None:
    pred, truth = soft(5), soft(6)
    band = unknown(truth)
    assert 0 < band.sum() < band.size
    np.testing.assert_array_equal(band, (truth > 0) & (truth < 1))
    for error in (sad, grad, conn):
        assert error(pred, truth, band) + error(pred, truth, ~band) == pytest.approx(error(pred, truth))
    assert mad(pred, truth, np.zeros_like(band)) == 0


def test_scales() -> None:
    pred, truth = soft(7), soft(8)
    for error in ERRORS.values():
        assert error(pred, truth, scale=3.0) == pytest.approx(3 * error(pred, truth, scale=1.0))
    assert sad(pred, truth) == pytest.approx(mad(pred, truth) * pred.size / 1000)


@pytest.mark.parametrize("region", ["whole", "union", "unknown"])
def test_gathering_in_any_order_and_grouping(region: Any) -> None:
    pairs = [(soft(2 * k), soft(2 * k + 1)) for k in range(12)]

    def gather(some: list[tuple[np.ndarray, np.ndarray]]) -> MatteErrors:
        gathered = MatteErrors(region)
        for pred, truth in some:
            gathered.update(pred, truth, truth if region == "unknown" else None)
        return gathered

    whole, shuffled = gather(pairs), list(pairs)
    random.Random(1).shuffle(shuffled)
    parts = gather(shuffled[:5])
    parts.merge(gather(shuffled[5:]))
    assert whole.compute() == parts.compute()
    area = {"whole": None, "union": union_of_supports(*pairs[0]), "unknown": unknown(pairs[0][1])}[region]
    assert gather(pairs[:1]).compute() == {name: error(*pairs[0], area) for name, error in ERRORS.items()}
    whole.reset()
    assert all(math.isnan(value) for value in whole.compute().values())


def test_what_is_no_matte_is_refused() -> None:
    matte = soft(9)
    for bad in (matte[:5], np.stack([matte, matte]), matte * 2, matte - 1, np.full_like(matte, np.nan)):
        with pytest.raises(ImageError):
            mad(bad, matte)
    with pytest.raises(ImageError, match="region"):
        mad(matte, matte, np.ones((2, 2), bool))
    with pytest.raises(ImageError, match="trimap"):
        MatteErrors("unknown").update(matte, matte)
    with pytest.raises(ImageError, match="trimap"):
        MatteErrors("whole").update(matte, matte, matte)
    with pytest.raises(ImageError, match="merged"):
        MatteErrors("whole").merge(MatteErrors("union"))


def test_integers_are_scaled_by_their_type() -> None:
    eight = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert mad(eight, eight.astype(np.uint16) * 257) == 0
    assert mad(eight, eight / 255) == 0
