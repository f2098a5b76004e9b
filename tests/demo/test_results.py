"""Where results lie, and that they go away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

import gradio as gr
from instmatt_demo.results import KEEP_RESULTS, KEEP_SECONDS, Result, Shelf, safe_name, trim


def test_old_results_go_when_a_new_one_comes() -> None:
    shelf = Shelf()
    old, young = shelf.new(), shelf.new()
    (old / "alpha.png").touch()
    past = time.time() - KEEP_SECONDS - 1
    os.utime(old, (past, past))
    shelf.new()
    assert not old.exists()
    assert young.exists()


def test_there_are_never_more_than_the_limit() -> None:
    shelf = Shelf()
    for _ in range(KEEP_RESULTS + 5):
        newest = shelf.new()
    assert len(list(shelf.path.iterdir())) == KEEP_RESULTS
    assert newest.exists()


def test_everything_goes_with_the_shelf() -> None:
    shelf = Shelf()
    path = shelf.path
    shelf.new()
    del shelf
    assert not path.exists()


def test_a_result_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(gr.Error, match="This result is gone"):
        Result(tmp_path, "photo", 1).preview()


def test_trim_leaves_a_margin() -> None:
    rgba = torch.zeros(4, 100, 100)
    rgba[3, 40:60, 0:20] = 1
    rgba[3] += 0.004  # a faint veil is not the person
    assert trim(rgba).shape == (4, 30, 25)
    rgba[3] = 0
    assert trim(rgba).shape == (4, 100, 100)


@pytest.mark.parametrize(("name", "safe"), [("../../x y.jpg", "x_y"), ("héllo-1.png", "héllo-1"), ("...", "photo"), ("a" * 200, "a" * 80)])
def test_names_are_safe(name: str, safe: str) -> None:
    assert safe_name(Path(name)) == safe
