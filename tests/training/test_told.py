"""What the closer look is told in training of whom to look at."""

from __future__ import annotations

import numpy as np
import torch
from block_scenes import block_scene

from instmatt_core.training.told import Glance, box_of, choose, empty_box, glance, mixed_up, moved, spoilt

PERSON = (20, 40, 100, 70)  # y0, x0, y1, x1


def test_box() -> None:
    assert box_of(block_scene(PERSON, side=144).alphas[0]).tolist() == [40, 20, 70, 100]


def test_a_glance_knows_whose_each_mask_is() -> None:
    """One mask of the second person, one of nobody, one of a part of the first that is of neither."""
    both = block_scene(PERSON, (30, 80, 110, 110), side=144)
    masks = torch.zeros(3, 144, 144)
    masks[0, 34:110, 78:110] = masks[1, :20, :20] = masks[2, 20:40, 40:70] = 1
    seen = glance(lambda image, most: (masks, torch.ones(3)), both)  # type: ignore[arg-type]
    assert seen.whose == {0: 1}
    assert seen.wrong == [1]
    own, others = seen.known(1, 0)
    assert (own > 0).tolist() == (masks[0] > 0).tolist()
    assert (others > 0).tolist() == masks[1:].any(0).tolist()
    own, others = seen.known(1, None)  # only a box tells of who was seen: no mask is held to be somebody else's
    assert not own.any()
    assert (others > 0).tolist() == masks[1:].any(0).tolist()


def test_what_is_known_of_a_person_is_told() -> None:
    both = block_scene(PERSON, (30, 80, 110, 110), side=144)
    seen = Glance(both.alphas, {0: 0, 1: 1}, [])
    told = 0
    for each in choose(both, seen, 24, np.random.default_rng(0)):
        own, others = each.known
        if len(each.alphas):
            k = int(each.alphas[0, 105, 100] > 0)
            assert np.abs(each.box - box_of(both.alphas[k])).max() < 40
            assert np.array_equal(np.maximum(own, others), both.alphas.max(0) if own.any() else both.alphas[1 - k])
            assert (own & both.alphas[k]).sum() >= 0.5 * own.sum()
            told += bool(own.any())
        else:
            assert own[both.alphas.any(0)].mean() < 30
    assert 12 < told < 22


def test_a_part_is_told_as_the_neighbours() -> None:
    known = block_scene(PERSON, (30, 72, 110, 102), side=144).alphas
    both, first = known.max(0), int(known[0].sum())
    lost = []
    for seed in range(40):
        own, others = mixed_up(known, np.random.default_rng(seed))
        assert np.array_equal(np.maximum(own, others), both)
        assert not (own & others).any()
        lost.append(1 - int(own.sum()) / first)
    assert min(lost) < -0.05
    assert 0.05 < max(lost) < 0.5
    apart = block_scene(PERSON, (30, 110, 110, 140), side=144).alphas
    assert mixed_up(apart, np.random.default_rng(0)) is apart


def test_of_nobody_there_may_be_a_mask() -> None:
    """What a first look took for somebody is a box with nobody in it, and so is a place where somebody's shape is put."""
    one = block_scene(PERSON, side=144)
    ghost = np.zeros((1, 144, 144), np.uint8)
    ghost[0, 100:140, 100:130] = 255
    seen = Glance(np.concatenate((one.alphas, ghost)), {0: 0}, [1])
    nobody = [(each.box, each.known) for each in choose(one, seen, 60, np.random.default_rng(0)) if not len(each.alphas)]
    assert 5 < len(nobody) < 30
    for box, (own, others) in nobody:
        assert np.array_equal(own, ghost[0])
        assert np.array_equal(others, one.alphas[0])
        assert np.abs(box - (100, 100, 130, 140)).max() < 25
    seen = Glance(one.alphas, {0: 0}, [])
    shapes = [each.known[0] for each in choose(one, seen, 100, np.random.default_rng(1)) if not len(each.alphas)]
    assert any(shape.any() for shape in shapes)
    assert not all(shape.any() for shape in shapes)


def test_a_shape_is_moved_into_a_box() -> None:
    shape = moved(block_scene(PERSON, side=144).alphas[0], np.array((80.0, 10, 120, 30)))
    assert box_of(shape).tolist() == [80, 10, 120, 30]
    assert not moved(np.zeros((50, 50), np.uint8), np.array((10.0, 10, 20, 20))).any()


def test_spoilt_boxes_stay_near() -> None:
    rng, box = np.random.default_rng(0), np.array((40.0, 20, 70, 100))
    wrong = np.array([(spoilt(box, rng) - box) / (30, 80, 30, 80) for _ in range(400)])
    assert np.abs(wrong).max() < 0.5
    assert (wrong[:, 3] < -0.13).mean() > 0.05  # without feet
    assert (wrong[:, 3] > 0.13).sum() == 0


def test_an_empty_box_is_empty() -> None:
    rng = np.random.default_rng(0)
    boxes = [box for _ in range(30) if (box := empty_box(block_scene(PERSON, side=144), rng)) is not None]
    assert len(boxes) > 5
    for x0, y0, x1, y1 in np.round(boxes).astype(int):
        assert (block_scene(PERSON, side=144).alphas[0, y0:y1, x0:x1] > 0).mean() < 0.2
    assert empty_box(block_scene((0, 0, 144, 144), side=144), rng) is None
