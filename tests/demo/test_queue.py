"""One job at a time, in order, none lost; cancelled ones stop. The model is a toy that waits for a signal."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from instmatt_core import InstanceMasks, Pipeline, WeightsError
from instmatt_core.cli.matte import EXAMPLE

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from instmatt_demo.app import QUEUE
from instmatt_demo.models import Models


class Toy(Models):
    """Models whose detector finds one person, the whole picture, as soon as the gate is open."""

    def __init__(self) -> None:
        super().__init__(Pipeline(device="cpu"))
        self.detectors, self.mattings = ["toy"], ["toy", "heavy", *self.mattings]
        self.gate, self.waiting, self.stopped = threading.Event(), threading.Event(), threading.Event()
        self.widths: list[int] = []
        self.running = self.most = 0

    def pipeline(self, detector: str, matting: str) -> Pipeline:
        if matting == "heavy":
            raise WeightsError("heavy.safetensors is not here; run: instmatt weights heavy")
        return Pipeline(self.detect, lambda image, people, progress: people.masks, "cpu")

    def detect(self, image: Tensor, progress: Callable[[float], None]) -> InstanceMasks:
        self.running += 1
        self.most = max(self.most, self.running)
        self.waiting.set()
        try:
            while not self.gate.wait(0.02):
                progress(0.5)  # raises Cancelled
        except Exception:
            self.stopped.set()
            raise
        finally:
            self.running -= 1
        self.widths.append(image.shape[2])
        return InstanceMasks.from_masks(torch.ones(1, *image.shape[1:]))


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def address(toy: Toy, serve: Callable[[Any], AbstractContextManager[str]]) -> Iterator[str]:
    with serve(toy) as address:
        yield address
        toy.gate.set()


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


def test_twenty_at_once_keep_their_order_and_none_is_lost(address: str, toy: Toy) -> None:
    widths = [40 + 3 * k for k in range(20)]
    events = [post(address, width).json()["event_id"] for width in widths]
    assert toy.waiting.wait(20)
    toy.gate.set()
    assert [outcome(address, event)["width"] for event in events] == widths
    assert toy.widths == widths
    assert toy.most == 1


def test_a_full_queue_says_so(address: str, toy: Toy) -> None:
    assert post(address, 40).status_code == 200
    assert toy.waiting.wait(20)
    for _ in range(QUEUE):
        assert post(address, 40).status_code == 200
    refused = post(address, 40)
    assert refused.status_code == 503
    assert "full" in refused.text


def test_missing_weights_are_named_with_how_to_get_them(address: str, toy: Toy) -> None:
    toy.gate.set()
    client = Client(address, verbose=False)
    with pytest.raises(AppError, match=r"^heavy\.safetensors is not here; run: instmatt weights heavy"):
        client.predict(handle_file(str(EXAMPLE)), "toy", "heavy", 64, api_name="/matte")


def test_cancel_stops_the_work_and_frees_the_place(address: str, toy: Toy, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (50, 32)).save(path)
    client = Client(address, verbose=False)
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
