"""A user's machine for the weights: own folders, a Hub on loopback, the command line as its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .hub_server import HubServer

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``INSTMATT_HOME``, empty, for this process and those it starts."""
    monkeypatch.setenv("INSTMATT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("INSTMATT_HUB_REPO", raising=False)
    return tmp_path / "home"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A server with one repository that holds one large and one small file."""
    with HubServer(files={"a.safetensors": os.urandom(3_000_000), "config.json": b"{}"}) as server:
        yield server


@pytest.fixture
def environment(tmp_path: Path, home: Path, hub: HubServer) -> dict[str, str]:
    """The variables of a process that knows no Hub but the one on loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "INSTMATT"))}
    return {
        **kept,
        "INSTMATT_HOME": str(home),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",  # loopback speaks plain HTTP
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
    }


@pytest.fixture
def instmatt(environment: dict[str, str]) -> Run:
    """Run ``instmatt weights ARGUMENTS`` in a process of its own."""

    def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments), env={**environment, **variables}, cwd=ROOT, text=True, encoding="utf-8", capture_output=True, timeout=300
        )

    return run


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "instmatt_core.cli.main", "weights", *map(str, arguments)]
