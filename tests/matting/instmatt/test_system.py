"""InstMatt as a matting step: what it promises beside being equal to the authors'."""

from __future__ import annotations

import pytest
import torch
from instmatt_straightforward import straightforward
from torch import Tensor

from instmatt_core.errors import Cancelled, GuidanceError, UsageError, WeightsError
from instmatt_core.guidance import sharpen, tri_masks
from instmatt_core.instances import InstanceMasks, share
from instmatt_core.matting.instmatt import InstMatt, system
from instmatt_core.matting.instmatt.network import build
from instmatt_core.matting.instmatt.shelf import FileMap, Shelf
from instmatt_core.matting.instmatt.system import ROWS, settled, strip_rows
from instmatt_core.windows import mask_boxes


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
    torch.testing.assert_close(share(settled(refined)), whole)


def test_what_is_decided_is_exactly_so() -> None:
    alphas = torch.tensor([0, 0.003, 0.004, 0.5, 0.996, 0.997, 1])
    assert settled(alphas).tolist() == pytest.approx([0, 0, 0.004, 0.5, 0.996, 1, 1])


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


@pytest.fixture(scope="module")
def crowd() -> tuple[Tensor, InstanceMasks]:
    """A picture larger than one window ``(3, 180, 380)``, and three people in it."""
    coarse = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(1))
    masks = torch.zeros(3, 180, 380)
    masks[0, 30:170, 20:110] = 1
    masks[1, 40:180, 140:240] = 1
    masks[2, 20:160, 270:360] = 1
    image = torch.nn.functional.interpolate(coarse, size=(180, 380), mode="bicubic")[0].clamp(0, 1)
    return image, InstanceMasks(masks, mask_boxes(masks), torch.ones(3))


@pytest.fixture
def everybody_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up weights call most people duplicates."""
    monkeypatch.setattr(system, "duplicates", lambda targets: torch.zeros(len(targets), dtype=torch.bool))


@pytest.mark.usefixtures("everybody_counts")
@pytest.mark.parametrize("compat", ["default", "paper"])
def test_shortcuts_do_not_change_the_answer(state: dict[str, Tensor], crowd: tuple[Tensor, InstanceMasks], compat: str) -> None:
    confident = {key: 8 * value if key.startswith("decoder.refine_OS") and ".3." in key else value for key, value in state.items()}
    fast, plain = InstMatt(confident, compat=compat)(*crowd), straightforward(build(confident), *crowd, compat)
    plain = settled(plain) if compat == "default" else plain
    levels = ((fast - plain) * 255).abs()
    assert (levels <= 1).float().mean() > 0.999
    assert levels.mean() < 0.005


def test_the_full_size_step_runs_where_it_is_needed(instmatt: InstMatt, paper: InstMatt) -> None:
    unknown = torch.zeros(2, 320, 640, dtype=torch.bool)
    unknown[1, 100:110, 50:60] = True
    covered = {}
    for name, system_ in (("default", instmatt), ("paper", paper)):
        covered[name] = torch.zeros(320, 640, dtype=torch.bool)
        for area in system_._areas(unknown, 128):
            covered[name][area.index] = True
    assert covered["paper"].all()
    assert covered["default"][80:130, 30:80].all()
    assert not covered["default"][:, 120:].any()


@pytest.mark.usefixtures("everybody_counts")
def test_seams_do_not_show(state: dict[str, Tensor], instmatt: InstMatt, crowd: tuple[Tensor, InstanceMasks]) -> None:
    """With no memory to speak of, the picture is made in the smallest strips and everything waits in files: the same mattes."""
    frugal = InstMatt(state, memory_mb=1)
    made = frugal.tri_matte(crowd[0], tri_masks(crowd[1]))
    assert all(isinstance(f, FileMap) for f in made.features)
    assert ((frugal(*crowd) - instmatt(*crowd)).abs() < 1 / 255).float().mean() == 1


def test_waiting_maps_stay_within_their_room() -> None:
    shelf = Shelf(4 * 8 * 100 * 2.5, torch.device("cpu"))
    maps = [shelf.new(8, (10, 10)) for _ in range(6)]
    assert [isinstance(m, FileMap) for m in maps] == [False, False, True, True, True, True]


def test_a_map_in_a_file_is_a_map() -> None:
    generator = torch.Generator().manual_seed(0)
    tensor, file = torch.zeros(4, 20, 30), FileMap(4, (20, 30), torch.device("cpu"))
    for rows, columns in ((slice(0, 20), slice(3, 9)), (slice(5, 8), slice(0, 30))):
        values = torch.rand(4, rows.stop - rows.start, columns.stop - columns.start, generator=generator)
        tensor[..., rows, columns] = values
        file[..., rows, columns] = values
    for where in ((..., slice(0, 20), slice(0, 30)), (..., slice(4, 19), slice(2, 11))):
        assert torch.equal(file[where], tensor[where])


@pytest.mark.parametrize("size", [(928, 1344), (96, 96), (6000, 8000), (160, 99968)])
def test_strips_fit_the_budget(size: tuple[int, int]) -> None:
    for budget in (1e6, 1e8, 1e9):
        rows = strip_rows(size, budget)
        assert rows % 32 == 0
        assert ROWS[0] <= rows <= ROWS[1]
        assert rows == ROWS[0] or rows * size[1] * system.FULL_BYTES <= 1.2 * budget + 32 * size[1] * system.FULL_BYTES
