"""``instmatt benchmark`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from miniatures import SQUARE, alpha, annotation, make_him2k, picture

from instmatt_core.cli.benchmark import copy_truth
from instmatt_core.cli.main import main
from instmatt_core.data.dataset import open_dataset
from instmatt_core.data.layouts import Truth
from instmatt_core.data.scan import Entry
from instmatt_core.errors import DataError

SIZE = (96, 144)
MASKS = ["--masks", "masks_matched_r50"]


def run(root: Path, *options: str) -> int:
    return main(["benchmark", str(root / "HIM2K"), "-o", str(root / "out"), *options])


def mattes(folder: Path) -> dict[str, int]:
    """When each matte was written."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*.png")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_him2k(tmp_path / "HIM2K", SIZE)
    return tmp_path


def test_end_to_end_and_on_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = root / "figures.json"
    assert run(root, *MASKS, "--json", str(figures)) == 0
    everyone = {"comp/a/00.png", "natural/a/00.png", "natural/a/01.png", "natural/b/00.png"}
    first = mattes(root / "out/pred")
    assert set(first) == set(mattes(root / "out/truth")) == everyone
    record = json.loads(figures.read_text())
    assert record["images"] == 3
    assert record["counts"]["0.75"] == {"tp": 4, "fp": 0, "fn": 0}
    assert record["imq"]["0.75"]["mse"] > 70
    assert (root / "out/truth/natural/a/01.png").read_bytes() == (root / "HIM2K/alphas/natural/a/01.png").read_bytes()

    (root / "out/pred/natural/a/people.json").unlink()  # as if interrupted there
    capsys.readouterr()
    assert run(root, *MASKS) == 0
    assert "2 of them done before" in capsys.readouterr().out
    again = mattes(root / "out/pred")
    assert {name for name in everyone if again[name] != first[name]} == {"natural/a/00.png", "natural/a/01.png"}


def test_other_results_are_not_mixed_in(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, *MASKS) == 0
    before = mattes(root / "out/pred")
    assert run(root, "--masks", "masks_matched_r101") == 2
    assert "masks masks_matched_r50, not masks_matched_r101; use another --output, or --overwrite" in capsys.readouterr().err
    assert run(root, *MASKS, "--max-side", "64") == 2
    assert mattes(root / "out/pred") == before
    assert run(root, *MASKS, "--part", "natural", "--overwrite") == 0
    assert set(mattes(root / "out/pred")) == set(mattes(root / "out/truth")) == {name for name in before if "natural" in name}
    assert not set(mattes(root / "out/pred").values()) & set(before.values())


def test_files_of_others_are_safe(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = alpha(root / "out/pred/holiday/00.png")
    assert run(root, *MASKS, "--overwrite") == 2
    assert "not this command's" in capsys.readouterr().err
    assert mine.exists()


def test_one_bad_picture_does_not_stop_the_rest(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "HIM2K/images/natural/b.jpg"
    path.write_bytes(path.read_bytes()[:700])
    figures = root / "figures.json"
    assert run(root, *MASKS, "--json", str(figures)) == 1
    assert "b.jpg: damaged" in capsys.readouterr().err
    assert json.loads(figures.read_text())["counts"]["0.5"] == {"tp": 3, "fp": 0, "fn": 1}


def test_problems_are_told_before_anything_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(root / "HIM2K/images/natural/alone.jpg")
    assert run(root, *MASKS, "--strict") == 1
    assert "1 x picture without alphas" in capsys.readouterr().err
    assert not (root / "out").exists()
    assert run(root, *MASKS, "--part", "natural") == 0
    captured = capsys.readouterr()
    assert "1 x picture without alphas (left out)" in captured.err
    assert "2 pictures (him2k), 0 of them done before" in captured.out


def test_truth_of_every_kind_becomes_numbered_png(tmp_path: Path) -> None:
    jpeg = alpha(tmp_path / "x.jpg", 200, SIZE)
    copy_truth(Entry("x", jpeg, jpeg), Truth.FILES, tmp_path / "one")
    assert abs(int(cv2.imread(str(tmp_path / "one/00.png"), cv2.IMREAD_UNCHANGED).max()) - 200) < 5
    drawn = annotation(tmp_path / "x.jpg.json", [SQUARE, SQUARE])
    copy_truth(Entry("x", jpeg, drawn), Truth.SUPERVISELY, tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["00.png", "01.png"]
    matte = cv2.imread(str(tmp_path / "two/01.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(np.unique(matte, return_counts=True), [[0, 255], [24 * 36 - 91, 91]])


def test_an_annotation_that_cannot_be_drawn_leaves_its_picture_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("good", "torn"):
        picture(tmp_path / "HIM2K/img" / f"{name}.jpg")
    annotation(tmp_path / "HIM2K/ann/good.jpg.json", [SQUARE])
    annotation(tmp_path / "HIM2K/ann/torn.jpg.json", [{"classTitle": "person_bmp", "bitmap": {"origin": [0, 0], "data": "AAAA"}}])
    for name in ("good", "torn"):
        alpha(tmp_path / "masks" / name / "00.png")
    dataset = open_dataset(tmp_path / "HIM2K")
    with pytest.raises(DataError):
        dataset[1]
    assert run(tmp_path, "--masks", str(tmp_path / "masks")) == 1
    captured = capsys.readouterr()
    assert "torn.jpg.json: object ? is damaged" in captured.err
    assert "1 picture, " in captured.out


def test_wrong_usage(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "--detector", "nobody") == 2
    assert run(root, "--layout", "him3k") == 2
    assert run(root, "--masks", "gone") == 1
    assert "which has: masks_matched_r101, masks_matched_r50" in capsys.readouterr().err
    assert not (root / "out").exists()
