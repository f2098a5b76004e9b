"""Deterministic weights, and what the authors' network and script made of ten pictures with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from deterministic_weights import deterministic_state
from torch import Tensor

from instmatt_core.instances import InstanceMasks
from instmatt_core.matting.instmatt import InstMatt
from instmatt_core.windows import mask_boxes

GOLDEN = Path(__file__).parent / "golden"
CASES = (
    "a_96x128_k1",
    "b_160x128_k2",
    "c_200x168_k3",
    "d_320x256_k2",
    "e_448x512_k2_windows",
    "f_152x210_k4_overlap",
    "g_300x400_k2_maxside256",
    "h_256x320_k9",
    "i_96x112_k3_allbad",
    "j_128x96_k2_greymask",
)


@dataclass(frozen=True)
class Case:
    """``data`` by the names of the file; ``step`` between the rows and columns that it holds of a map."""

    data: dict[str, np.ndarray]
    max_side: int

    @property
    def image(self) -> Tensor:
        return torch.from_numpy(self.data["image"]).permute(2, 0, 1) / 255

    @property
    def people(self) -> InstanceMasks:
        masks = torch.from_numpy(self.data["masks"]) / 255
        return InstanceMasks(masks, mask_boxes(masks), torch.ones(len(masks)))

    def alphas(self, name: str) -> Tensor:
        return torch.from_numpy(self.data[name].astype(np.float32)) / 65535

    def thin(self, maps: Tensor) -> Tensor:
        """The rows and columns of ``(..., H, W)`` that the file holds."""
        step = -(-maps.shape[-1] // self.data["fused_u16"].shape[-1])
        return maps[..., ::step, ::step]


@pytest.fixture(scope="session")
def state() -> dict[str, Tensor]:
    return deterministic_state(json.loads((GOLDEN / "manifest.json").read_text("utf-8")))


@pytest.fixture(scope="session", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Three cases come with the tests, the larger ones lie in ../shared."""
    path = GOLDEN / f"{request.param}.npz"
    if not path.exists():
        path = request.getfixturevalue("shared") / "golden" / "instmatt" / path.name
    return Case(dict(np.load(path)), 256 if "maxside256" in path.name else 1280)


@pytest.fixture(scope="session")
def paper(state: dict[str, Tensor]) -> InstMatt:
    return InstMatt(state, compat="paper")


@pytest.fixture(scope="session")
def instmatt(state: dict[str, Tensor]) -> InstMatt:
    return InstMatt(state)


@pytest.fixture(scope="session")
def picture() -> Tensor:
    """``(3, 70, 90)`` in [0, 1]: coloured blobs."""
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(70, 90), mode="bicubic")[0].clamp(0, 1)


@pytest.fixture(scope="session")
def two() -> InstanceMasks:
    """Two rectangular people in ``picture``."""
    masks = torch.zeros(2, 70, 90)
    masks[0, 10:60, 5:40] = 1
    masks[1, 15:65, 45:85] = 1
    return InstanceMasks(masks, mask_boxes(masks), torch.ones(2))
