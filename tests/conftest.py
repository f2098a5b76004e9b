"""Shared fixtures. What lies in ../shared is optional: a user's clone does not have it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.data.cutouts import prepare
from instmatt_core.image import read_image

SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium: the system's, or playwright's own. Closed with the module: playwright runs once at a time."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    installed = next((path for name in names if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as tool:
        try:
            browser = tool.chromium.launch(executable_path=installed, args=["--no-sandbox", "--disable-gpu"])
        except playwright.Error as error:
            pytest.skip(f"needs Chromium ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def example() -> torch.Tensor:
    """The bundled picture of two people, ``(3, H, W)``."""
    return read_image(EXAMPLE)


@pytest.fixture(scope="session")
def single_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made-up photographs of one "person" each (a coloured figure with a soft edge) and their mattes."""
    folder = tmp_path_factory.mktemp("single")
    (folder / "image").mkdir()
    (folder / "alpha").mkdir()
    for i in range(24):
        rng = np.random.default_rng(i)
        alpha = np.zeros((160, 100), np.float32)
        cv2.ellipse(alpha, (50, 35), (12, 16), 0, 0, 360, 1, -1)
        cv2.ellipse(alpha, (50, 95), (20, 50), 0, 0, 360, 1, -1)
        alpha = cv2.GaussianBlur(alpha, (0, 0), 1)[..., None]
        picture = rng.uniform(0, 255, 3) * alpha + rng.uniform(0, 255, 3) * (1 - alpha)
        cv2.imwrite(str(folder / "image" / f"p{i}.png"), picture.round().astype(np.uint8))
        cv2.imwrite(str(folder / "alpha" / f"p{i}.png"), (alpha[..., 0] * 255).round().astype(np.uint8))
    return folder


@pytest.fixture(scope="session")
def cutouts(single_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What :func:`instmatt_core.data.cutouts.prepare` makes of them."""
    cache = tmp_path_factory.mktemp("cutouts")
    list(prepare(single_people, cache, max_side=128))
    return cache


@pytest.fixture(scope="session")
def photos() -> Path:
    folder = SHARED / "data" / "photos"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/photos")
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    return SHARED
