"""Checkpoints in the authors' formats, with the right keys and shapes and made-up values."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instmatt_core.weights.check import manifest


def state_of(system: str) -> dict[str, Tensor]:
    """Every tensor of a system, each filled with a number of its own."""
    return {
        key: torch.full(shape, i, dtype=torch.int64) if kind == "int64" else torch.full(shape, i / 8)
        for i, (key, (kind, shape)) in enumerate(manifest(system).items())
    }


def write(system: str, folder: Path, *, old_torch: bool = False, protocol: int = 2) -> tuple[Path, dict[str, Tensor]]:
    """The file as its authors wrap it, and the tensors in it."""
    state = state_of(system)
    held: Any = OrderedDict(state)
    if system == "instmatt":
        held = {"state_dict": {f"module.{k}": v for k, v in state.items()}, "opt_state_dict": {"lr": 1e-4}, "loss": np.float32(0.5)}
    elif system == "sim":
        held = {"epoch": 3, "state_dict": held, "best_sad": np.float64(27.7)}
    elif system == "sim-classifier":
        held = {"state_dict": {f"module.{k}": v for k, v in state.items()}, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}
    if system == "mask-rcnn":
        path = folder / "model_final.pkl"
        with path.open("wb") as file:
            pickle.dump({"model": {k: v.numpy() for k, v in state.items()}, "__author__": "a zoo"}, file, protocol=protocol)
    else:
        path = folder / f"{system}.pth"
        torch.save(held, path, _use_new_zipfile_serialization=not old_torch)
    return path, state
