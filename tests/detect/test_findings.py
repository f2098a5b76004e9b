"""Which of a detector's findings are people of their own."""

from __future__ import annotations

import torch

from instmatt_core.detect.findings import fill_holes, people_of
from instmatt_core.detect.geometry import distinct


def blocks(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (100, 200)) -> torch.Tensor:
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


def test_surer_one_of_duplicates_stays_and_order_is_left_to_right() -> None:
    masks = blocks((120, 10, 160, 90), (10, 10, 50, 90), (12, 10, 50, 90), (12, 40, 48, 60))
    found = people_of(masks, torch.tensor([0.8, 0.7, 0.9, 0.75]))  # the third is the second again, the fourth a part of it
    assert found.scores.tolist() == torch.tensor([0.9, 0.8]).tolist()
    assert found.boxes.tolist() == [[12, 10, 50, 90], [120, 10, 160, 90]]
    assert torch.equal(found.masks, masks[[2, 0]].float())


def test_overlapping_people_both_stay() -> None:
    masks = blocks((10, 10, 60, 90), (30, 10, 80, 90))  # they share 60% of each
    assert len(people_of(masks, torch.tensor([0.9, 0.8]))) == 2
    assert len(people_of(masks, torch.tensor([0.9, 0.8]), duplicate=0.5)) == 1


def test_what_a_dropped_duplicate_resembles_may_stay() -> None:
    masks = blocks((0, 0, 50, 50), (8, 0, 58, 50), (16, 0, 66, 50))
    assert distinct(masks, 0.8) == [0, 2]


def test_duplicates_are_recognised_in_large_pictures() -> None:
    masks = blocks((100, 100, 900, 900), (110, 100, 900, 900), (1000, 100, 1400, 900), size=(1000, 1500))
    assert distinct(masks, 0.8) == [0, 2]


def test_least_area_empty_masks_and_limit() -> None:
    masks = blocks((10, 10, 50, 90), (60, 10, 62, 11), (0, 0, 0, 0), (100, 10, 150, 90), (160, 10, 190, 90))
    scores = torch.tensor([0.7, 0.95, 0.9, 0.8, 0.75])
    assert len(people_of(masks, scores)) == 3
    assert len(people_of(masks, scores, min_area=0)) == 4
    assert people_of(masks, scores, max_people=2).boxes[:, 0].tolist() == [100, 160]


def test_small_holes_are_filled_and_large_ones_are_not() -> None:
    mask = blocks((0, 0, 100, 100))[0]
    mask[10:13, 10:13] = False
    mask[50:70, 50:70] = False
    mask[0:3, 30:33] = False  # open to the picture's rim: no hole
    filled = fill_holes(mask, 0.01)
    assert filled[10:13, 10:13].all()
    assert not filled[50:70, 50:70].any()
    assert not filled[0:3, 30:33].any()
    assert filled.sum() == mask.sum() + 9


def test_nobody() -> None:
    found = people_of(torch.zeros(0, 40, 60, dtype=torch.bool), torch.zeros(0))
    assert len(found) == 0
    assert found.size == (40, 60)
