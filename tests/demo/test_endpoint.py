"""The endpoint, as ``gradio_client`` and plain HTTP use it."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instmatt_core.cli.matte import EXAMPLE

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError


@pytest.fixture(scope="module")
def client(server: str) -> Client:
    return Client(server, verbose=False)


def test_mattes_of_a_photo(client: Client) -> None:
    job = client.submit(handle_file(str(EXAMPLE)), max_side=320, api_name="/matte")
    alphas, cutouts, archive, people = job.result()
    width, height = Image.open(EXAMPLE).size
    assert [Path(a).name for a in alphas] == ["00.png", "01.png"]
    assert len(cutouts) == len(people["people"]) == 2
    for alpha, cutout in zip(alphas, cutouts, strict=True):
        matte, rgba = Image.open(alpha), Image.open(cutout)
        assert (matte.mode, matte.size, rgba.mode) == ("L", (width, height), "RGBA")
        np.testing.assert_array_equal(np.asarray(matte), np.asarray(rgba)[..., 3])
        assert np.isin([0, 255], matte).all()
        assert ((np.asarray(matte) > 0) & (np.asarray(matte) < 255)).any()
    with zipfile.ZipFile(archive) as files:
        assert set(files.namelist()) == {
            "images/two_people.jpg",
            *(f"{part}/two_people/0{k}.png" for part in ("alphas", "cutouts") for k in (0, 1)),
            "alphas/two_people/people.json",
        }
        assert files.read("images/two_people.jpg") == EXAMPLE.read_bytes()
        assert json.loads(files.read("alphas/two_people/people.json")) == people


def test_progress_is_told(client: Client) -> None:
    job = client.submit(handle_file(str(EXAMPLE)), max_side=320, api_name="/matte")
    stages = set()
    while not job.done():
        stages |= {unit.desc for unit in job.status().progress_data or ()}
    assert "finding people" in stages


def test_nobody_is_a_normal_answer(client: Client, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (90, 90, 90)).save(tmp_path / "grey.png")
    alphas, _, archive, people = client.predict(handle_file(tmp_path / "grey.png"), api_name="/matte")
    assert not alphas
    assert people["people"] == []
    assert zipfile.ZipFile(archive).namelist() == ["images/grey.png", "alphas/grey/people.json"]


def test_bad_photos_get_a_friendly_message(client: Client, tmp_path: Path) -> None:
    Image.new("L", (6000, 4100)).save(tmp_path / "huge.png")
    (tmp_path / "text.jpg").write_text("no picture")
    for name, message in (("huge.png", r"^huge\.png: 6000 x 4100 px is more than .* 24 megapixels; shrink"), ("text.jpg", "not a picture")):
        with pytest.raises(AppError, match=message) as caught:
            client.predict(handle_file(tmp_path / name), api_name="/matte")
        assert "gradio" not in str(caught.value)  # no path of the server
    with pytest.raises(AppError, match="No photo"):
        client.predict(None, api_name="/matte")


def test_large_uploads_are_refused(server: str) -> None:
    answer = httpx.post(f"{server}/gradio_api/upload", files={"files": ("big.png", bytes(27_000_000))})
    assert answer.status_code == 413


def test_files_of_the_server_stay_there(server: str) -> None:
    secret = Path(__file__)
    for path in ("/etc/passwd", str(secret), "pyproject.toml", "../../../../../../etc/passwd"):
        assert httpx.get(f"{server}/gradio_api/file={path}").status_code in (403, 404)
    for path in ("/etc/passwd", str(secret)):
        photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
        event = httpx.post(f"{server}/gradio_api/call/matte", json={"data": [photo, "people", "closed-form", 320]}).json()["event_id"]
        answer = httpx.get(f"{server}/gradio_api/call/matte/{event}", timeout=60).text
        assert "event: error" in answer
        assert "event: complete" not in answer


def test_the_page_loads_nothing_from_elsewhere(server: str) -> None:
    answer = httpx.get(server)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//[^"]+', answer.text)
    assert '"analytics_enabled":false' in answer.text.replace(" ", "")
