"""BlazePose with its published weights, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from instmatt_core.detect.blazepose import BlazePose
from instmatt_core.weights import load_weights
from instmatt_core.weights.catalogue import CATALOGUE, AuthorsFile
from instmatt_core.weights.convert import convert


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with BlazePose's published files."""
    folder = Path(os.environ.get("BLAZEPOSE_TFLITE", "missing"))
    if not (folder / "pose_landmark_heavy.tflite").exists():
        pytest.skip("BLAZEPOSE_TFLITE names no folder with the published files")
    return folder


@pytest.fixture(scope="session")
def blazepose(published: Path, tmp_path_factory: pytest.TempPathFactory) -> BlazePose:
    """The detector as its files, converted, make it."""
    states, folder = [], tmp_path_factory.mktemp("blazepose")
    for part in ("detector", "landmarks"):
        source = CATALOGUE[f"blazepose-{part}"].source
        assert isinstance(source, AuthorsFile)
        made = convert(published / source.what, folder / f"{part}.safetensors")
        assert (made.system, made.notes) == (f"pose-{part}", ("the authors' file has the sha256 that the catalogue knows",))
        states.append(load_weights(made.path, system=made.system))
    return BlazePose(*states)
