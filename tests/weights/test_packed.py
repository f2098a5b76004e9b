"""What is stored of a network, and what comes back of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import instmatt_core.weights.bundled as bundled
from instmatt_core.weights import read_safetensors
from instmatt_core.weights.packed import LEVELS, pack, unpack


@pytest.mark.parametrize("shape", [(32, 16, 3, 3), (32, 144)])
def test_rounded_kernels_are_half_a_step_off_at_most(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    kernel = torch.randn(shape) * torch.logspace(-3, 1, 32).view(-1, *(1,) * (len(shape) - 1))
    kernel[5] = 1e-9  # too small for a float16 scale
    small, bias = torch.randn(8, 1, 3, 3).half(), torch.randn(32).half()
    stored = pack({"conv.weight": kernel, "small.weight": small, "conv.bias": bias}, rounded=True)
    assert stored["conv.weight.levels"].dtype == torch.int8
    assert sum(value.nbytes for value in stored.values()) < 0.6 * 2 * (kernel.numel() + small.numel() + bias.numel())
    state = unpack(stored)
    assert set(state) == {"conv.weight", "small.weight", "conv.bias"}
    step = kernel.flatten(1).abs().amax(1).clamp(min=2**-14 * LEVELS) / LEVELS
    assert ((state["conv.weight"] - kernel).abs().flatten(1).amax(1) <= 0.51 * step).all()
    assert torch.equal(state["small.weight"], small)
    assert torch.equal(state["conv.bias"], bias)
    assert "conv.weight" in pack({"conv.weight": kernel})


def test_what_float16_cannot_hold_stays_as_it_is() -> None:
    state = {"norm.running_var": torch.tensor([1.0, 1e5]), "norm.num_batches_tracked": torch.tensor(10**6), "norm.weight": torch.ones(2)}
    stored = pack(state, rounded=True)
    assert stored["norm.weight"].dtype == torch.float16
    assert all(torch.equal(stored[key], value) for key, value in state.items() if key != "norm.weight")


def test_tensors_that_are_called_like_parts_are_left_alone() -> None:
    state = {"norm.scale": torch.ones(3), "levels": torch.ones(1), "c.levels": torch.ones(1)}
    assert {key: value.tolist() for key, value in unpack(state).items()} == {key: value.tolist() for key, value in state.items()}


def test_packed_files_are_read_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = torch.randn(64, 64, 1, 1)
    path = tmp_path / "x.safetensors"
    save_file(pack({"conv.weight": kernel}, rounded=True), path, {"system": "people"})
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    read, loaded = read_safetensors(path, "people"), bundled.load_bundled("x")
    assert torch.equal(read["conv.weight"], loaded["conv.weight"])
    torch.testing.assert_close(loaded["conv.weight"], kernel, atol=0.03, rtol=0)
