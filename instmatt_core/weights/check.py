"""Whether tensors are those of a network: names, shapes and types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

MANIFESTS = Path(__file__).parent / "manifests"
Shape = tuple[int, ...]


def systems() -> list[str]:
    """The systems whose tensors are listed in the package."""
    return sorted(path.stem for path in MANIFESTS.glob("*.json"))


def manifest(system: str) -> dict[str, tuple[str, Shape]]:
    """Type and shape of every tensor in the authors' checkpoint of a system, by key.

    Raises:
        WeightsError: there is no list for this system.
    """
    path = MANIFESTS / f"{system}.json"
    if system not in systems():
        raise WeightsError(f"there is no list of tensors for {system!r}; there is one for {', '.join(systems())}")

    def leaves(branch: dict[str, Any], prefix: str) -> Iterator[tuple[str, tuple[str, Shape]]]:
        for name, child in branch.items():
            if isinstance(child, dict):
                yield from leaves(child, f"{prefix}{name}.")
            else:
                typed = child if child and isinstance(child[0], str) else ["float32", *child]
                yield prefix + name, (typed[0], tuple(typed[1:]))

    return dict(leaves(json.loads(path.read_text("utf-8")), ""))


def differences(expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> list[str]:
    """One line for each tensor that is missing, unexpected or of another shape, in the order of the keys."""
    faults = {key: f"missing {key}" for key in expected.keys() - found.keys()}
    faults |= {key: f"unexpected {key}" for key in found.keys() - expected.keys()}
    faults |= {
        key: f"{key} is {found[key]} instead of {expected[key]}" for key in expected.keys() & found.keys() if found[key] != expected[key]
    }
    return [faults[key] for key in sorted(faults)]


def require(expected: Mapping[str, Shape], found: Mapping[str, Shape], system: str, what: str = "the tensors") -> None:
    """Refuse tensors that are not those of ``system``.

    Raises:
        WeightsError: listing every tensor that is missing, unexpected or of another shape.
    """
    faults = differences(expected, found)
    if faults:
        raise WeightsError(f"{what} are not weights of {system}, {len(faults)} tensors differ:\n  " + "\n  ".join(faults))


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Shapes by key."""
    return {key: tuple(value.shape) for key, value in state.items()}


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], system: str) -> None:
    """Load ``state`` into ``module``, all of it and nothing else.

    Raises:
        WeightsError: listing every tensor that is missing, unexpected or of another shape.
    """
    require(shapes_of(module.state_dict()), shapes_of(state), system)
    module.load_state_dict(dict(state))


def verify_file(path: Path) -> str:
    """Check a file of weights as far as it says what it is; returns what was checked, in words.

    A file that was converted from an authors' checkpoint must have exactly that network's tensors; no file may hold NaN.

    Raises:
        WeightsError: it cannot be read, holds NaN or infinity, or has other tensors (all are listed).
    """
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, Shape] = {}
    spoiled = []
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for key in sorted(file.keys()):
                value = file.get_tensor(key)
                shapes[key] = tuple(value.shape)
                if not value.isfinite().all():
                    spoiled.append(key)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a safetensors file, or damaged ({error})") from error
    if spoiled:
        raise WeightsError(f"{path}: these tensors hold NaN or infinity: {', '.join(spoiled)}")
    system = metadata.get("system", "")
    if system not in systems() or "source_sha256" not in metadata:
        return f"{len(shapes)} tensors, all finite"
    require({key: shape for key, (_, shape) in manifest(system).items()}, shapes, system, f"{path}: the tensors")
    return f"{len(shapes)} tensors, all finite, keys and shapes of {system}"
