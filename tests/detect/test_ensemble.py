"""The people detector and BlazePose together."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.detect.ensemble import BLAZEPOSE_SHARE, Ensemble, together
from instmatt_core.image import resize
from instmatt_core.instances import InstanceMasks, mask_boxes


def found(*masks: torch.Tensor, heads: bool = False) -> InstanceMasks:
    stacked = torch.stack(masks)
    return InstanceMasks(stacked, mask_boxes(stacked), torch.ones(len(masks)), torch.full((len(masks), 3), 7.0) if heads else None)


def block(x0: int, x1: int, value: float = 1.0) -> torch.Tensor:
    mask = torch.zeros(40, 80)
    mask[4:36, x0:x1] = value
    return mask


def test_the_same_person_is_averaged_and_nobody_is_added() -> None:
    result = together(found(block(4, 24), block(40, 60)), found(block(6, 24), block(64, 78), heads=True))
    assert len(result) == 2
    assert float(result.masks[0, 10, 5]) == pytest.approx(1 - BLAZEPOSE_SHARE / 2)  # equally steady
    assert result.masks[0, 10, 10] == 1
    assert torch.equal(result.masks[1], block(40, 60))
    assert result.heads is not None
    assert torch.isfinite(result.heads).all(1).tolist() == [True, False]


def test_the_steadier_mask_weighs_more() -> None:
    faint = block(4, 24) * 0.6
    steady = together(found(faint), found(block(4, 24)))
    unsure = together(found(block(4, 24)), found(faint))
    torch.testing.assert_close(steady.masks[0], faint.lerp(block(4, 24), BLAZEPOSE_SHARE))
    torch.testing.assert_close(unsure.masks[0], block(4, 24))


def test_people_stay_apart_and_keep_their_order() -> None:
    people = found(block(30, 60), block(4, 30))
    result = together(people, found(block(26, 60), block(4, 34)))
    assert (result.masks.sum(0) <= 1.0001).all()
    assert result.boxes[0, 0] < result.boxes[1, 0]


def test_two_people(example: torch.Tensor) -> None:
    people = Ensemble()(example)
    assert len(people) == 2
    assert people.masks.shape[1:] == example.shape[1:]
    assert people.heads is not None
    assert torch.isfinite(people.heads).all()
    assert (people.heads[:, :2] > people.boxes[:, :2]).all()
    assert (people.heads[:, :2] < people.boxes[:, 2:]).all()
    assert (people.masks.sum(0) <= 1.0001).all()


def test_blazepose_does_not_look_for_small_people(example: torch.Tensor) -> None:
    picture = torch.full((3, 640, 960), 0.4)
    picture[:, 200:280, 300:420] = resize(example, (80, 120))
    people = Ensemble()(picture)
    assert len(people) == 2
    assert people.heads is None


def test_nobody() -> None:
    people = Ensemble()(torch.zeros(3, 90, 200))
    assert len(people) == 0
    assert people.masks.shape == (0, 90, 200)


def test_networks_move_together() -> None:
    ensemble = Ensemble()
    ensemble.networks.to("meta")
    ensemble.device = torch.device("meta")
    assert ensemble.people.device == ensemble.blazepose.device == torch.device("meta")
    assert all(p.is_meta for p in ensemble.people.closer.network.parameters())
    assert next(ensemble.blazepose.landmarks.parameters()).is_meta


def test_no_more_than_asked_for(example: torch.Tensor) -> None:
    detector = Ensemble(max_people=1)
    assert len(detector(example)) == 1
    detector.max_people = 2
    assert len(detector(example)) == 2
