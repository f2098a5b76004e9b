"""Who takes part in the refiner, and where it looks."""

from __future__ import annotations

import numpy as np
import torch

from instmatt_core.matting.instmatt.fusion import fuse, unknown
from instmatt_core.matting.instmatt.windows import choose, disagreement, duplicates, window_side


def boxes(*spans: tuple[int, int]) -> torch.Tensor:
    """People as upright bars in 40 x 100."""
    targets = torch.zeros(len(spans), 40, 100)
    for target, (start, end) in zip(targets, spans, strict=True):
        target[:, start:end] = 1
    return targets


def test_the_later_of_two_alike_is_a_duplicate() -> None:
    assert duplicates(boxes((0, 30), (2, 32), (60, 90))).tolist() == [False, True, False]


def test_one_who_overlaps_with_two_others_is_a_duplicate() -> None:
    assert duplicates(boxes((0, 40), (26, 68), (54, 94))).tolist() == [False, True, False]


def test_windows_sit_on_the_worst_places() -> None:
    error = np.zeros((400, 900), np.float32)
    error[100, 100], error[200, 700] = 0.5, 0.9
    assert choose(error, 320) == [(40, 540), (0, 0)]


def test_agreement_still_gives_one_window() -> None:
    assert len(choose(np.zeros((64, 64), np.float32), 64)) == 1


def test_disagreement() -> None:
    alphas = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]])[:, :, None, None]
    torch.testing.assert_close(disagreement(alphas), torch.tensor([[1 - 0.7 - 0.25]]))


def test_window_side() -> None:
    assert [window_side(k, (1000, 1000)) for k in (1, 8, 9, 14, 15)] == [320, 320, 256, 256, 128]
    assert window_side(2, (160, 1000)) == 160


def test_fusion_takes_the_finer_where_the_coarser_is_undecided() -> None:
    os8, os4, os1 = torch.zeros(1, 3, 60, 60), torch.full((1, 3, 60, 60), 0.25), torch.full((1, 3, 60, 60), 0.75)
    os8[:, 0, 30, 30] = 0.5
    fused, finest = fuse(os1, os4, os8)
    assert fused[0, 0, 30, 30] == 0.75
    assert fused[0, 0, 0, 0] == 0
    assert finest[0, 30, 30]
    assert not finest[0, 0, 0]


def test_unknown_is_an_ellipse_round_what_is_undecided() -> None:
    alphas = torch.zeros(1, 3, 31, 31)
    alphas[:, 1, 15, 15] = 0.5
    assert unknown(alphas, 30)[0, 15].sum() == 15
    assert unknown(alphas, 15)[0, 15].sum() == 7
    assert unknown(alphas, 30)[0].sum() < 15 * 15
