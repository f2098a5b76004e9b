"""InstMatt as a matting step: what it promises beside being equal to the authors'."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from instmatt_core.errors import Cancelled, GuidanceError, UsageError, WeightsError
from instmatt_core.guidance import tri_masks
from instmatt_core.instances import InstanceMasks, mask_boxes
from instmatt_core.matting.instmatt import InstMatt
from instmatt_core.matting.instmatt.system import sharpen
from instmatt_core.matting.instmatt.tiles import fade, plan, stitch


def test_alphas_share_each_pixel(instmatt: InstMatt, picture: Tensor, two: InstanceMasks) -> None:
    alphas = instmatt(picture, two)
    assert alphas.shape == two.masks.shape
    assert alphas.sum(0).max() <= 1 + 1e-5
    assert ((alphas > 0.05) & (alphas < 0.95)).any()


def test_nobody(instmatt: InstMatt, picture: Tensor) -> None:
    nobody = InstanceMasks(torch.zeros(0, 70, 90), torch.zeros(0, 4), torch.zeros(0))
    assert instmatt(picture, nobody).shape == (0, 70, 90)


def test_the_chain_is_the_whole(instmatt: InstMatt, picture: Tensor, two: InstanceMasks) -> None:
    made = instmatt.tri_matte(picture, tri_masks(two))
    assert made.targets.shape == (2, 70, 90)
    refined = instmatt.refine(made)
    assert not torch.equal(refined, made.targets)
    whole = instmatt(picture, two)
    torch.testing.assert_close(refined / refined.sum(0).clamp(min=1), whole)


def test_mattes_from_elsewhere_are_refined(instmatt: InstMatt, picture: Tensor, two: InstanceMasks) -> None:
    made = instmatt.tri_matte(picture, tri_masks(two))
    soft = 0.8 * two.masks
    refined = instmatt.refine(made, soft)
    assert refined.shape == soft.shape
    assert not torch.equal(refined, soft)
    assert not torch.equal(refined, instmatt.refine(made))
    with pytest.raises(GuidanceError, match="the mattes are"):
        instmatt.refine(made, soft[:1])


def test_paper_truncates_and_the_default_does_not(paper: InstMatt, instmatt: InstMatt, picture: Tensor, two: InstanceMasks) -> None:
    levels = paper(picture, two) * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    ours = instmatt(picture, two) * 255
    assert (ours - ours.round()).abs().max() > 0.1


def test_sharpened_masks_are_nobodys_or_one_persons() -> None:
    masks = torch.tensor([[[0.9, 0.6, 0.2]], [[0.8, 0.7, 0.3]]])
    sharp = sharpen(InstanceMasks(masks, mask_boxes(masks), torch.ones(2)))
    assert sharp.masks.tolist() == [[[1, 0, 0]], [[0, 1, 0]]]


def test_progress_rises_and_cancels(instmatt: InstMatt, picture: Tensor, two: InstanceMasks) -> None:
    seen: list[float] = []
    instmatt(picture, two, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1

    def stop(share: float) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        instmatt(picture, two, stop)


def test_wrong_use_is_explained(state: dict[str, Tensor], instmatt: InstMatt, picture: Tensor, two: InstanceMasks) -> None:
    with pytest.raises(UsageError, match="compat is one of default, paper"):
        InstMatt(state, compat="parity")
    with pytest.raises(UsageError, match="precision is one of"):
        InstMatt(state, precision="int8")
    with pytest.raises(GuidanceError, match="the picture is"):
        instmatt(picture[:, :60], two)
    spoiled = {key: value for key, value in state.items() if key != "refiner.head.bias"}
    with pytest.raises(WeightsError, match=r"missing refiner\.head\.bias"):
        InstMatt(spoiled)


def test_lower_precision_changes_little(state: dict[str, Tensor], instmatt: InstMatt, picture: Tensor, two: InstanceMasks) -> None:
    coarse = InstMatt(state, precision="bfloat16")(picture, two)
    difference = (coarse - instmatt(picture, two)).abs()
    assert 0 < difference.mean() < 0.05


@pytest.mark.parametrize(("size", "count"), [((853, 1280), 4), ((3000, 4000), 3), ((700, 5000), 20), ((40, 50), 1)])
def test_tiles_fit_the_budget_and_cover_the_picture(size: tuple[int, int], count: int) -> None:
    tiles = plan(size, count, 1500)
    weights = torch.zeros(size)
    for tile in tiles:
        assert (tile[0].stop - tile[0].start + 64) * (tile[1].stop - tile[1].start + 64) * (700 + 200 * count) <= 1500e6
        weights[tile] += fade(tile, size)
    assert weights.min() > 0


def test_seams_do_not_show() -> None:
    """Tiles that disagree by a constant fade into each other by less than 1/255 from one pixel to the next."""
    image, guides = torch.zeros(3, 600, 1400), torch.ones(1, 3, 600, 1400)
    tiles = plan((600, 1400), 1, 600)
    assert len(tiles) > 1
    values = iter([0.2, 0.7, 0.3, 0.6, 0.4, 0.5] * 9)

    def matte(part: Tensor, guide: Tensor, progress: object) -> Tensor:
        return torch.full((len(guide), *part.shape[1:]), next(values))

    alphas = stitch(image, guides, tiles, matte, lambda share: None)
    assert alphas.min() >= 0.2
    assert alphas.diff(dim=1).abs().max() < 1 / 255
    assert alphas.diff(dim=2).abs().max() < 1 / 255


def test_tiles_without_anyone_are_skipped() -> None:
    image, guides = torch.zeros(3, 600, 3000), torch.zeros(1, 3, 600, 3000)
    guides[:, 0, :, :100] = 1
    tiles = plan((600, 3000), 1, 600)
    seen = []

    def matte(part: Tensor, guide: Tensor, progress: object) -> Tensor:
        seen.append(part.shape)
        return guide[:, 0]

    alphas = stitch(image, guides, tiles, matte, lambda share: None)
    assert len(seen) == 1
    torch.testing.assert_close(alphas, guides[:, 0])
