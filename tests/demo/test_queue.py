"""One job at a time, in order, none lost; cancelled ones stop."""

from __future__ import annotations

import json
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instmatt_core.cli.matte import EXAMPLE

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

import httpx
from gated_models import GatedModels
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from instmatt_demo.app import QUEUE


def post(address: str, width: int) -> httpx.Response:
    """Ask for the matte of a picture of that width; answered as soon as it is in the queue."""
    data = BytesIO()
    Image.new("RGB", (width, 32)).save(data, "PNG")
    (path,) = httpx.post(f"{address}/gradio_api/upload", files={"files": (f"{width}.png", data.getvalue())}).json()
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    return httpx.post(f"{address}/gradio_api/call/matte", json={"data": [photo, "toy", "toy", None]})


def outcome(address: str, event: str) -> dict[str, Any]:
    """people.json of a finished request."""
    lines = httpx.get(f"{address}/gradio_api/call/matte/{event}", timeout=60).text.splitlines()
    assert "event: complete" in lines, lines
    return json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))[3]


def test_twenty_at_once_keep_their_order_and_none_is_lost(toy_server: str, toy: GatedModels) -> None:
    widths = [40 + 3 * k for k in range(20)]
    events = [post(toy_server, width).json()["event_id"] for width in widths]
    assert toy.waiting.wait(20)
    toy.gate.set()
    assert [outcome(toy_server, event)["width"] for event in events] == widths
    assert toy.widths == widths
    assert toy.most == 1


def test_a_full_queue_says_so(toy_server: str, toy: GatedModels) -> None:
    assert post(toy_server, 40).status_code == 200
    assert toy.waiting.wait(20)
    for _ in range(QUEUE):
        assert post(toy_server, 40).status_code == 200
    refused = post(toy_server, 40)
    assert refused.status_code == 503
    assert "full" in refused.text


def test_missing_weights_are_named_with_how_to_get_them(toy_server: str, toy: GatedModels) -> None:
    toy.gate.set()
    client = Client(toy_server, verbose=False)
    with pytest.raises(AppError, match=r"^heavy\.safetensors is not here; run: instmatt weights heavy"):
        client.predict(handle_file(str(EXAMPLE)), "toy", "heavy", 64, api_name="/matte")


def test_cancel_stops_the_work_and_frees_the_place(toy_server: str, toy: GatedModels, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (50, 32)).save(path)
    client = Client(toy_server, verbose=False)
    job = client.submit(handle_file(path), "toy", "toy", None, api_name="/matte")
    assert toy.waiting.wait(20)
    while job.status().progress_data is None:  # until the client knows that it runs
        time.sleep(0.05)
    job.cancel()
    assert toy.stopped.wait(20)
    assert toy.widths == []
    toy.gate.set()
    assert client.predict(handle_file(path), "toy", "toy", None, api_name="/matte")[3]["width"] == 50
    assert toy.most == 1
