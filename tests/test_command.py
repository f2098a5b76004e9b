"""The command line where the package is not installed, as in ComfyUI."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import instmatt_core
from instmatt_core import command

FOLDER = Path(instmatt_core.__file__).parent


@pytest.mark.parametrize("how", [[str(FOLDER)], ["-m", "instmatt_core"]])
def test_it_runs_without_being_installed(how: list[str], tmp_path: Path) -> None:
    there = FOLDER.parent if how[0] == "-m" else tmp_path
    result = subprocess.run([sys.executable, *how, "--version"], capture_output=True, text=True, cwd=there, check=True)
    assert result.stdout.strip() == f"instmatt {instmatt_core.__version__}"


def test_messages_name_a_command_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command.command() == "instmatt"

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(command, "version", missing)
    monkeypatch.setattr(command.sys, "executable", "/with space/python")
    assert command.command().startswith('"/with space/python" ')
    assert command.command().removesuffix('"').endswith("instmatt_core")
