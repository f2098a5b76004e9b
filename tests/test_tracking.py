"""People keep their numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instmatt_core.errors import GuidanceError
from instmatt_core.instances import InstanceMasks
from instmatt_core.tracking import track


def frame(*lefts: int, size: tuple[int, int] = (40, 120)) -> InstanceMasks:
    """People 20 px wide at these columns, in the order given (a detector would give them left to right)."""
    masks = torch.zeros(len(lefts), *size)
    for mask, left in zip(masks, lefts, strict=True):
        mask[5:35, left : left + 20] = 1
    boxes = torch.tensor([[left, 5, left + 20, 35] for left in lefts], dtype=torch.float32).reshape(-1, 4)
    return InstanceMasks(masks, boxes, torch.ones(len(lefts)))


def lefts(people: InstanceMasks) -> list[int | None]:
    return [int(box[0]) if score > 0 else None for box, score in zip(people.boxes, people.scores, strict=True)]


def test_people_who_pass_each_other_keep_their_numbers() -> None:
    found = track([frame(0, 60), frame(6, 54), frame(12, 48)])
    assert [lefts(f) for f in found] == [[0, 60], [6, 54], [12, 48]]


def test_order_within_a_frame_does_not_matter() -> None:
    found = track([frame(0, 60), frame(62, 3)])
    assert lefts(found[1]) == [3, 62]
    torch.testing.assert_close(found[1].masks[0], frame(3).masks[0])


def test_short_absence() -> None:
    found = track([frame(0, 60), frame(0), frame(0), frame(0, 62)], memory=2)
    assert [lefts(f) for f in found] == [[0, 60], [0, None], [0, None], [0, 62]]
    assert not found[1].masks[1].any()
    assert torch.isnan(found[1].heads[1]).all()  # type: ignore[index]


def test_long_absence_makes_another_person() -> None:
    found = track([frame(0, 60), frame(0), frame(0), frame(0, 60)], memory=1)
    assert lefts(found[3]) == [0, None, 60]


def test_who_appears_elsewhere_is_somebody_else() -> None:
    assert lefts(track([frame(0), frame(60)])[1]) == [None, 60]


def test_a_weak_overlap_takes_nobodys_place() -> None:
    # 0 and 20 overlap the old one at 10 equally little; only the limit decides
    assert lefts(track([frame(10), frame(21)], min_overlap=0.5)[1]) == [None, 21]
    assert lefts(track([frame(10), frame(21)], min_overlap=0.1)[1]) == [21]


def test_nobody() -> None:
    assert track([]) == []
    found = track([frame(), frame(5), frame()])
    assert [lefts(f) for f in found] == [[None], [5], [None]]
    assert [len(f) for f in track([frame(), frame()])] == [0, 0]


def test_frames_of_different_sizes_are_refused() -> None:
    with pytest.raises(GuidanceError, match="one size"):
        track([frame(0), frame(0, size=(50, 120))])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0, 25, 50, 75, 100]), unique=True, max_size=5), min_size=1, max_size=6))
def test_nobody_is_lost_or_doubled(places: list[list[int]]) -> None:
    found = track([frame(*p) for p in places])
    for people, p in zip(found, places, strict=True):
        assert sorted(left for left in lefts(people) if left is not None) == sorted(p)


def test_somebody_smaller_than_a_small_pixel_keeps_the_number() -> None:
    masks = torch.zeros(1, 720, 2560)
    masks[0, 300:304, 801:805] = 1
    frames = [InstanceMasks.from_masks(masks)] * 4
    assert [len(frame) for frame in track(frames)] == [1] * 4


def test_who_is_hardly_ever_seen_is_a_mistake() -> None:
    video = [frame(0, 60) if i in (3, 4) else frame(0) for i in range(12)]
    assert [lefts(f) for f in track(video)] == [[0]] * 12
    assert [len(f) for f in track(video, least_seen=2)] == [2] * 12
    assert [len(f) for f in track(video[2:7])] == [2] * 5  # two of five frames are not few
