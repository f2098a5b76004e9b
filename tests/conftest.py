"""Shared fixtures. What lies in ../shared is optional: a user's clone does not have it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.image import read_image

SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def example() -> torch.Tensor:
    """The bundled picture of two people, ``(3, H, W)``."""
    return read_image(EXAMPLE)


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
