"""SIM in the pipeline: what costs, what stays, what fits together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from instmatt_core.errors import GuidanceError, UsageError
from instmatt_core.instances import InstanceMasks
from instmatt_core.matting.sim import SIM, system
from instmatt_core.matting.sim.classifier import CLASSES
from instmatt_core.matting.sim.inference import FastClassifier, FastSIM
from instmatt_core.windows import mask_boxes


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sizes of what the matting network sees. It answers with the green channel, the classifier with nothing; neither runs."""
    sizes: list[tuple[int, int]] = []

    def forward(self: FastSIM, image: Tensor, known: Tensor, clicks: Tensor, semantics: Tensor) -> Tensor:
        sizes.append((image.shape[1], image.shape[2]))
        assert known.shape[1:] == clicks.shape[1:] == semantics.shape[1:] == image.shape[1:]
        return image[1]

    monkeypatch.setattr(FastSIM, "forward", forward)
    monkeypatch.setattr(FastClassifier, "forward", lambda self, x: torch.zeros(1, CLASSES, 1, 1))
    return sizes


def test_known_pixels_stay_and_unknown_ones_are_the_networks(sim: SIM, paper: SIM, small: Any) -> None:
    """Where the script has no accident to repeat, both ways are one."""
    image, trimap = small.image[:, :93, :117], small.trimap[:93, :117]
    alpha = sim.alpha(image, trimap)
    known = trimap != 0.5
    torch.testing.assert_close(alpha[known], trimap[known], atol=0, rtol=0)
    assert alpha[~known].std() > 0.1
    torch.testing.assert_close(alpha, paper.alpha(image, trimap), atol=0.51 / 255, rtol=0)


def test_cost_follows_the_unknown_region(sim: SIM, seen: list[tuple[int, int]]) -> None:
    trimap = torch.zeros(1000, 1500)
    trimap[500:600, 700:800] = 0.5
    trimap[540:560, 740:760] = 1
    image = torch.rand(3, 1000, 1500)
    alpha = sim.alpha(image, trimap)
    assert seen == [(232, 232)]  # 100 px, 64 px on either side, a multiple of 8
    torch.testing.assert_close(alpha, torch.where(trimap == 0.5, image[1], trimap))


def test_pieces_give_the_whole(sim: SIM, seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim, "memory_mb", 1)
    y, x = torch.arange(700)[:, None], torch.arange(900)
    radius = ((y - 350) ** 2 + (x - 450) ** 2).sqrt()
    trimap = torch.where((radius - 300).abs() < 20, 0.5, (radius < 300).float())
    image = torch.rand(3, 700, 900)
    alpha = sim.alpha(image, trimap)
    assert len(seen) > 4
    assert max(max(size) for size in seen) <= system.LEAST_SIDE
    assert sum(h * w for h, w in seen) < 3 * 700 * 900
    torch.testing.assert_close(alpha, torch.where(trimap == 0.5, image[1], trimap))


def test_memory_bounds_what_is_seen_at_once() -> None:
    assert system.largest_side(1) == system.LEAST_SIDE
    assert 900 < system.largest_side(1000) < 1100
    assert system.largest_side(4000) > 2000


def test_mattes_of_people(sim: SIM, seen: list[tuple[int, int]]) -> None:
    masks = torch.zeros(2, 120, 160)
    masks[0, 20:100, 10:80] = 1
    masks[1, 30:110, 70:150] = 1
    shares: list[float] = []
    alphas = sim(torch.ones(3, 120, 160), InstanceMasks(masks, mask_boxes(masks), torch.ones(2)), shares.append)
    assert alphas.shape == (2, 120, 160)
    assert alphas.sum(0).max() <= 1 + 1e-6
    assert alphas[:, 60, [30, 130]].tolist() == [[1, 0], [0, 1]]
    assert shares == [0.5, 1]
    assert sim(torch.ones(3, 8, 8), InstanceMasks(torch.zeros(0, 8, 8), torch.zeros(0, 4), torch.zeros(0))).shape == (0, 8, 8)


@pytest.mark.parametrize("compat", ["default", "paper"])
def test_nothing_unknown_and_nothing_known(state: dict[str, Tensor], classifier_state: dict[str, Tensor], compat: str) -> None:
    sim = SIM(state, classifier_state, compat=compat)
    image, trimap = torch.rand(3, 40, 48), torch.zeros(40, 48)
    trimap[:, :20] = 1
    assert torch.equal(sim.alpha(image, trimap), trimap)
    assert sim.alpha(image, torch.full((40, 48), 0.5)).isfinite().all()


def test_bfloat16_is_about_the_same(sim: SIM, state: dict[str, Tensor], classifier_state: dict[str, Tensor], small: Any) -> None:
    fast = SIM(state, classifier_state, precision="bfloat16").alpha(small.image, small.trimap)
    exact = sim.alpha(small.image, small.trimap)
    assert not torch.equal(fast, exact)
    assert (fast - exact).abs().mean() < 0.02


def test_what_makes_no_sense_is_refused(sim: SIM, state: dict[str, Tensor], classifier_state: dict[str, Tensor]) -> None:
    with pytest.raises(GuidanceError, match=r"the trimap is \(8, 9\), the picture is \(8, 8\)"):
        sim.alpha(torch.rand(3, 8, 8), torch.zeros(8, 9))
    with pytest.raises(GuidanceError, match="nothing but 0"):
        sim.alpha(torch.rand(3, 8, 8), torch.full((8, 8), 128 / 255))
    with pytest.raises(UsageError, match="compat is one of"):
        SIM(state, classifier_state, compat="strict")
