"""The pack as ComfyUI loads it: a package named by its folder, importing the copy of instmatt_core inside itself."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent
NAME = "/custom_nodes/instmatt"  # ComfyUI names packs by their path


@pytest.fixture(scope="session")
def part() -> Callable[[str], ModuleType]:
    """``part("nodes.values")`` imports a module of the pack; those that need ComfyUI cannot be imported here."""
    spec = importlib.util.spec_from_file_location(NAME, ROOT / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return lambda name: importlib.import_module(f"{NAME}.{name}")
