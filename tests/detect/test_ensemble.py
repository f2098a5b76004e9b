"""The people detector, whose masks MobileSAM draws again."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.detect.ensemble import Ensemble
from instmatt_core.instances import InstanceMasks
from instmatt_core.windows import mask_boxes

NOTHING = torch.zeros(3, 40, 80)


def found(*masks: torch.Tensor) -> InstanceMasks:
    stacked = torch.stack(masks)
    return InstanceMasks(stacked, mask_boxes(stacked), torch.ones(len(masks)))


def block(x0: int, x1: int, value: float = 1.0) -> torch.Tensor:
    mask = torch.zeros(40, 80)
    mask[4:36, x0:x1] = value
    return mask


@pytest.fixture
def ensemble() -> Ensemble:
    return Ensemble()


def redrawn(ensemble: Ensemble, people: InstanceMasks, *outlines: torch.Tensor) -> InstanceMasks:
    """What it makes of ``people``, if these outlines are drawn of them."""
    ensemble.outline = lambda image, box, masks, whose: outlines[whose]  # type: ignore[assignment]
    return ensemble.redrawn(NOTHING, people, lambda done: None)


def test_masks_are_drawn_again(ensemble: Ensemble) -> None:
    result = redrawn(ensemble, found(block(4, 24), block(40, 60)), block(6, 24), block(40, 64))
    assert torch.equal(result.masks, torch.stack((block(6, 24), block(40, 64))))
    assert result.boxes[:, 2].tolist() == [24, 64]


def test_somebody_elses_outline_is_not_taken(ensemble: Ensemble) -> None:
    result = redrawn(ensemble, found(block(4, 24), block(40, 60)), block(4, 60), block(40, 60))
    assert torch.equal(result.masks[0], block(4, 24))


def test_people_stay_apart_and_keep_their_order(ensemble: Ensemble) -> None:
    result = redrawn(ensemble, found(block(30, 60), block(4, 30)), block(26, 60), block(4, 34))
    assert (result.masks.sum(0) <= 1.0001).all()
    assert result.boxes[0, 0] < result.boxes[1, 0]


def test_two_people(example: torch.Tensor) -> None:
    people = Ensemble()(example)
    assert len(people) == 2
    assert people.masks.shape[1:] == example.shape[1:]
    assert (people.masks.sum(0) <= 1.0001).all()


def test_nobody() -> None:
    people = Ensemble()(torch.zeros(3, 90, 200))
    assert len(people) == 0
    assert people.masks.shape == (0, 90, 200)


def test_networks_move_together() -> None:
    ensemble = Ensemble()
    ensemble.networks.to("meta")
    ensemble.device = torch.device("meta")
    assert ensemble.people.device == ensemble.outline.device == torch.device("meta")
    assert all(p.is_meta for p in ensemble.people.closer.network.parameters())
    assert all(p.is_meta for p in ensemble.outline.network.parameters())


def test_no_more_than_asked_for(example: torch.Tensor) -> None:
    detector = Ensemble(max_people=1)
    assert len(detector(example)) == 1
    detector.max_people = 2
    assert len(detector(example)) == 2
