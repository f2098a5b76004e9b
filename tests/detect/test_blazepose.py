"""BlazePose: equal to the published files' behaviour, and good on real photographs."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from instmatt_core import convolution
from instmatt_core.detect.blazepose import BlazePose
from instmatt_core.detect.blazepose.crops import apply, paste, person_matrix, pyramid, sample, search_squares
from instmatt_core.detect.blazepose.detector import Candidate, Person, average_alike, compete, merge_views
from instmatt_core.detect.blazepose.networks import PoseLandmarks
from instmatt_core.image import read_image


def test_example_has_two_people(blazepose: BlazePose, example: torch.Tensor) -> None:
    people = blazepose(example)
    assert len(people) == 2
    assert people.boxes[0, 0] < people.boxes[1, 0]
    assert people.heads is not None
    for mask, head in zip(people.masks, people.heads, strict=True):
        assert mask[int(head[1]), int(head[0])] > 0.9
    assert people.masks.sum(0).max() <= 1 + 1e-5


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (64, 64)])
def test_nobody_is_a_normal_answer(blazepose: BlazePose, size: tuple[int, int]) -> None:
    people = blazepose(torch.full((3, *size), 0.5))
    assert len(people) == 0
    assert people.size == size


@pytest.mark.parametrize(("name", "least"), [("2011_000003", [0.94, 0.85]), ("2011_000006", [0.62, 0.65, 0.82])])
def test_photographs(blazepose: BlazePose, photos: Path, name: str, least: list[float]) -> None:
    image = read_image(photos / f"{name}.jpg")
    masks = [m.numpy() > 0.5 for m in blazepose(image).masks]
    ious = [max((m & truth).sum() / (m | truth).sum() for m in masks) for truth in polygons(photos / f"{name}.json", image.shape[1:])]
    assert all(iou >= bound for iou, bound in zip(ious, least, strict=False)), ious


def polygons(path: Path, size: tuple[int, ...]) -> list[np.ndarray]:
    """Masks of the people in a labelme file; shapes of one group are one person."""
    people: dict[object, np.ndarray] = {}
    for index, shape in enumerate(json.loads(path.read_text())["shapes"]):
        if shape["label"] == "person":
            key = index if shape["group_id"] is None else f"group {shape['group_id']}"
            mask = people.setdefault(key, np.zeros(size, np.uint8))
            cv2.fillPoly(mask, [np.array(shape["points"]).round().astype(np.int32)], 1)
    return [mask.astype(bool) for mask in people.values()]


def test_crop_and_paste_are_inverse() -> None:
    picture = np.zeros((400, 300, 3), np.uint8)
    cv2.circle(picture, (150, 220), 60, (255, 255, 255), -1)
    matrix = person_matrix(np.array([150.0, 220.0]), np.array([190.0, 140.0]))
    crop = sample(pyramid(picture), matrix, 256)
    back = paste(np.where(crop[..., 0] > 127, 20.0, -20.0), matrix, 400, 300)
    assert np.abs(back - picture[..., 0] / 255).mean() < 0.01
    top = apply(matrix, np.array([[127.5, 127.5 - 128 / 1.25]]))
    np.testing.assert_allclose(top, [[190, 140]], atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 375), (100, 1000), (64, 64)])
def test_squares_cover_the_picture(height: int, width: int) -> None:
    seen = np.zeros((height, width), bool)
    squares = search_squares(height, width)
    for x, y, side in squares[1:]:
        seen[max(0, int(y)) : int(np.ceil(y + side)), max(0, int(x)) : int(np.ceil(x + side))] = True
    assert seen.all()


def test_alike_candidates_are_averaged() -> None:
    a = Candidate(0.9, np.array([50.0, 50]), np.array([50.0, 10]))
    b = Candidate(0.3, np.array([54.0, 50]), np.array([50.0, 10]))
    near = Candidate(0.5, np.array([60.0, 50]), np.array([60.0, 10]))  # somebody else, a quarter of a radius away
    kept = average_alike([near, b, a])
    assert [c.score for c in kept] == [0.9, 0.5]
    np.testing.assert_allclose(kept[0].centre, [51, 50])


def person(score: float, columns: slice, value: float = 1.0) -> Person:
    mask = np.zeros((10, 40), np.float32)
    mask[:, columns] = value
    return Person(score, mask, np.full((39, 2), score))


def test_views_of_one_person_are_averaged_and_fragments_dropped() -> None:
    merged = merge_views(
        [person(0.25, slice(0, 20), 0.8), person(0.75, slice(0, 20)), person(0.2, slice(2, 6)), person(0.5, slice(22, 40))]
    )
    assert [p.score for p in merged] == [0.75, 0.5]
    np.testing.assert_allclose(merged[0].mask[0, :20], 0.9, atol=1e-6)  # both are as steady as can be, and so count alike
    np.testing.assert_allclose(merged[0].landmarks, 0.5)


def test_faint_views_are_averaged_all_the_same() -> None:
    """Masks that are nowhere sure have no steadiness to weigh by."""
    [merged] = merge_views([person(0.5, slice(0, 20), 0.6), person(0.4, slice(0, 20), 0.7)])
    assert np.isfinite(merged.landmarks).all()
    assert merged.mask.max() == pytest.approx(0.65)


def test_the_steadier_view_decides() -> None:
    vague = person(0.9, slice(0, 18))
    vague.mask[:, 18:24] = 0.4
    [merged] = merge_views([vague, person(0.4, slice(0, 20))])
    assert merged.score == 0.9
    np.testing.assert_allclose(merged.mask[0, :24], [1.0] * 20 + [0.0] * 4, atol=1e-3)


def test_fused_convolutions_equal_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, crop = PoseLandmarks().eval(), torch.rand(1, 3, 256, 256)
    with torch.inference_mode():
        fused = network(crop)
        monkeypatch.setattr(convolution, "_onednn", frozenset)
        plain = network(crop)
    for a, b in zip(fused, plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_competition_leaves_the_winner() -> None:
    result = compete(torch.tensor([[[0.9, 0.2]], [[0.8, 0.4]]]))
    torch.testing.assert_close(result, torch.tensor([[[0.9, 0.2]], [[0.1, 0.4]]]))
