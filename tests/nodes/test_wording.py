"""What users type."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

Part = Callable[[str], ModuleType]


@pytest.mark.parametrize(
    ("text", "expected"), [("", []), ("2", [1]), ("1, 3-5", [0, 2, 3, 4]), ("3 1,1", [2, 0]), ("4 - 2", [3, 2, 1]), (" 2 ,, 3 ", [1, 2])]
)
def test_numbers(part: Part, text: str, expected: list[int]) -> None:
    assert part("nodes.wording").numbers(text) == expected


@pytest.mark.parametrize("text", ["0", "a", "-1", "1.5", "1-", "2;3", "1-999999999", "10000"])
def test_what_is_no_number(part: Part, text: str) -> None:
    with pytest.raises(part("instmatt_core.errors").UsageError, match="number"):
        part("nodes.wording").numbers(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", ([], True)),
        ("", ([], True)),
        ("None", ([], False)),
        ("all but 2", ([1], True)),
        ("All But 1,2", ([0, 1], True)),
        ("2", ([1], False)),
    ],
)
def test_people(part: Part, text: str, expected: tuple[list[int], bool]) -> None:
    assert part("nodes.wording").people(text) == expected


def test_placements(part: Part) -> None:
    placement = part("instmatt_core.layers").Placement
    found = part("nodes.wording").placements("2: 40, -10, 1.2\n\n 1 : -3.5 .5 ")
    assert found == {1: placement(40, -10, 1.2), 0: placement(-3.5, 0.5, 1)}
    for text in ("40, 10", "0: 1, 1", "1: 2", "1: 1, 1, 0", "1: 1, 1, -2"):
        with pytest.raises(part("instmatt_core.errors").UsageError, match="places nobody"):
            part("nodes.wording").placements(text)
