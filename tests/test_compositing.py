from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from instmatt_core.compositing import cutout, estimate_foreground, over, overlay
from instmatt_core.errors import ImageError
from instmatt_core.instances import InstanceMattes
from instmatt_core.windows import mask_boxes


def test_cutout_has_no_fringe() -> None:
    """A red person on green: under half alpha the picture is brown, the cut-out is red."""
    alpha = torch.zeros(60, 60)
    alpha[:, :25] = 1
    alpha[:, 25:35] = torch.linspace(1, 0, 10)
    red, green = torch.tensor([0.9, 0.1, 0.1])[:, None, None], torch.tensor([0.1, 0.8, 0.1])[:, None, None]
    image = over(red.expand(3, 60, 60), alpha, green.expand(3, 60, 60))
    rgba = cutout(image, alpha)
    soft = (alpha > 0.1) & (alpha < 0.9)
    assert (image[:, soft] - red[:, 0]).abs().mean() > 0.15
    assert (rgba[:3, soft] - red[:, 0]).abs().mean() < 0.05
    torch.testing.assert_close(rgba[3], alpha)


def test_colours_of_an_overlay_go_by_number() -> None:
    image, alphas = torch.rand(3, 60, 90), torch.zeros(2, 60, 90)
    alphas[0, 10:50, 5:40] = alphas[1, 10:50, 50:85] = 1
    both = InstanceMattes(alphas, mask_boxes(alphas), torch.ones(2))
    second = InstanceMattes(alphas[1:], both.boxes[1:], both.scores[1:])
    expected = overlay(image, both)
    assert torch.equal(overlay(image, both, [0, 1]), expected)
    assert torch.equal(overlay(image, second, [1])[:, :, 45:], expected[:, :, 45:])
    assert not torch.equal(overlay(image, second)[:, :, 45:], expected[:, :, 45:])


def test_overlay_of_nobody_is_the_dimmed_picture() -> None:
    image = torch.rand(3, 20, 30)
    empty = torch.zeros(0, 20, 30)
    result = overlay(image, InstanceMattes(empty, mask_boxes(empty), torch.zeros(0)))
    torch.testing.assert_close(result, image * 0.45, atol=0.003, rtol=0)


def test_a_single_pixel_is_its_own_foreground() -> None:
    image = torch.rand(3, 1, 1)
    torch.testing.assert_close(estimate_foreground(image, torch.full((1, 1), 0.5)), image)


def test_cutouts_in_several_threads_without_openmp() -> None:
    program = """
import threading, torch
from instmatt_core.compositing import cutout
image, alpha = torch.rand(3, 200, 200), torch.rand(200, 200)
threads = [threading.Thread(target=lambda: [cutout(image, alpha) for _ in range(20)]) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    environment = {**os.environ, "NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_sizes_that_do_not_fit_are_told() -> None:
    image, alpha, alphas = torch.rand(3, 20, 30), torch.rand(20, 30), torch.rand(2, 20, 30)
    for bad in (image[:, :10], image[:1], image.mul(255).byte(), image.expand(2, -1, -1, -1)):
        for compute in (
            lambda bad: estimate_foreground(bad, alpha),
            lambda bad: cutout(bad, alpha),
            lambda bad: over(bad, alpha, image),
            lambda bad: over(image, alpha, bad),
            lambda bad: overlay(bad, InstanceMattes(alphas, mask_boxes(alphas), torch.ones(2))),
        ):
            with pytest.raises(ImageError, match=r"must be float \(3, 20, 30\)"):
                compute(bad)
    for flat in (alpha[None], alpha > 0.5):
        with pytest.raises(ImageError, match="alpha must be float"):
            cutout(image, flat)


def test_over_a_colour() -> None:
    alpha, colour = torch.rand(20, 30), torch.rand(3, 1, 1)
    torch.testing.assert_close(over(torch.zeros(3, 20, 30), alpha, colour), (1 - alpha) * colour)
