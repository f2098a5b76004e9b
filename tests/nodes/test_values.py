"""Frames of people, and masks from other nodes."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

Part = Callable[[str], ModuleType]


def people_of(part: Part, *frames: torch.Tensor, tracked: bool = False) -> object:
    masks = part("instmatt_core.instances").InstanceMasks
    boxes = part("instmatt_core.instances").mask_boxes
    return part("nodes.values").People(tuple(masks(f, boxes(f), torch.ones(len(f))) for f in frames), tracked)


def test_the_pack_uses_its_own_copy_of_the_library(part: Part) -> None:
    values = part("nodes.values")
    assert values.InstanceMasks.__module__.startswith("/custom_nodes/instmatt.instmatt_core")


def test_per_person(part: Part) -> None:
    values = part("nodes.values")
    frames = [torch.rand(2, 4, 5), torch.rand(2, 4, 5), torch.rand(2, 4, 5)]
    video = values.per_person(frames, True)
    assert [tuple(p.shape) for p in video] == [(3, 4, 5)] * 2
    torch.testing.assert_close(video[1][2], frames[2][1])
    photos = values.per_person([frames[0], frames[1][:1], frames[2][:0]], False)
    assert [tuple(p.shape) for p in photos] == [(1, 4, 5)] * 3
    assert values.per_person([torch.zeros(0, 4, 5)], True) == []


def test_masks_of_one_picture_are_people_however_they_come(part: Part) -> None:
    values = part("nodes.values")
    masks = torch.rand(3, 4, 5)
    for given in ([masks], [masks[:1], masks[1:]], [m[None] for m in masks]):
        (found,) = values.people_of_masks(given, 1)
        torch.testing.assert_close(found, masks)


def test_masks_of_a_video(part: Part) -> None:
    values, error = part("nodes.values"), part("instmatt_core.errors").GuidanceError
    by_person = [torch.full((2, 1, 1), 0.1), torch.full((2, 1, 1), 0.2), torch.full((2, 1, 1), 0.3)]
    assert [f.flatten().tolist() for f in values.people_of_masks(by_person, 2)] == [pytest.approx([0.1, 0.2, 0.3])] * 2
    frames = [torch.rand(3, 4, 5), torch.rand(3, 4, 5)]
    one_batch = torch.cat(values.per_person(frames, True))
    assert all(torch.equal(a, b) for a, b in zip(values.people_of_masks([one_batch], 2, True), frames, strict=True))
    for masks, tracked in ((one_batch, False), (torch.zeros(3, 1, 1), True)):
        with pytest.raises(error, match="2 pictures cannot be told"):
            values.people_of_masks([masks], 2, tracked)


def test_whose_true_mattes_are(part: Part) -> None:
    values, error = part("nodes.values"), part("instmatt_core.errors").GuidanceError
    two = [torch.rand(2, 4, 5), torch.rand(2, 4, 5)]
    for tracked in (True, False):
        mattes = values.Mattes.of(two, people_of(part, *two, tracked=tracked), {})
        truth = values.truth_of(mattes, torch.cat(values.per_person(mattes.maps, tracked)))
        assert all(torch.equal(a, b) for a, b in zip(truth, mattes.maps, strict=True))
    uneven = [two[0], two[1][:1]]
    with pytest.raises(error, match="score one at a time"):
        values.truth_of(values.Mattes.of(uneven, people_of(part, *uneven), {}), torch.cat(two))


def test_numbers_stay_when_others_are_left_out(part: Part) -> None:
    values, error = part("nodes.values"), part("instmatt_core.errors").UsageError
    masks = torch.zeros(3, 4, 9)
    for k, mask in enumerate(masks):
        mask[:, 3 * k : 3 * k + 3] = 1
    people = values.People(values.numbered(people_of(part, masks, masks[:1]).frames))
    assert [values.numbers(frame) for frame in people.frames] == [[0, 1, 2], [0]]
    later = values.only(people, lambda i: [[1, 2], []][i])
    assert [values.numbers(frame) for frame in later.frames] == [[1, 2], []]
    mattes = values.Mattes.of([masks[[2, 0]], masks[:0]], later, {})  # the second person's matte lies left of the first one's
    assert values.numbers(mattes.frames[0]) == [2, 1]
    values.check_numbers([1, 2], mattes)
    with pytest.raises(error, match="no person 1; people here are 2, 3"):
        values.check_numbers([0], mattes)
    values.check_numbers([5], values.only(people, lambda i: []))


def test_empty_mattes_are_dropped_but_not_from_a_video(part: Part) -> None:
    values = part("nodes.values")
    masks = torch.zeros(2, 4, 6)
    masks[:, :, :3] = 1
    alphas = masks.clone()
    alphas[1] = 0
    assert len(values.Mattes.of([alphas], people_of(part, masks), {}).frames[0]) == 1
    assert len(values.Mattes.of([alphas], people_of(part, masks, tracked=True), {}).frames[0]) == 2


def test_people_of_another_picture_are_refused(part: Part) -> None:
    values, error = part("nodes.values"), part("instmatt_core.errors").ImageError
    people = people_of(part, torch.ones(1, 4, 5))
    values.check_fit([torch.zeros(3, 4, 5)], people)
    with pytest.raises(error, match="5 x 4"):
        values.check_fit([torch.zeros(3, 8, 10)], people)
    with pytest.raises(error, match="2 pictures"):
        values.check_fit([torch.zeros(3, 4, 5)] * 2, people)


def test_only_and_count(part: Part) -> None:
    values = part("nodes.values")
    people = people_of(part, torch.ones(3, 2, 2), torch.ones(1, 2, 2))
    assert values.count(people) == 4
    assert values.count(values.only(people, lambda frame: [0])) == 2
    assert values.count(values.only(people, lambda frame: [])) == 0
    video = people_of(part, torch.ones(3, 2, 2), torch.ones(3, 2, 2), tracked=True)
    assert values.count(video) == 3
