"""Masks of people in boxes."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.detect.blazepose import BlazePose
from instmatt_core.detect.boxes import masks_in_boxes
from instmatt_core.errors import GuidanceError
from instmatt_core.instances import InstanceMasks


def nobody(image: torch.Tensor) -> InstanceMasks:
    return InstanceMasks(torch.zeros(0, *image.shape[1:]), torch.zeros(0, 4), torch.zeros(0))


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a > 0.5, b > 0.5
    return float((a & b).sum() / (a | b).sum())


def test_the_boxes_of_found_people_give_their_masks(example: torch.Tensor) -> None:
    detector = BlazePose()
    people = detector(example)
    found = masks_in_boxes(example, people.boxes.flip(0), detector)
    assert len(found) == len(people) == 2
    torch.testing.assert_close(found.masks, people.masks)


def test_without_a_detector_colour_decides() -> None:
    image = torch.full((3, 80, 80), 0.2) + 0.02 * torch.rand(3, 80, 80, generator=torch.Generator().manual_seed(0))
    truth = torch.zeros(80, 80)
    truth[20:60, 30:50] = 1
    image[0] = torch.where(truth > 0, 0.9, image[0])
    found = masks_in_boxes(image, torch.tensor([[25.0, 15, 55, 65]]), nobody)
    assert iou(found.masks[0], truth) > 0.95


def test_boxes_without_area_and_no_boxes() -> None:
    image = torch.rand(3, 20, 30)
    assert len(masks_in_boxes(image, torch.tensor([[5.0, 5, 5, 9], [40, 2, 50, 9]]), nobody)) == 0
    found = masks_in_boxes(image, torch.zeros(0, 4), nobody)
    assert found.size == (20, 30)
    assert len(masks_in_boxes(image, torch.tensor([[-5.0, -5, 99, 99]]), nobody)) == 1  # larger than the picture
    with pytest.raises(GuidanceError, match="boxes must be"):
        masks_in_boxes(image, torch.zeros(4), nobody)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_boxes_of_one_person_give_that_person_once(order: list[int]) -> None:
    image = torch.zeros(3, 80, 80)
    image[0, 10:70, 30:50] = 1

    def what_is_red(picture: torch.Tensor) -> InstanceMasks:
        return InstanceMasks.from_masks(picture[:1])

    boxes = torch.tensor([[30.0, 10, 50, 70], [30, 10, 50, 36], [33, 10, 53, 70]])  # all of the person, the upper part, beside
    found = masks_in_boxes(image, boxes[order], what_is_red)
    assert len(found) == 1
    torch.testing.assert_close(found.masks, image[:1])
