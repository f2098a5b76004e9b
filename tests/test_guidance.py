from __future__ import annotations

import torch

from instmatt_core.guidance import BACKGROUND, FOREGROUND, UNKNOWN, steepened, tri_masks, trimaps
from instmatt_core.instances import InstanceMasks


def two_people() -> InstanceMasks:
    masks = torch.zeros(2, 200, 300)
    masks[0, 40:190, 30:150] = 1
    masks[1, 40:190, 150:270] = 1
    return InstanceMasks.from_masks(masks)


def test_tri_masks_sum_to_one() -> None:
    people = InstanceMasks.from_masks(torch.rand(4, 20, 30))
    tri = tri_masks(people).tri
    torch.testing.assert_close(tri.sum(1), torch.ones(4, 20, 30))
    assert tri.min() >= 0
    assert len(tri_masks(InstanceMasks.from_masks(torch.zeros(0, 5, 5)))) == 0


def test_steepened_masks_are_unsure_where_somebody_is_torn() -> None:
    masks = torch.tensor([[[0.1, 0.3, 0.5, 0.8, 0.9]], [[0.0, 0.2, 0.4, 0.1, 0.8]]])
    expected = torch.tensor([[[0, 0.1, 0.5, 1, 0.5]], [[0, 0, 0.3, 0, 0.5]]])
    torch.testing.assert_close(steepened(masks), expected)


def test_trimap_bands() -> None:
    people = two_people()
    maps = trimaps(people)
    assert set(maps.unique().tolist()) == {BACKGROUND, UNKNOWN, FOREGROUND}
    assert maps[0, 120, 90] == FOREGROUND
    assert maps[0, 120, 210] == BACKGROUND  # the other's sure pixels
    assert maps[0, 120, 150] == maps[1, 120, 150] == UNKNOWN  # where they touch
    above_head, beside_feet = (maps[0, :40, 90] == UNKNOWN).sum(), (maps[0, 180, :30] == UNKNOWN).sum()
    assert above_head > 1.5 * beside_feet  # wider round the hair


def test_band_scales_with_the_person() -> None:
    small = InstanceMasks.from_masks(two_people().masks[:, ::4, ::4])
    big_band = (trimaps(two_people())[0, 180] == UNKNOWN).sum() / 300
    small_band = (trimaps(small)[0, 45] == UNKNOWN).sum() / 75
    assert abs(big_band - small_band) < 0.05
