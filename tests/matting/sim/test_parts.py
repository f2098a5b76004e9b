"""The parts that need no golden file: windows, pieces, distances, kernels, training."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from instmatt_core.errors import WeightsError
from instmatt_core.matting.sim.classifier import CLASSES, Classifier, build_classifier
from instmatt_core.matting.sim.clicks import click_maps, distances, known_pixels
from instmatt_core.matting.sim.decoder import StandardisedConv
from instmatt_core.matting.sim.network import SIMNetwork, build
from instmatt_core.matting.sim.pieces import fading, pieces
from instmatt_core.matting.sim.semantic_trimap import SemanticTrimap, spans


def test_networks_are_the_authors() -> None:
    assert len(Classifier().state_dict()) == 320
    assert sum(p.numel() for p in Classifier().parameters()) == 23_552_148
    assert len(SIMNetwork().state_dict()) == 410
    assert sum(p.numel() for p in SIMNetwork().parameters()) == 46_609_840
    with pytest.raises(WeightsError, match="missing decoder"):
        build({})
    with pytest.raises(WeightsError, match="missing fc"):
        build_classifier({})


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network = SIMNetwork().train()
    made = network(*(torch.rand(2, channels, 32, 40) for channels in (3, 2, 6, CLASSES)))
    (made.alpha.mean() + made.foreground.mean() + 2 * made.background.mean() + made.attention.square().mean()).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]


def test_standardised_kernels() -> None:
    torch.manual_seed(0)
    kernel = StandardisedConv(3, 8, 3).kernel()
    torch.testing.assert_close(kernel.mean((1, 2, 3)), torch.zeros(8), atol=1e-6, rtol=0)
    torch.testing.assert_close(kernel.std((1, 2, 3)), torch.ones(8), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("length", "side", "ours", "published"),
    [
        (840, 320, [(0, 320), (160, 480), (320, 640), (480, 800), (520, 840)], None),
        (320, 320, [(0, 320)], None),
        (504, 800, [(0, 504)], [(208, 504)]),
        (304, 320, [(0, 304)], [(288, 304)]),
        (104, 320, [(0, 104)], [(0, 104)]),
    ],
)
def test_windows_along_an_axis(length: int, side: int, ours: list[tuple[int, int]], published: list[tuple[int, int]] | None) -> None:
    assert [(s.start, s.stop) for s in spans(length, side)] == ours
    assert [(s.start, s.stop) for s in spans(length, side, as_published=True)] == (published or ours)


def test_semantic_trimap_in_parts_is_that_of_the_whole() -> None:
    asked: list[tuple[int, int]] = []

    def classify(x: Tensor) -> Tensor:
        asked.append((x.shape[2], x.shape[3]))
        return torch.randn(1, CLASSES, -(-x.shape[2] // 32), -(-x.shape[3] // 32), generator=torch.Generator().manual_seed(len(asked)))

    trimap = torch.zeros(360, 1100)
    trimap[40:300, 700:1000] = 0.5
    trimap[100:200, 800:900] = 1
    semantics = SemanticTrimap(classify, torch.rand(3, 360, 1100), trimap)  # type: ignore[arg-type]
    assert set(asked) == {(320, 320), (360, 800)}
    whole = semantics.at(slice(0, 360), slice(0, 1100))
    assert not whole[:, trimap != 0.5].any()
    assert 0 <= whole.min() <= whole.max() <= 1
    assert whole[:, trimap == 0.5].std() > 0.02
    for rows, columns in ((slice(0, 64), slice(680, 1016)), (slice(200, 360), slice(8, 720))):
        torch.testing.assert_close(semantics.at(rows, columns), whole[:, rows, columns])


def test_click_maps() -> None:
    trimap = torch.full((9, 60), 0.5)
    trimap[:, 0], trimap[4, 40] = 0, 1
    known = known_pixels(trimap)
    distance = distances(known)
    assert distance[0, 3, 30] == 30
    assert distance[1, 1, 36] == 5
    maps = click_maps(distance)
    assert maps.shape == (6, 9, 60)
    torch.testing.assert_close(maps[:3, 3, 30], torch.tensor([math.exp(-(30**2) / (2 * (s * 320) ** 2)) for s in (0.02, 0.08, 0.16)]))
    assert (maps[3:, 4, 40] == 1).all()
    assert not click_maps(distances(known_pixels(torch.full((4, 5), 0.5)))).any()  # nothing is known


@pytest.mark.parametrize(("length", "most"), [(100, 400), (400, 400), (401, 400), (2000, 400), (1137, 320)])
def test_pieces_cover_an_axis_and_fade(length: int, most: int) -> None:
    cut = pieces(length, most, 64)
    assert cut[0].start == 0
    assert cut[-1].stop == length
    assert max(p.stop - p.start for p in cut) <= most
    assert all(left.stop - right.start >= 63 for left, right in pairwise(cut))
    weights = torch.stack([fading(p, length, 64) for p in cut])
    assert weights.sum(0).min() > 0.9
    for piece, weight in zip(cut, weights, strict=True):
        outside = torch.ones(length, dtype=torch.bool)
        outside[piece] = False
        assert not weight[outside].any()
        assert weight.diff()[piece.start + 1 : piece.stop - 1].abs().max() < 1 / 32
