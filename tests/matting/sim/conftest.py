"""Deterministic weights, and what the authors' networks and script made of five pictures with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from deterministic_weights import deterministic_state
from torch import Tensor

from instmatt_core.matting.sim import SIM

GOLDEN = Path(__file__).parent / "golden"
CASES = ("e_96x120", "c_200x300", "a_352x416", "b_500x620", "d_850x836")


@dataclass(frozen=True)
class Case:
    """``data`` by the names of the file; maps in it are of the padded picture, some of its rows and columns."""

    data: dict[str, np.ndarray]

    @property
    def image(self) -> Tensor:
        return torch.from_numpy(self.data["image"]).permute(2, 0, 1) / 255

    @property
    def trimap(self) -> Tensor:
        return torch.from_numpy(self.data["trimap"].astype(np.float32) / 255).where(torch.from_numpy(self.data["trimap"]) != 128, 0.5)

    def equals(self, made: Tensor, name: str, tolerance: float) -> None:
        """``made (..., H, W)`` of the padded picture against the rows and columns that the file holds."""
        expected = torch.from_numpy(self.data[name].astype(np.float32)) / (65535 if self.data[name].dtype == np.uint16 else 1)
        step = -(-made.shape[-1] // expected.shape[-1])
        torch.testing.assert_close(made[..., ::step, ::step], expected, atol=tolerance, rtol=0, msg=lambda text: f"{name}: {text}")


@pytest.fixture(scope="session")
def state() -> dict[str, Tensor]:
    return deterministic_state(json.loads((GOLDEN / "manifest.json").read_text("utf-8")))


@pytest.fixture(scope="session")
def classifier_state() -> dict[str, Tensor]:
    return deterministic_state(json.loads((GOLDEN / "manifest_classifier.json").read_text("utf-8")))


@pytest.fixture(scope="session", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """The smallest case comes with the tests, the others lie in ../shared."""
    path = GOLDEN / f"{request.param}.npz"
    if not path.exists():
        path = request.getfixturevalue("shared") / "golden" / "sim" / path.name
    return Case(dict(np.load(path)))


@pytest.fixture(scope="session")
def small() -> Case:
    return Case(dict(np.load(GOLDEN / "e_96x120.npz")))


@pytest.fixture(scope="session")
def paper(state: dict[str, Tensor], classifier_state: dict[str, Tensor]) -> SIM:
    return SIM(state, classifier_state, compat="paper")


@pytest.fixture(scope="session")
def sim(state: dict[str, Tensor], classifier_state: dict[str, Tensor]) -> SIM:
    return SIM(state, classifier_state)
