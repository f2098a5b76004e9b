"""Anchors, refinement and suppression."""

from __future__ import annotations

import math

import pytest
import torch

from instmatt_core.detect.geometry import assign, overlaps, suppress
from instmatt_core.detect.mask_rcnn.anchors import anchors, refine


def test_anchors_have_one_area_and_go_by_rows() -> None:
    made = anchors(2, 3, 8, 64.0)
    assert made.shape == (18, 4)
    sides = made[:, 2:] - made[:, :2]
    torch.testing.assert_close(sides.prod(1), torch.full((18,), 64.0**2))
    torch.testing.assert_close((sides[:, 1] / sides[:, 0])[:3], torch.tensor([0.5, 1.0, 2.0]))
    centres = (made[:, 2:] + made[:, :2]) / 2
    torch.testing.assert_close(centres[::3], torch.tensor([[0.0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]))


def test_refine() -> None:
    box = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    torch.testing.assert_close(refine(box, torch.zeros(1, 4)), box)
    moved = refine(box, torch.tensor([[5.0, -2.5, 5 * math.log(2), 0.0]]), (10, 10, 5, 5))
    torch.testing.assert_close(moved, torch.tensor([[10.0, 10.0, 50.0, 50.0]]))
    grown = refine(box, torch.tensor([[0.0, 0.0, 50.0, 50.0]]))
    torch.testing.assert_close(grown[0, 2] - grown[0, 0], torch.tensor(20 * 1000 / 16))


def test_overlaps() -> None:
    boxes, others = torch.tensor([[0.0, 0, 4, 4], [1, 1, 1, 1]]), torch.tensor([[2.0, 0, 6, 4], [10, 10, 12, 12], [1, 1, 1, 1]])
    torch.testing.assert_close(overlaps(boxes, others), torch.tensor([[1 / 3, 0, 0], [0, 0, 0]]))
    assert overlaps(boxes, others[:0]).shape == (2, 0)


def test_assign() -> None:
    """The first box fits both, the second only the one that fits the first better; the third fits none."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 14], [50, 50, 60, 60]])
    others = torch.tensor([[0.0, 0, 10, 11], [0, 0, 10, 8]])
    assert assign(boxes, others, 0.5) == {0: 1, 1: 0}
    assert assign(boxes, others, 0.95) == {}
    assert assign(boxes[:0], others, 0.5) == assign(boxes, others[:0], 0.5) == {}


def literal_suppress(boxes: list[list[float]], scores: list[float], groups: list[int], threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        for k in kept:
            a, b = boxes[i], boxes[k]
            shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            total = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
            if groups[i] == groups[k] and shared / total > threshold:
                break
        else:
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_suppress(threshold: float) -> None:
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(300, 2, generator=generator, dtype=torch.float64) * 40
    sides = torch.rand(300, 2, generator=generator, dtype=torch.float64) * 30 + 5
    boxes, scores = torch.cat((corners, corners + sides), 1), torch.rand(300, generator=generator)
    groups = torch.randint(0, 4, (300,), generator=generator)
    kept = suppress(boxes, scores, groups, threshold)
    assert kept.tolist() == literal_suppress(boxes.tolist(), scores.tolist(), groups.tolist(), threshold)
    assert 10 < len(kept) < 290


def test_suppress_nothing() -> None:
    assert len(suppress(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long), 0.5)) == 0
