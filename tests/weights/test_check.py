"""Strict loading, and checking a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from instmatt_core.errors import WeightsError
from instmatt_core.weights.check import load_strictly, verify_file

from . import made_up


def test_strict_loading_takes_all_or_nothing() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = {key: torch.ones_like(value) for key, value in module.state_dict().items()}
    load_strictly(module, state, "toy")
    assert all((value == 1).all() for value in module.state_dict().values())
    wrong = {**state, "0.weight": torch.zeros(3, 4), "more": torch.zeros(1)}
    del wrong["1.bias"]
    with pytest.raises(WeightsError) as caught:
        load_strictly(module, wrong, "toy")
    assert str(caught.value).splitlines() == [
        "the tensors are not weights of toy, 3 tensors differ:",
        "  0.weight is (3, 4) instead of (3, 2)",
        "  missing 1.bias",
        "  unexpected more",
    ]
    assert (module[0].weight == 1).all()


def test_a_file_is_checked_as_far_as_it_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    state = made_up.state_of("sim-classifier")
    save_file({"a": torch.zeros(2)}, path)
    assert verify_file(path) == "1 tensors, all finite"
    save_file({"a": torch.tensor([0.0, torch.inf])}, path)
    with pytest.raises(WeightsError, match="NaN or infinity: a"):
        verify_file(path)
    save_file(state, path, {"system": "sim-classifier", "source_sha256": "0"})
    assert verify_file(path) == "320 tensors, all finite, keys and shapes of sim-classifier"
    del state["fc.bias"]
    save_file(state, path, {"system": "sim-classifier", "source_sha256": "0"})
    with pytest.raises(WeightsError, match=r"missing fc\.bias"):
        verify_file(path)
    save_file(state, path, {"system": "sim-classifier"})  # another width, trained here: only its network can tell
    assert verify_file(path) == "319 tensors, all finite"
    path.write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="damaged"):
        verify_file(path)
