"""Scores of a batch of frames."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

Part = Callable[[str], ModuleType]


def two() -> torch.Tensor:
    mattes = torch.zeros(2, 30, 60)
    mattes[0, 5:25, 5:25] = 1
    mattes[1, 5:25, 35:55] = 1
    return mattes


def test_perfect(part: Part) -> None:
    scores = part("nodes.scores").score_people([two(), two()], [two().flip(0), two()])
    assert (scores.found, scores.extra, scores.missed) == (4, 0, 0)
    assert scores.imq["mad"] == pytest.approx(100)
    assert scores.errors["sad"] == 0


def test_missed_extra_and_empty_masks(part: Part) -> None:
    nothing = torch.zeros(1, 30, 60)
    scores = part("nodes.scores").score_people([two()[:1], two()], [two(), torch.cat((two()[1:], nothing))])
    assert (scores.found, scores.extra, scores.missed) == (2, 1, 1)
    assert scores.imq["mad"] == pytest.approx(100 * 2 / 3)


def test_the_table_is_aligned(part: Part) -> None:
    scores = part("nodes.scores")
    lines = scores.table(scores.score_people([two()], [two() * 0.9])).splitlines()
    for rows in (lines[:3], lines[4:7]):
        assert len({len(row) for row in rows}) == 1
    assert lines[-1] == "2 found, 0 extra, 0 missed"
