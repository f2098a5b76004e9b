"""The whole of Mask R-CNN against a literal second version, with random weights."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from instmatt_core.detect.mask_rcnn import MaskRcnn
from instmatt_core.detect.mask_rcnn.detector import MEAN_BGR, prepare, working_size
from instmatt_core.detect.mask_rcnn.inference import classify, propose, segment
from instmatt_core.detect.mask_rcnn.network import Network, build, fold_norms
from instmatt_core.errors import WeightsError
from instmatt_core.image import to_uint8

from . import literal
from .random_weights import random_state


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return random_state()


def test_state_dict_is_detectron2s(state: dict[str, torch.Tensor]) -> None:
    assert len(state) == 307
    norms = sum(value.numel() for key, value in state.items() if ".norm." in key)  # fixed, so no parameters
    assert sum(value.numel() for value in state.values()) - norms == 44_343_216
    assert state["roi_heads.box_head.fc1.weight"].shape == (1024, 12544)
    assert state["roi_heads.box_predictor.bbox_pred.weight"].shape == (320, 1024)
    assert "backbone.bottom_up.res5.0.shortcut.norm.running_var" in state
    with pytest.raises(WeightsError, match=r"missing backbone\.fpn_lateral2\.bias"):
        build({key: value for key, value in state.items() if key != "backbone.fpn_lateral2.bias"})


@torch.inference_mode()
def test_same_detections_as_the_literal_version(state: dict[str, torch.Tensor]) -> None:
    size = (90, 120)  # of 96 x 128: the padding holds no boxes
    state = {key: value.double() for key, value in state.items()}
    x = torch.zeros(1, 3, 96, 128, dtype=torch.float64)
    x[:, :, : size[0], : size[1]] = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 60
    network = Network().double()
    network.load_state_dict(state)
    fold_norms(network)

    levels, expected_levels = network.backbone(x), literal.features(state, x)
    assert [level.shape[2:] for level in levels] == [(24, 32), (12, 16), (6, 8), (3, 4), (2, 2)]
    for level, expected in zip(levels, expected_levels, strict=True):
        torch.testing.assert_close(level, expected)
    found = classify(network, levels, propose(network, levels, size), size)
    boxes, scores, classes = literal.detections(state, expected_levels, size)
    assert len(classes) > 5
    assert len(set(classes)) > 1
    assert found.classes.tolist() == classes
    torch.testing.assert_close(found.scores, torch.tensor(scores, dtype=torch.float64), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.boxes, torch.tensor(boxes, dtype=torch.float64), rtol=0, atol=1e-3)
    masks = segment(network, levels, found)
    for mask, box, which in list(zip(masks, boxes, classes, strict=True))[:8]:
        torch.testing.assert_close(mask, literal.mask(state, expected_levels, box, which), rtol=0, atol=1e-4)


def test_people_come_out_in_the_pictures_size(state: dict[str, torch.Tensor], example: torch.Tensor) -> None:
    towards_people = dict(state)
    towards_people["roi_heads.box_predictor.cls_score.bias"] = torch.zeros(81).index_fill(0, torch.tensor(0), 100.0)
    detector = MaskRcnn(towards_people, max_people=4)
    shares: list[float] = []
    found = detector(example, shares.append)
    assert 0 < len(found) <= 4
    assert found.size == tuple(example.shape[1:])
    assert set(found.masks.unique().tolist()) == {0.0, 1.0}
    assert found.scores.min() > 0.7
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    towards_people["roi_heads.box_predictor.cls_score.bias"] = torch.zeros(81).index_fill(0, torch.tensor(1), 100.0)
    assert len(MaskRcnn(towards_people)(example)) == 0  # full of bicycles


def test_prepare(example: torch.Tensor) -> None:
    picture = example[:, :301, :500]
    x, size = prepare(picture)
    assert size == (800, 1329)
    assert x.shape == (1, 3, 800, 1344)
    small = Image.fromarray(to_uint8(picture)).resize((1329, 800), Image.Resampling.BILINEAR)
    red, green, blue = small.getpixel((700, 300))
    expected = torch.tensor([blue, green, red]) - torch.tensor(MEAN_BGR)
    torch.testing.assert_close(x[0, :, 300, 700], expected)
    assert (x[..., 1329:] == 0).all()


@pytest.mark.parametrize(
    ("size", "expected"), [((480, 640), (800, 1067)), ((640, 480), (1067, 800)), ((400, 1000), (533, 1333)), ((4000, 3000), (1067, 800))]
)
def test_working_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert working_size(*size) == expected
