"""Trimaps painted by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

Part = Callable[[str], ModuleType]


@pytest.fixture
def guides(part: Part) -> Any:
    """Two people side by side, with trimaps as their masks."""
    masks = torch.zeros(2, 20, 40)
    masks[0, 5:15, 5:15] = 1
    masks[1, 5:15, 20:30] = 1
    instances, values = part("instmatt_core.instances"), part("nodes.values")
    frame = instances.InstanceMasks(masks, instances.mask_boxes(masks), torch.ones(2))
    return values.Guides(values.People((frame,)), (masks.clone(),))


def test_paint_decides_for_its_person_and_against_the_others(part: Part, guides: Any) -> None:
    paint = torch.zeros(1, 20, 40)
    paint[0, 2:18, 2:22] = 0.5
    paint[0, 4:16, 4:22] = 1.0
    painted = part("nodes.guides").override(guides, 0, paint)
    trimaps, people = painted.trimaps[0], painted.people.frames[0]
    torch.testing.assert_close(trimaps[0], paint[0])
    assert trimaps[1, 10, 21] == 0  # painted as the other person
    assert trimaps[1, 10, 25] == 1
    assert people.masks[0, 10, 18] == 1
    assert people.masks[1, 10, 21] == 0
    assert people.boxes[0].tolist() == [4, 4, 22, 16]
    torch.testing.assert_close(guides.trimaps[0][0, 5:15, 5:15], torch.ones(10, 10))  # what was there is not changed
    tri = painted.tri_masks[0].tri
    torch.testing.assert_close(tri.sum(1), torch.ones(2, 20, 40))


def test_paint_finds_its_person_by_number(part: Part, guides: Any) -> None:
    values = part("nodes.values")
    second = values.only(values.People(values.numbered(guides.people.frames)), lambda i: [1])
    paint = torch.full((1, 20, 40), 0.5)
    painted = part("nodes.guides").override(values.Guides(second, (guides.trimaps[0][1:],)), 1, paint)
    assert (painted.trimaps[0][0] == 0.5).all()
    assert values.numbers(painted.people.frames[0]) == [1]
    picture = torch.zeros(3, 20, 40)
    one, alone = (
        part("nodes.guides").striped([picture], g)[0][:, 10, 25] for g in (guides, values.Guides(second, (guides.trimaps[0][1:],)))
    )
    torch.testing.assert_close(one, alone)  # in the colour of number 2 in both


def test_an_empty_painting_changes_nothing(part: Part, guides: Any) -> None:
    painted = part("nodes.guides").override(guides, 1, torch.zeros(1, 20, 40))
    torch.testing.assert_close(painted.trimaps[0], guides.trimaps[0])


def test_for_somebody_who_is_not_there(part: Part, guides: Any) -> None:
    override, error = part("nodes.guides").override, part("instmatt_core.errors").UsageError
    with pytest.raises(error, match="no person 3; people here are 1, 2"):
        override(guides, 2, torch.ones(1, 20, 40))
    with pytest.raises(error, match="painted trimap"):
        override(guides, 0, torch.ones(2, 20, 40))
    nobody = part("nodes.values").only(guides.people, lambda frame: [])
    empty = part("nodes.values").Guides(nobody, (torch.zeros(0, 20, 40),))
    assert len(override(empty, 0, torch.ones(1, 20, 40)).trimaps[0]) == 0
