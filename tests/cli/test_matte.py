"""``instmatt matte`` as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from instmatt_core.cli.main import main
from instmatt_core.cli.matte import EXAMPLE, output_names


def test_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matte", "--example", "-o", str(tmp_path), "--save", "alpha,cutout,overlay", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    record = json.loads(lines[0])
    folder = tmp_path / "two_people"
    assert json.loads((folder / "people.json").read_text()).items() <= record.items()
    assert {p.name for p in folder.iterdir()} == {*("00.png", "01.png", "00_cutout.png", "01_cutout.png", "overlay.png", "people.json")}
    alphas = [cv2.imread(str(folder / p["alpha"]), cv2.IMREAD_UNCHANGED) for p in record["people"]]
    assert all(a.ndim == 2 and a.dtype == np.uint8 and a.max() == 255 for a in alphas)
    assert sum(a.astype(int) for a in alphas).max() <= 256
    cutout = cv2.imread(str(folder / "01_cutout.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cutout[..., 3], alphas[1])


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(EXAMPLE, tmp_path / "p.jpg")
    masks = tmp_path / "masks"
    masks.mkdir()
    height, width = cv2.imread(str(EXAMPLE)).shape[:2]
    mask = np.zeros((height, width), np.uint8)
    mask[200:500, 500:800] = 255
    cv2.imwrite(str(masks / "00.png"), mask)
    command = ["matte", str(tmp_path / "p.jpg"), "-o", str(tmp_path / "out"), "--masks", str(masks)]
    assert main([*command, "--save", "alpha,overlay"]) == 0
    (tmp_path / "out/p/mine.txt").write_text("keep")
    before = (tmp_path / "out/p/00.png").stat().st_mtime_ns
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out/p/00.png").stat().st_mtime_ns == before
    assert main([*command, "--overwrite"]) == 0
    assert {p.name for p in (tmp_path / "out/p").iterdir()} == {"00.png", "people.json", "mine.txt"}


def test_one_bad_file_does_not_stop_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 48), (90, 90, 90)).save(tmp_path / "grey.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "bad.jpg").write_text("no picture")
    assert main(["matte", str(tmp_path), str(tmp_path / "gone"), "-o", str(tmp_path / "out"), "--json"]) == 1
    captured = capsys.readouterr()
    records = {Path(r["image"]).name: r for r in map(json.loads, captured.out.splitlines())}
    assert records["grey.png"]["people"] == records["dot.png"]["people"] == []
    assert "not a picture" in records["bad.jpg"]["error"]
    assert "gone: no such file" in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["matte"],
        ["matte", "-o", "x"],
        ["matte", "a.jpg", "--example", "-o", "x"],
        ["matte", "a.jpg", "-o", "x", "--detector", "nobody"],
        ["matte", "a.jpg", "-o", "x", "--save", "everything"],
        ["matte", "a.jpg", "-o", "x", "--max-side", "0"],
        ["dance"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    try:
        status = main(arguments)
    except SystemExit as error:
        status = int(error.code or 0)
    assert status == 2


def test_same_stems_do_not_collide() -> None:
    paths = [Path("a/p.jpg"), Path("b/P.png"), Path("c/p.jpg"), Path("d/p.jpg")]
    assert output_names(paths) == ["p", "P.png", "p.jpg", "p-2"]


def test_unwritable_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    assert main(["matte", str(tmp_path / "a.png"), "-o", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_missing_detector_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTMATT_HOME", str(tmp_path / "home"))
    for name in ("a", "b"):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{name}.png")
    assert main(["matte", str(tmp_path), "-o", str(tmp_path / "out"), "--detector", "mask-rcnn"]) == 1
    assert capsys.readouterr().err.count("weights convert") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_a_name_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (64, 48), (90, 90, 90)).save(tmp_path / name)
    assert main(["matte", str(tmp_path / name), "-o", str(tmp_path / "out")]) == 0
    assert "caf\\udce9.png: 0 people" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / Path(name).stem / "people.json").read_text())["image"] == str(tmp_path / name)


def test_refine_is_for_end_to_end_systems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matte", "--example", "-o", str(tmp_path), "--refine", "sim"]) == 2
    assert "refine is for end-to-end systems (e2e-him)" in capsys.readouterr().err
    assert main(["matte", "--example", "-o", str(tmp_path), "--matting", "e2e-him", "--refine-weights", "other"]) == 2
    assert "refine=closed-form has no weights" in capsys.readouterr().err
