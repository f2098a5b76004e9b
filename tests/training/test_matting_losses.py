"""Losses of matting, against literal versions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from instmatt_core.training import losses


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 64, 64, generator=generator), torch.rand(2, 3, 64, 64, generator=generator)


def test_l1(pair: tuple[Tensor, Tensor]) -> None:
    p, t = (x.numpy() for x in pair)
    assert float(losses.l1(*pair)) == pytest.approx(float(np.abs(p - t).mean()))


def test_laplacian(pair: tuple[Tensor, Tensor]) -> None:
    """Each plane's pyramid by OpenCV, predicted and true apart."""

    def pyramid(plane: np.ndarray) -> list[np.ndarray]:
        levels = []
        for _ in range(5):
            line = np.array([1, 4, 6, 4, 1]) / 16
            filtered = cv2.sepFilter2D(plane, -1, line, line, borderType=cv2.BORDER_REFLECT_101)
            smaller = filtered.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).mean((1, 3))
            levels.append(plane - cv2.resize(smaller, plane.shape[::-1], interpolation=cv2.INTER_LINEAR))
            plane = smaller
        return levels

    p, t = (x.numpy() for x in pair)
    expected = 0.0
    for level in range(5):
        differences = [
            np.abs(pyramid(a)[level] - pyramid(b)[level]) for a, b in zip(p.reshape(-1, 64, 64), t.reshape(-1, 64, 64), strict=True)
        ]
        expected += 2**level * float(np.mean(differences))
    assert float(losses.laplacian(*pair)) == pytest.approx(expected, rel=1e-5)


def test_composition(pair: tuple[Tensor, Tensor]) -> None:
    colours = torch.rand(2, 3, 3, 64, 64)
    pictures = [sum(x[:, c, None] * colours[:, c] for c in range(3)) for x in pair]
    expected = (pictures[0] - pictures[1]).abs().mean()  # type: ignore[operator]
    torch.testing.assert_close(losses.composition(*pair, colours), expected)


def test_sum_to_one(pair: tuple[Tensor, Tensor]) -> None:
    p = pair[0]
    torch.testing.assert_close(losses.sum_to_one(p), (p[:, 0] + p[:, 1] + p[:, 2] - 1).abs().mean())
    assert losses.sum_to_one(torch.softmax(p, 1)) < 1e-6


def test_over_scales(pair: tuple[Tensor, Tensor]) -> None:
    fine, true = pair
    four, eight, colours = torch.rand_like(fine), torch.rand_like(fine), torch.rand(2, 3, 3, 64, 64)
    made = losses.over_scales((fine, four, eight), true, colours)
    assert made.keys() == {"l1", "laplacian", "composition", "sum"}
    torch.testing.assert_close(
        made["l1"], ((2 * (fine - true)).abs().mean() + (four - true).abs().mean() + (eight - true).abs().mean()) / 5
    )
    torch.testing.assert_close(made["sum"], (2 * losses.sum_to_one(fine) + losses.sum_to_one(four) + losses.sum_to_one(eight)) / 5)


def test_every_loss_of_the_truth_is_zero(pair: tuple[Tensor, Tensor]) -> None:
    true = torch.softmax(pair[1], 1)
    for name, value in losses.tri_matte(true, true, torch.rand(2, 3, 3, 64, 64)).items():
        assert float(value) < 1e-6, name


def test_everyone_and_the_background_are_all_there_is() -> None:
    people = torch.rand(3, 3, 8, 8)
    total = people[0, 0] + people[1, 0] + people[2, 0] + (people[0, 2] + people[1, 2] + people[2, 2]) / 3
    torch.testing.assert_close(losses.everyone(people), (total - 1).abs().mean())


def test_refinement_is_the_mean_over_the_passes(pair: tuple[Tensor, Tensor]) -> None:
    made, true = pair
    colours = torch.rand(2, 3, 3, 64, 64)
    terms = losses.refinement((made, true), true, colours)
    assert terms.keys() == {"l1", "laplacian", "composition", "sum", "everyone"}
    torch.testing.assert_close(terms["laplacian"], losses.laplacian(made, true) / 2)
    torch.testing.assert_close(terms["everyone"], (losses.everyone(made) + losses.everyone(true)) / 2)
