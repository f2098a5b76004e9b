"""``instmatt evaluate`` as a user runs it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from instmatt_core.cli.main import main
from instmatt_core.instances import InstanceMattes
from instmatt_core.metrics.imq import SCORES
from instmatt_core.saving import KINDS


class Page(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve pictures of two people each; the prediction errs more from picture to picture, and knows nobody in the last."""
    random = np.random.default_rng(0)
    for k in range(12):
        truth = np.zeros((2, 60, 90), np.uint8)
        truth[0, 10:50, 5:40] = truth[1, 10:50, 50:85] = 255
        pred = truth.copy()
        pred[:, 10 : 10 + k] = random.integers(0, 255, (2, k, 90)) * (truth[:, 10 : 10 + k] > 0)
        for root, mattes in (("pred", pred), ("gt", truth)):
            folder = tmp_path / root / f"p&lt;{k:02d}"
            folder.mkdir(parents=True)
            for index, matte in enumerate(mattes):
                if (root, k) != ("pred", 11):
                    cv2.imwrite(str(folder / f"{index:02d}.png"), matte)
    return tmp_path / "pred", tmp_path / "gt"


def test_table_json_and_page(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / "new" / name) for name in ("r.json", "r.html")]
    assert main(["evaluate", *map(str, folders), "--per-image", "--json", files[0], "--html", files[1]]) == 0
    captured = capsys.readouterr()
    record = json.loads(Path(files[0]).read_text("utf-8"))
    assert record["counts"]["0.5"] == {"tp": 22, "fp": 0, "fn": 2}
    assert record["rq"]["0.5"] == pytest.approx(100 * 22 / 23)
    for group in ("imq", "mq"):
        assert set(record[group]) == {"0.5", "0.75"}
        assert all(list(at) == list(SCORES) and all(0 < v <= 100 for v in at.values()) for at in record[group].values())
    assert record["him"]["definition"] == "our definition"
    assert len(record["per_image"]) == 12
    assert record["per_image"]["p&lt;00"]["imq"]["0.5"]["mad"] == 100

    printed = captured.out
    for name in SCORES:
        assert f"{record['imq']['0.5'][name]:.2f}" in printed
    assert f"{record['him']['emad']:.2f}" in printed
    assert "our definition" in printed
    assert "p&lt;11" in printed
    assert "12 pictures, protocol default: people in a picture without prediction count as missed" in printed
    for line in printed.splitlines():
        assert ("paper: " in line) == any(figure in line for figure in ("70.26", "63.59", "51.10", "24.22"))

    page = Page(Path(files[1]).read_text("utf-8"))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object"})
    sources = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(sources) == 1 + 3 * 20
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    images = [cv2.imdecode(np.frombuffer(base64.b64decode(s.split(",")[1]), np.uint8), cv2.IMREAD_UNCHANGED) for s in sources]
    truth, pred, error = images[1:4]  # somebody missed comes first
    assert truth.max() == 255
    assert pred.max() == 0
    assert error.shape == (*truth.shape, 3)
    assert not any(attributes.get("href") for _, attributes in page.tags)
    assert "http" not in page.words + str([a for t, a in page.tags if t != "img"])
    assert "p&lt;11 GT 00.png" in page.words  # escaped on the way
    assert page.words.count("our definition") >= 2
    assert "paper: InstMatt, RWP-636" in page.words
    assert len([t for t, _ in page.tags if t == "svg"]) == 5
    bars = [attributes["height"] for tag, attributes in page.tags if tag == "rect"]
    assert len(bars) == 100
    assert bars.count("100.0") >= 5


def test_the_number_of_workers_shows_nowhere(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Through a process of its own, as the command line starts its workers."""
    written = []
    for workers in ("1", "2"):
        files = [tmp_path / f"{workers}.{kind}" for kind in ("json", "html")]
        command = [sys.executable, "-m", "instmatt_core.cli.main", "evaluate", *folders, "--workers", workers]
        subprocess.run([*command, "--json", files[0], "--html", files[1]], check=True, capture_output=True)
        written.append([f.read_bytes() for f in files])
    assert written[0] == written[1]


def test_the_output_of_matte_is_understood(example: torch.Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the mattes it holds cut-outs, an overlay and people.json."""
    alphas = torch.zeros(2, *example.shape[1:])
    alphas[0, 50:200, 50:150] = alphas[1, 50:200, 200:300] = 0.9
    InstanceMattes(alphas, torch.zeros(2, 4), torch.ones(2)).save(tmp_path / "out" / "a", kinds=KINDS, image=example)
    assert len(list((tmp_path / "out" / "a").iterdir())) == 6
    file = tmp_path / "r.json"
    assert main(["evaluate", str(tmp_path / "out"), str(tmp_path / "out"), "--json", str(file)]) == 0
    record = json.loads(file.read_text("utf-8"))
    assert record["counts"]["0.75"] == {"tp": 2, "fp": 0, "fn": 0}
    assert set(record["imq"]["0.75"].values()) == {100.0}
    assert capsys.readouterr().out.count("100.00") > 10


def test_exit_codes(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pred, truth = map(str, folders)
    assert main(["evaluate", pred, str(tmp_path / "gone")]) == 1
    assert "gone: no such folder" in capsys.readouterr().err
    (tmp_path / "gt" / "p&lt;03" / "00.png").write_bytes(b"")
    assert main(["evaluate", pred, truth]) == 1
    captured = capsys.readouterr()
    assert "the file is empty" in captured.err
    assert captured.out == ""
    for wrong in (["--workers", "0"], ["--protocol", "other"]):
        with pytest.raises(SystemExit) as caught:
            main(["evaluate", pred, truth, *wrong])
        assert caught.value.code == 2


def test_notes_go_to_standard_error(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    folders[0].joinpath("p&lt;11").rmdir()
    assert main(["evaluate", *map(str, folders), "--protocol", "published"]) == 0
    captured = capsys.readouterr()
    assert "left out of IMQ and AP" in captured.err
    assert "protocol published: as InstMatt's script" in captured.out


def test_names_beyond_the_console_s_letters(tmp_path: Path) -> None:
    for part in ("pred", "gt"):
        (tmp_path / part / "照片").mkdir(parents=True)
        Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / part / "照片" / "00.png")
    command = [sys.executable, "-m", "instmatt_core", "evaluate", str(tmp_path / "pred"), str(tmp_path / "gt"), "--per-image"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252:strict"}
    result = subprocess.run([*command, "--json", str(tmp_path / "a.json")], env=environment, capture_output=True, check=True)
    assert b"\\u7167" in result.stdout
    assert "照片" in str(json.loads((tmp_path / "a.json").read_text()))
