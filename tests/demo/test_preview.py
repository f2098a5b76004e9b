"""What is drawn anew at every click."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

import gradio as gr
from instmatt_demo.matte_tab import plain
from instmatt_demo.preview import Preview

from instmatt_core.layers import cover


@pytest.fixture
def two() -> Preview:
    """Two people side by side, red and green, before a blue wall."""
    image = torch.zeros(3, 60, 100)
    image[2] = 1
    people = torch.zeros(2, 4, 60, 100)
    for k, columns in enumerate((slice(10, 40), slice(60, 90))):
        image[:, 10:, columns] = 0
        image[k, 10:, columns] = 1
        people[k, k, 10:, columns] = 1
        people[k, 3, 10:, columns] = 1
    return Preview(image, people)


def test_a_click_finds_the_person_under_or_near_it(two: Preview) -> None:
    assert two.at(20, 30) == 0
    assert two.at(75, 30) == 1
    assert two.at(43, 30) == 0  # just beside the first
    assert two.at(99, 0, reach=3) is None
    assert Preview(two.image, two.people[:0]).at(20, 30) is None


def test_only_those_kept_stand_before_the_new_background(two: Preview) -> None:
    white = torch.ones(3, 1, 1)
    alone = two.over([1], white)
    assert (alone[30, 20] == 255).all()
    assert alone[30, 75].tolist() == [0, 255, 0]
    assert (two.over([], white) == 255).all()


def test_overlay_keeps_numbers_and_colours_of_those_left(two: Preview) -> None:
    both, second = two.overlay([0, 1]), two.overlay([1])
    np.testing.assert_array_equal(both[:, 60:90], second[:, 60:90])
    assert second[50, 12].sum() < both[50, 12].sum()


def test_the_blurred_background_has_nobody_in_it(two: Preview) -> None:
    blurred = two.blurred(0.1)
    assert blurred[2, 30, 25] == pytest.approx(1, abs=0.02)
    assert blurred[0].max() < 0.02


def test_cover_fills_and_keeps_proportions() -> None:
    picture = torch.zeros(3, 40, 200)
    picture[:, :, 90:110] = 1
    filled = cover(picture, (80, 80))
    assert filled.shape == (3, 80, 80)
    assert (filled[0, 40] > 0.5).sum() == 40  # 20 px of 40 high become 40 px of 80 high


def test_both_spellings_of_a_colour() -> None:
    assert torch.equal(plain("#ff8000"), plain("rgba(255, 128, 0, 1)"))
    assert torch.equal(plain("red"), plain("#f00"))


@pytest.mark.parametrize("colour", ["", "#12", "rgb(1)", "warm"])
def test_what_is_no_colour(colour: str) -> None:
    with pytest.raises(gr.Error, match="#rrggbb"):
        plain(colour)
