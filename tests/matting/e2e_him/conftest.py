"""Deterministic weights, and what the authors' network and script made of three pictures with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deterministic_weights import deterministic_state
from torch import Tensor

from instmatt_core.matting.e2e_him.network import E2EHIMNetwork, build

GOLDEN = Path(__file__).parent / "golden"
CASES = ("c_40x56", "a_480x720", "b_540x400")


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    return json.loads((GOLDEN / "manifest.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def state(manifest: dict[str, Any]) -> dict[str, Tensor]:
    return deterministic_state(manifest)


def with_bias(state: dict[str, Tensor], bias: float) -> dict[str, Tensor]:
    """The same weights, more inclined by ``bias`` to take a query for a person."""
    return {**state, "globalfcnum.layers.1.bias": state["globalfcnum.layers.1.bias"] + torch.tensor([0, bias])}


@pytest.fixture(scope="session")
def crowd(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that see a few people in ``picture``, which the others do not; no query is nearly undecided."""
    return with_bias(state, 0.365)


@pytest.fixture(scope="session")
def nobody(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that take no query for a person."""
    return with_bias(state, -99)


@pytest.fixture(scope="session")
def everybody(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that take every query for a person."""
    return with_bias(state, 99)


@pytest.fixture(scope="session")
def network(state: dict[str, Tensor]) -> E2EHIMNetwork:
    return build(state)


@pytest.fixture(scope="session", params=CASES)
def case(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """One case comes with the tests, the larger ones lie in ../shared."""
    path = GOLDEN / f"{request.param}.npz"
    if not path.exists():
        path = request.getfixturevalue("shared") / "golden" / "e2ehim" / path.name
    return dict(np.load(path))


@pytest.fixture(scope="session")
def picture() -> Tensor:
    """``(3, 96, 160)`` in [0, 1]: coloured blobs."""
    coarse = torch.rand(1, 3, 6, 10, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(96, 160), mode="bicubic")[0].clamp(0, 1)
