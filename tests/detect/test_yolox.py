"""YOLOX-Nano: against the published file, and what it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from instmatt_core.detect.yolox import YOLOX
from instmatt_core.detect.yolox.detector import GREY, decode
from instmatt_core.detect.yolox.network import STRIDES
from instmatt_core.image import resize

GOLDEN = Path(__file__).parent / "golden" / "yolox_nano.npz"


def test_against_the_published_file(example: torch.Tensor) -> None:
    """``outputs``: what onnxruntime makes of the published file and of the example picture, cells by rows: box, and two certainties."""
    picture = torch.full((1, 3, 416, 416), GREY)
    picture[0, :, :277] = 255 * resize(example, (277, 416)).flip(0)
    expected = torch.from_numpy(np.load(GOLDEN)["outputs"].astype(np.float32))
    with torch.inference_mode():
        made = torch.cat([cells[0].flatten(1).T for cells in YOLOX().network(picture)])
    assert made.shape == expected.shape
    wrong = (made[:, 4:].sigmoid() - expected[:, 4:]).abs()
    assert wrong.max() < 0.06  # our weights are float16
    assert wrong.mean() < 1e-3
    likely = expected[:, 4] * expected[:, 5] > 0.1
    assert likely.sum() > 4
    torch.testing.assert_close(made[likely, :4], expected[likely, :4], atol=0.05, rtol=0)


def test_decode_literally() -> None:
    maps = [torch.zeros(1, 6, 8 // (stride // 8), 12 // (stride // 8)) for stride in STRIDES]
    maps[0][0, :, 2, 5] = torch.tensor([0.25, -0.5, np.log(3), np.log(2), 10, 10])
    boxes, scores = decode(maps)
    assert len(boxes) == len(scores) == 8 * 12 + 4 * 6 + 2 * 3
    best = int(scores.argmax())
    middle, half = (8 * 5.25, 8 * 1.5), (8 * 1.5, 8 * 1.0)
    expected = (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1])
    assert boxes[best].tolist() == pytest.approx(expected, abs=1e-4)
    assert float(scores[best]) == pytest.approx(1, abs=1e-3)
    assert float(scores[0]) == pytest.approx(0.25)


def test_two_people(example: torch.Tensor) -> None:
    boxes, scores = YOLOX()(example)
    assert (scores > 0.8).sum() == 2
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= torch.tensor([960, 640])).all()
    smaller, _ = YOLOX(min_score=0.5)(resize(example, (160, 240)))
    torch.testing.assert_close(smaller.sort(0).values * 4, boxes[:2].sort(0).values, atol=16, rtol=0)


@pytest.mark.parametrize("size", [(90, 200), (1, 1), (3, 700)])
def test_nobody(size: tuple[int, int]) -> None:
    boxes, scores = YOLOX()(torch.zeros(3, *size))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
