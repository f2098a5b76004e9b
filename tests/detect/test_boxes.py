"""Masks of people in boxes."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.detect.boxes import masks_in_boxes
from instmatt_core.detect.people import People
from instmatt_core.detect.people.looks import CloserLook
from instmatt_core.errors import GuidanceError
from instmatt_core.instances import InstanceMasks, take


def nobody(image: torch.Tensor) -> InstanceMasks:
    return InstanceMasks(torch.zeros(0, *image.shape[1:]), torch.zeros(0, 4), torch.zeros(0))


def blind(image: torch.Tensor, box: torch.Tensor, known: list[torch.Tensor]) -> tuple[torch.Tensor, float]:
    """A closer look that sees nobody."""
    return torch.zeros(image.shape[1:]), 0.0


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a > 0.5, b > 0.5
    return float((a & b).sum() / (a | b).sum())


def test_the_boxes_of_found_people_give_their_masks(example: torch.Tensor) -> None:
    detector = People()
    people = detector(example)
    found = masks_in_boxes(example, people.boxes.flip(0), detector, blind)
    assert len(found) == len(people) == 2
    torch.testing.assert_close(found.masks, people.masks)


def test_whom_the_detector_misses_a_closer_look_draws(example: torch.Tensor) -> None:
    people, look = People()(example), CloserLook(torch.device("cpu"))
    found = masks_in_boxes(example, people.boxes, nobody, look)
    assert len(found) == 2
    assert all(iou(a, b) > 0.9 for a, b in zip(found.masks, people.masks, strict=True))


def test_a_closer_look_is_told_who_is_found_in_other_boxes(example: torch.Tensor) -> None:
    people, told = People()(example), []

    def look(image: torch.Tensor, box: torch.Tensor, known: list[torch.Tensor]) -> tuple[torch.Tensor, float]:
        told.append(known)
        return people.masks[1], 1.0

    masks_in_boxes(example, people.boxes, lambda image: take(people, torch.tensor([0])), look)
    (known,) = told
    assert not known[0].any()
    assert torch.equal(torch.stack(known[1:]), people.masks[:1])


def test_what_a_closer_look_draws_must_fill_the_box(example: torch.Tensor) -> None:
    """A person elsewhere, or one of whom it is not sure, is not the box's; here GrabCut cannot take anything else."""
    box = torch.tensor([[0.0, 0, 960, 640]])
    corner, all_of_it = torch.zeros(640, 960), torch.ones(640, 960) * 0.9
    corner[:99, :99] = 1
    for mask, sure, drawn in ((corner, 0.9, False), (all_of_it, 0.1, False), (all_of_it, 0.9, True)):
        found = masks_in_boxes(example, box, nobody, lambda image, box, known, answer=(mask, sure): answer)  # type: ignore[misc]
        assert (float(found.masks[0, 300, 300]) == pytest.approx(0.9)) == drawn


def test_without_a_detector_colour_decides() -> None:
    image = torch.full((3, 80, 80), 0.2) + 0.02 * torch.rand(3, 80, 80, generator=torch.Generator().manual_seed(0))
    truth = torch.zeros(80, 80)
    truth[20:60, 30:50] = 1
    image[0] = torch.where(truth > 0, 0.9, image[0])
    found = masks_in_boxes(image, torch.tensor([[25.0, 15, 55, 65]]), nobody, blind)
    assert iou(found.masks[0], truth) > 0.95


def test_boxes_without_area_and_no_boxes() -> None:
    image = torch.rand(3, 20, 30)
    assert len(masks_in_boxes(image, torch.tensor([[5.0, 5, 5, 9], [40, 2, 50, 9]]), nobody, blind)) == 0
    found = masks_in_boxes(image, torch.zeros(0, 4), nobody, blind)
    assert found.size == (20, 30)
    assert len(masks_in_boxes(image, torch.tensor([[-5.0, -5, 99, 99]]), nobody, blind)) == 1  # larger than the picture
    with pytest.raises(GuidanceError, match="boxes must be"):
        masks_in_boxes(image, torch.zeros(4), nobody, blind)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_boxes_of_one_person_give_that_person_once(order: list[int]) -> None:
    image = torch.zeros(3, 80, 80)
    image[0, 10:70, 30:50] = 1

    def what_is_red(picture: torch.Tensor) -> InstanceMasks:
        return InstanceMasks.from_masks(picture[:1])

    boxes = torch.tensor([[30.0, 10, 50, 70], [30, 10, 50, 36], [33, 10, 53, 70]])  # all of the person, the upper part, beside
    found = masks_in_boxes(image, boxes[order], what_is_red, blind)
    assert len(found) == 1
    torch.testing.assert_close(found.masks, image[:1])
