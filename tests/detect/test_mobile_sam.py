"""The outline network: its windows, what it is told, and what it draws. Against the published network: tests/test_tools.py."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.detect.geometry import iou
from instmatt_core.detect.mobile_sam import OutlineLook
from instmatt_core.detect.mobile_sam.encoder import WindowAttention, distances
from instmatt_core.detect.mobile_sam.network import MobileSAM
from instmatt_core.detect.people import People
from instmatt_core.instances import InstanceMasks


@pytest.fixture(scope="module")
def people(example: torch.Tensor) -> InstanceMasks:
    return People()(example)


@pytest.fixture(scope="module")
def look() -> OutlineLook:
    return OutlineLook(torch.device("cpu"))


def test_distances_literally() -> None:
    assert distances(2).tolist() == [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]


def test_windows_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    attention = WindowAttention(64, 7).eval()
    x = torch.randn(1, 14, 10, 64)
    changed = x.clone()
    changed[:, :7, 7:] += 1
    with torch.inference_mode():
        same = (attention(x) == attention(changed)).all(3)[0]
    assert same[7:].all()
    assert same[:7, :7].all()
    assert not same[:7, 7:].any()


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (16, 128)])
def test_any_proportions(size: tuple[int, int]) -> None:
    height, width = size
    with torch.inference_mode():
        drawn = MobileSAM().eval()(torch.rand(2, 3, *size), torch.rand(2, 4) * 16, torch.rand(2, 2, height // 4, width // 4))
    assert drawn.shape == (2, height // 4, width // 4)
    assert drawn.isfinite().all()


def test_draws_whom_it_is_told(example: torch.Tensor, people: InstanceMasks, look: OutlineLook) -> None:
    for i, (box, mask) in enumerate(zip(people.boxes, people.masks, strict=True)):
        drawn = look(example, box, people.masks, i)
        assert drawn.shape == mask.shape
        assert drawn.min() >= 0
        assert drawn.max() <= 1
        assert iou(drawn > 0.5, mask > 0.5) > 0.9


def test_mends_a_rough_mask(example: torch.Tensor, people: InstanceMasks, look: OutlineLook) -> None:
    """Of a mask as coarse as 12 x 12 cells it makes the person's outline."""
    for i, mask in enumerate(people.masks):
        rough = people.masks.clone()
        cell = max(example.shape[1:]) // 24
        rough[i] = torch.nn.functional.avg_pool2d(mask[None], 2 * cell + 1, 1, cell)[0]
        drawn = look(example, people.boxes[i], rough, i)
        assert iou(drawn > 0.5, mask > 0.5) > iou(rough[i] > 0.5, mask > 0.5)


def test_what_the_network_is_told() -> None:
    """Box and masks as they are in the square round the box, enlarged to 448 px."""
    look, told = OutlineLook(torch.device("cpu")), []

    def draw(images: torch.Tensor, boxes: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        told.append((images, boxes, masks))
        return torch.full((1, 112, 112), 9.0)

    look.network = draw  # type: ignore[assignment]
    own, other = torch.zeros(300, 400), torch.zeros(300, 400)
    own[100:180, 100:180], other[:, 200:] = 1, 1
    drawn = look(torch.rand(3, 300, 400), torch.tensor([100.0, 100, 180, 180]), (other, own), 1)
    (((images, boxes, masks)),) = told
    assert images.shape == (1, 3, 448, 448)
    torch.testing.assert_close(boxes, torch.tensor([[64.0, 64, 384, 384]]), atol=8, rtol=0)  # of a square of 112 px from 84, 84 on
    assert masks.shape == (1, 2, 112, 112)
    assert masks[0, 0, 20:92, 20:92].min() > 0.9
    assert masks[0, 0].mean() < 0.6
    assert not masks[0, 1].any()
    assert drawn[100:180, 100:180].min() > 0.99
    assert not drawn[:80].any()
