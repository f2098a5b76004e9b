"""A server that is told to end leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

import httpx
from gradio_client import Client, handle_file


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot ask a process to end")
def test_nothing_is_left_when_it_ends(tmp_path: Path, free_port: int) -> None:
    photo, temporary = tmp_path / "grey.png", tmp_path / "temporary"
    Image.new("RGB", (64, 48), (90, 90, 90)).save(photo)
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("GRADIO_TEMP_DIR", None)
    command = [sys.executable, "-m", "instmatt_core.cli.main", "demo", "--port", str(free_port), "--device", "cpu"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{free_port}"
    try:
        until = time.monotonic() + 120
        while not answers(address):
            assert server.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        Client(address, verbose=False).predict(handle_file(photo), api_name="/matte")
        assert any(p.is_file() for p in temporary.rglob("*"))
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    finally:
        server.kill()
    assert [p for p in temporary.rglob("*") if p.is_file()] == []


def answers(address: str) -> bool:
    """Whether the server is up."""
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False
