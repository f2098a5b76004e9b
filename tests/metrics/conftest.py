"""The published scripts' own results on small synthetic sets; see golden/README.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Golden:
    expected: dict[str, Any]
    pred: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def golden() -> Golden:
    expected = json.loads((FOLDER / "expected.json").read_text("utf-8"))
    with np.load(FOLDER / "sets.npz") as arrays:
        pred, truth = ({name: arrays[f"{name}/{kind}"] for name in expected["images"]} for kind in ("pred", "gt"))
    return Golden(expected, pred, truth)
