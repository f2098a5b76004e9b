"""Which people each rule of Select People chooses."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

Part = Callable[[str], ModuleType]


@pytest.fixture
def three(part: Part) -> Any:
    """Small and sure at the left, large in the middle, middling at the right."""
    masks = torch.zeros(3, 20, 40)
    masks[0, 10:14, 2:6] = 1
    masks[1, 4:20, 10:24] = 1
    masks[2, 8:18, 30:38] = 1
    instances = part("instmatt_core.instances")
    frame = instances.InstanceMasks(masks, instances.mask_boxes(masks), torch.tensor([0.9, 0.5, 0.7]))
    return part("nodes.values").People((frame,))


def choose(part: Part, people: Any, rule: str, **options: Any) -> list[list[int]]:
    settings = {"numbers": "all", "amount": 1, "invert": False, "boxes": None, **options}
    return part("nodes.choice").choose(people, rule, **settings)


@pytest.mark.parametrize(("rule", "expected"), [("leftmost", [0]), ("rightmost", [2]), ("largest", [1]), ("surest", [0])])
def test_rules(part: Part, three: Any, rule: str, expected: list[int]) -> None:
    assert choose(part, three, rule) == [expected]
    assert choose(part, three, rule, invert=True) == [[k for k in range(3) if k not in expected]]
    assert choose(part, three, rule, amount=9) == [[0, 1, 2]]


@pytest.mark.parametrize(("numbers", "expected"), [("all", [0, 1, 2]), ("none", []), ("3, 1", [0, 2]), ("all but 2", [0, 2]), ("7", [])])
def test_numbers(part: Part, three: Any, numbers: str, expected: list[int]) -> None:
    assert choose(part, three, "numbers", numbers=numbers) == [expected]


def test_boxes(part: Part, three: Any) -> None:
    rule = "overlap with boxes"
    right = torch.tensor([[29.0, 8, 39, 19]])
    assert choose(part, three, rule, boxes=[right]) == [[2]]
    assert choose(part, three, rule, boxes=[right], amount=3) == [[2]]  # nobody whose box does not overlap
    assert choose(part, three, rule, boxes=[torch.zeros(0, 4)]) == [[]]
    with pytest.raises(part("instmatt_core.errors").UsageError, match="connect boxes"):
        choose(part, three, rule)


def test_a_video_is_looked_at_as_a_whole(part: Part, three: Any) -> None:
    values, instances = part("nodes.values"), part("instmatt_core.instances")
    frame = three.frames[0]
    gone = torch.zeros_like(frame.masks)
    gone[2] = frame.masks[2]  # in the second frame only the right one is there
    second = instances.InstanceMasks(gone, instances.mask_boxes(gone), torch.tensor([0, 0, 0.7]))
    video = values.People((frame, second), tracked=True)
    assert choose(part, video, "largest") == [[1], [1]]
    assert choose(part, video, "leftmost") == [[0], [0]]
    photos = values.People((frame, second))
    assert choose(part, photos, "largest") == [[1], [2]]


def test_nobody(part: Part, three: Any) -> None:
    empty = part("nodes.values").only(three, lambda frame: [])
    for rule in part("nodes.choice").RULES:
        assert choose(part, empty, rule, boxes=[torch.zeros(0, 4)]) == [[]]


def test_numbers_are_those_that_people_kept(part: Part, three: Any) -> None:
    values = part("nodes.values")
    two = values.only(values.People(values.numbered(three.frames)), lambda i: [1, 2])
    assert choose(part, two, "numbers", numbers="2") == [[0]]
    assert choose(part, two, "numbers", numbers="all but 2") == [[1]]
    assert choose(part, two, "numbers", numbers="1") == [[]]
