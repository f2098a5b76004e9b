"""Spoiled masks: each way does what its name says, and what comes out is still about the same people."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from instmatt_core.training import spoil as module
from instmatt_core.training.spoil import LEAST_IOU, SPOILERS, disjoint, spoil, trespass


def person(side: int = 160, x: int = 80) -> np.ndarray:
    """A head and a body with a soft edge, uint8."""
    alpha = np.zeros((side, side), np.float32)
    cv2.circle(alpha, (x, 40), 18, 1, -1)
    cv2.ellipse(alpha, (x, 105), (26, 50), 0, 0, 360, 1, -1)
    return (cv2.GaussianBlur(alpha, (0, 0), 2) * 255).round().astype(np.uint8)


MASK = person() > 127


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("spoiler", SPOILERS, ids=lambda s: s.__name__)
def test_each_changes_the_outline_a_little(spoiler: module.Callable) -> None:
    spoiled = [spoiler(MASK, rng(seed)) for seed in range(30)]
    ious = [(s & MASK).sum() / (s | MASK).sum() for s in spoiled]
    assert min(ious) > 0.6
    assert min(ious) < 0.97
    assert all(s.dtype == bool and s.shape == MASK.shape for s in spoiled)
    assert MASK.sum() == (person() > 127).sum()  # the mask that was given is left alone


@pytest.mark.parametrize("spoiler", SPOILERS, ids=lambda s: s.__name__)
@pytest.mark.parametrize("mask", [np.zeros((40, 50), bool), np.ones((40, 50), bool), np.eye(1, 2000, 999, dtype=bool).reshape(40, 50)])
def test_each_copes_with_nobody_everybody_and_a_single_pixel(spoiler: module.Callable, mask: np.ndarray) -> None:
    assert spoiler(mask, rng()).shape == mask.shape


def test_directions() -> None:
    for seed in range(10):
        for smaller in (module.erode, module.cut, module.lose_part):
            assert not (smaller(MASK, rng(seed)) & ~MASK).any()
        for larger in (module.dilate, module.paste):
            assert not (MASK & ~larger(MASK, rng(seed))).any()


def test_threshold_reaches_from_the_soft_edge_to_the_core() -> None:
    areas = [module.threshold(person(), rng(seed)).sum() for seed in range(40)]
    assert min(areas) < MASK.sum() < max(areas)


def test_coarse_cells_are_as_large_as_the_box_makes_them() -> None:
    stripes = np.zeros((280, 280), bool)
    stripes[::2] = True  # far finer than a cell of 10 px
    result = module.coarse(stripes, rng())
    assert not (result[:-1] ^ result[1:])[20:-20, 20:-20].any()  # all or nothing: no stripe is left


def test_trespass_takes_what_is_near_of_the_neighbour() -> None:
    left, right = person(x=50) > 127, (person(x=110) > 127) & ~(person(x=50) > 127)
    results = [trespass(left, right, rng(seed)) for seed in range(10)]
    assert all(not (left & ~r).any() and not (r & ~left & ~right).any() for r in results)
    taken = [(r & right).sum() for r in results]
    assert 0 < max(taken) < right.sum()


def test_disjoint() -> None:
    masks = np.stack((person(x=60) > 127, person(x=80) > 127, person(x=90) > 127))
    apart = disjoint(masks, rng())
    assert apart.sum(0).max() == 1
    assert (apart.any(0) == masks.any(0)).all()
    assert len({disjoint(masks, rng(seed)).tobytes() for seed in range(20)}) > 1  # not always the same one wins


def test_what_comes_out_points_at_the_people() -> None:
    alphas = np.stack((person(200, 50), person(200, 150)))
    first, second, same = [], [], 0
    for seed in range(60):
        masks = spoil(alphas, rng(seed))
        ious = [(m & (a > 127)).sum() / (m | (a > 127)).sum() for m, a in zip(masks, alphas, strict=True)]
        first.append(ious[0])
        second.append(ious[1])
        same += ious[0] > 0.995
    assert min(first) >= 0.9 * LEAST_IOU  # a neighbour's mask may take a little of what is left
    assert min(second) == 0  # left out now and then
    assert sum(iou == 0 for iou in second) < 20
    assert same < 20


def test_same_seed_same_masks() -> None:
    alphas = np.stack((person(200, 60), person(200, 120)))
    assert (spoil(alphas, rng(3)) == spoil(alphas, rng(3))).all()
    assert (spoil(alphas, rng(3)) != spoil(alphas, rng(4))).any()
