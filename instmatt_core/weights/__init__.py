"""Weights: what exists (:mod:`.catalogue`), where it is (:mod:`.store`), authors' files to safetensors (:mod:`.convert`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WeightsError
from ..progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor


def load_weights(
    spec: str | Path, *, system: str, progress: Progress = silent, folders: Sequence[Path] = (), download: bool | None = None
) -> dict[str, Tensor]:
    """The state dict of a network, on the CPU, as stored (bundled weights as float32).

    Args:
        spec: a name of the catalogue, a path to a ``.safetensors`` file, or ``hf:owner/repo/file.safetensors[@revision]``.
        system: the network it is for, such as ``"instmatt"``; a file that says it is another's is refused. Keys and shapes are
            for the network to check, with :func:`.check.load_strictly`.
        progress: called while a download runs.
        folders: looked in first (ComfyUI's model folders).
        download: see :func:`.store.resolve`.

    Raises:
        WeightsError: missing (the message says how to get it), damaged, or of another network.
        Cancelled: the callback returned False.
    """
    from .bundled import load_bundled
    from .catalogue import Bundled
    from .store import IN_PACKAGE, resolve

    found = resolve(spec, folders=folders, download=download, progress=progress)
    if found.entry is not None and found.entry.system != system:
        raise WeightsError(f"{spec}: weights of {found.entry.system}, not of {system}")
    if found.place == IN_PACKAGE and found.entry is not None and isinstance(found.entry.source, Bundled):
        return load_bundled(found.entry.source.stem)
    return read_safetensors(found.path, system)


def read_safetensors(path: Path, system: str) -> dict[str, Tensor]:
    """The tensors of a file, unpacked, if it does not say that they are another system's.

    Raises:
        WeightsError: the file cannot be read or is another system's.
    """
    from safetensors import SafetensorError, safe_open

    from .packed import unpack

    try:
        with safe_open(path, framework="pt") as file:
            stated = (file.metadata() or {}).get("system", system)
            if stated != system:
                raise WeightsError(f"{path}: weights of {stated}, not of {system}")
            return unpack({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 (it is no dict)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a safetensors file, or damaged ({error})") from error
