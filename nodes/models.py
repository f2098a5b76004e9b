"""Models, loaded and unloaded by ComfyUI's own memory management. All that the pack knows of systems and weights is here.

To add a system: an entry in ``SYSTEMS``. It must keep its networks in attributes (``torch.nn.Module``) and its device in ``device``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from safetensors import SafetensorError, safe_open
from torch import nn

from ..instmatt_core.errors import UsageError, WeightsError

FOLDER = "instmatt"  # of ComfyUI's models
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class System:
    """A matting system of the library by its name there: what it is called, and which nodes take it."""

    title: str
    jobs: frozenset[str]


MATTE, REFINE, END_TO_END = "Matte", "Refine", "End-to-End Matte"
SYSTEMS = {
    "instmatt": System("InstMatt", frozenset({MATTE, REFINE})),
    "sim": System("SIM", frozenset({MATTE, REFINE})),
    "e2e-him": System("E2E-HIM", frozenset({END_TO_END})),
}


class Managed:
    """A detector or matting system whose networks ComfyUI keeps where there is room for them."""

    def __init__(self, part: Any, title: str, jobs: frozenset[str] = frozenset()):
        networks = nn.ModuleList(value for value in vars(part).values() if isinstance(value, nn.Module))
        self._part, self.title, self.jobs = part, title, jobs
        self.patcher = ModelPatcher(
            networks, comfy.model_management.get_torch_device(), comfy.model_management.text_encoder_offload_device()
        )

    def loaded(self, beside: Managed | None = None) -> Any:
        """The system, its networks on the device where they run; those of ``beside`` stay there."""
        comfy.model_management.load_models_gpu([self.patcher, *([beside.patcher] if beside else [])])
        self._part.device = self.patcher.load_device
        return self._part

    def for_job(self, job: str, beside: Managed | None = None) -> Any:
        """:meth:`loaded`, if the system does what a node is for.

        Raises:
            UsageError: it does not; the message names one that does.
        """
        if job not in self.jobs:
            able = " or ".join(system.title for system in SYSTEMS.values() if job in system.jobs)
            raise UsageError(f"{job} takes a model of {able}; {self.title} is for {' and '.join(sorted(self.jobs))}")
        return self.loaded(beside)


def detector(name: str) -> Managed:
    """A detector of the library, by its name.

    Raises:
        WeightsError, UsageError: it needs weights or a package that are not here; the message says how to get them.
    """
    from ..instmatt_core.pipeline import DETECTORS, Options

    return Managed(DETECTORS[name](Options(torch.device("cpu"), folders=_paths())), name)


def detectors() -> list[str]:
    """Names of the library's detectors, the default first."""
    from ..instmatt_core.pipeline import DETECTORS

    return list(DETECTORS)


def load(choice: str, system: str, progress: Callable[[float], None]) -> Managed:
    """A matting model.

    Args:
        choice: one of :func:`choices`.
        system: a key of ``SYSTEMS``.
        progress: called while a download runs.

    Raises:
        WeightsError: the file is missing, damaged or another system's; the message says what to do.
    """
    from ..instmatt_core.pipeline import END_TO_END as WHOLE
    from ..instmatt_core.pipeline import MATTING, Options

    entry, build = SYSTEMS[system], {**MATTING, **WHOLE}[system]
    weights = _path(choice) or choice
    options = Options(torch.device("cpu"), weights, folders=_paths(), progress=lambda stage, share: progress(share))
    return Managed(build(options), entry.title, entry.jobs)


def bundled() -> Managed:
    """The matting model that is in the pack."""
    return load("instmatt-compact", "instmatt", lambda share: None)


def choices() -> list[str]:
    """What Load Matting Model offers: known weights of the systems here, then files in the folder."""
    return [*_known(), *files()]


def system_of(choice: str) -> str | None:
    """The system of known weights, or what a file says of itself, as converted ones do; None if it says nothing."""
    if choice in _known():
        return _known()[choice]
    try:
        with safe_open(str(_path(choice)), framework="pt") as file:
            stated = (file.metadata() or {}).get("system")
    except (OSError, SafetensorError):
        return None  # loading it will say what is wrong with it
    return stated if stated in SYSTEMS else None


def _known() -> dict[str, str]:
    """System by name of the catalogue's entries that can be loaded here."""
    from ..instmatt_core.weights.catalogue import CATALOGUE

    return {name: entry.system for name, entry in CATALOGUE.items() if entry.system in SYSTEMS}


def files() -> list[str]:
    """The weights in ComfyUI's folders for this pack."""
    return [name for name in folder_paths.get_filename_list(FOLDER) if name.endswith(SUFFIX)]


def folders() -> list[str]:
    """ComfyUI's folders for this pack; those of the user's extra_model_paths.yaml come first."""
    return list(folder_paths.get_folder_paths(FOLDER))


def _paths() -> list[Path]:
    return [Path(folder) for folder in folders()]


def register_folder() -> None:
    """Make ``models/instmatt`` known, after whatever the user's yaml already names."""
    folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))


def _path(choice: str) -> Path | None:
    path = folder_paths.get_full_path(FOLDER, choice)
    if choice.endswith(SUFFIX) and path is None:
        raise WeightsError(f"{choice} is no longer in {' or '.join(folders())}; put it back, or choose another and press R")
    return Path(path) if path else None


def fingerprint(choice: str) -> str:
    """Changes when the file behind a choice is replaced."""
    path = folder_paths.get_full_path(FOLDER, choice) or folder_paths.get_full_path(FOLDER, choice + SUFFIX)
    if path is None:
        return choice
    stat = Path(path).stat()
    return f"{choice} {stat.st_size} {stat.st_mtime_ns}"
