"""Weights that anyone can make again from a manifest of names and shapes: what the golden cases were computed with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def deterministic_state(manifest: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state dict of ``{"salt": ..., "tensors": {name: {"shape": ..., "dtype": ..., tweaks}}}``.

    A tensor's values depend on the salt and its name alone, except spectral norm's ``weight_u`` and ``weight_v``, which are one
    power iteration from ``weight_bar``.
    """
    salt, specs = manifest.get("salt", ""), manifest["tensors"]
    state = {name: _values(salt, name, spec) for name, spec in specs.items()}
    for name in specs:
        if name.endswith("weight_u"):
            stem = name.removesuffix("weight_u")
            matrix = state[f"{stem}weight_bar"].reshape(specs[name]["shape"][0], -1).astype(np.float64)
            v = _unit(matrix.T @ _unit(_normal(salt + name, specs[name]["shape"])))
            state[name], state[f"{stem}weight_v"] = _unit(matrix @ v).astype(np.float32), v.astype(np.float32)
    return {name: torch.from_numpy(value) for name, value in state.items()}


def _values(salt: str, name: str, spec: Mapping[str, Any]) -> np.ndarray:
    shape, leaf = spec["shape"], name.rpartition(".")[2]
    if spec["dtype"] == "int64":
        return _swin_index(shape) if leaf == "relative_position_index" else np.zeros(shape, np.int64)
    x = np.full(shape, 0.5) if leaf == "gamma" else _base(_normal(salt + name, shape), leaf)
    if "eye" in spec:
        value, shift = spec["eye"]
        out = np.arange(shape[0])
        x[(out, (out + shift) % shape[1], *(side // 2 for side in shape[2:]))] += value
    x = x * _along(spec.get("gain0", 1.0), 0, x.ndim) * _along(spec.get("gain1", 1.0), 1, x.ndim)
    if "offset0" in spec:
        x = x + _along(spec["offset0"], 0, x.ndim)
    return x.astype(np.float32)


def _base(normal: np.ndarray, leaf: str) -> np.ndarray:
    if leaf == "running_var":
        return 1 + 0.1 * np.abs(normal)
    if leaf == "running_mean" or (leaf.endswith("bias") and normal.ndim == 1):
        return 0.1 * normal
    if normal.ndim >= 2:
        return normal / np.sqrt(float(np.prod(normal.shape[1:])))
    return 1 + 0.1 * normal


def _normal(key: str, shape: list[int]) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(tuple(shape), dtype=np.float32).astype(np.float64)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _along(value: float | list[float], axis: int, ndim: int) -> np.ndarray:
    """A number, or a list laid out along one axis."""
    array = np.asarray(value, np.float64)
    return array if array.ndim == 0 else array.reshape([-1 if a == axis else 1 for a in range(ndim)])


def _swin_index(shape: list[int]) -> np.ndarray:
    side = round(shape[0] ** 0.5)
    y, x = np.divmod(np.arange(side * side), side)
    return (y[:, None] - y + side - 1) * (2 * side - 1) + (x[:, None] - x + side - 1)
