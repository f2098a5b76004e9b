"""Folders in, one evaluation out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from instmatt_core.errors import Cancelled, ImageError, UsageError
from instmatt_core.metrics import HIM, IMQ, evaluate_folders
from instmatt_core.metrics.evaluation import matte_folders, usable_workers
from instmatt_core.metrics.imq import average_precision
from instmatt_core.metrics.page import page, worst_instances
from instmatt_core.metrics.report import tables


def write(folder: Path, mattes: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for index, matte in enumerate(mattes):
        assert cv2.imwrite(str(folder / f"{index:02d}.png"), matte)


@pytest.fixture
def folders(golden: Any, tmp_path: Path) -> tuple[Path, Path]:
    for name in golden.pred:
        write(tmp_path / "pred" / name, golden.pred[name])
        write(tmp_path / "gt" / name, golden.truth[name])
    return tmp_path / "pred", tmp_path / "gt"


@pytest.mark.parametrize("protocol", ["default", "published"])
def test_files_score_as_arrays(golden: Any, folders: tuple[Path, Path], protocol: str) -> None:
    evaluation = evaluate_folders(*folders, protocol=protocol)
    imq, him = IMQ(protocol), HIM()
    for name in golden.pred:
        imq.update(golden.pred[name], golden.truth[name])
        him.update(golden.pred[name], golden.truth[name])
    assert {t: evaluation.quality(t) for t in (0.5, 0.75)} == imq.compute()
    assert evaluation.average_precision() == average_precision(imq.matches, protocol)
    assert evaluation.him() == him.compute()
    assert evaluation.notes() == []


def test_workers_do_not_change_a_digit(folders: tuple[Path, Path]) -> None:
    seen: list[float] = []
    one = evaluate_folders(*folders, workers=1)
    two = evaluate_folders(*folders, workers=2, progress=lambda stage, share: seen.append(share))
    assert two == one
    assert json.dumps(two.as_json(per_image=True)) == json.dumps(one.as_json(per_image=True))
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_workers_are_worth_their_start() -> None:
    assert usable_workers(1) == usable_workers(8) == 1
    assert 1 <= usable_workers(10**6) <= (os.cpu_count() or 1)


def test_a_missing_prediction_folder(golden: Any, folders: tuple[Path, Path]) -> None:
    """Skipped as published; missed by default; either way it is said."""
    pred, truth = folders
    (pred / "6_empty_prediction").rmdir()
    for name in ("8_no_true_positive", "9_blank_matte", "10_faint_halo"):
        for file in (truth / name).iterdir():
            file.unlink()
        (truth / name).rmdir()
    published, default = (evaluate_folders(pred, truth, protocol=p) for p in ("published", "default"))
    expected = golden.expected["sets"]["1_to_7_with_6_folder_missing"]["IMQ@0.50"]
    assert published.quality(0.5).imq["mad"] == pytest.approx(expected["MAD"]["IMQ"], abs=1e-6)
    assert published.quality(0.5).rq == pytest.approx(expected["MAD"]["RQ"], abs=1e-6)
    assert default.quality(0.5).rq == pytest.approx(golden.expected["sets"]["sets_1_to_7"]["IMQ@0.50"]["MAD"]["RQ"], abs=1e-5)
    assert default.quality(0.5).fn == published.quality(0.5).fn + 2
    assert default.him() == published.him()
    for evaluation, fate in ((published, "left out"), (default, "counted as missed")):
        first, second = evaluation.notes()
        assert "1 picture without a prediction folder (people: 2)" in first
        assert fate in first
        assert "3 prediction folders without ground truth, ignored: 10_faint_halo, 8_no" in second
    assert "left out" in str(tables(published, per_image=True)[-1].rows)


def test_what_the_notes_say_of_odd_ground_truth(tmp_path: Path) -> None:
    matte = np.zeros((1, 20, 30), np.uint8)
    matte[:, 5:15] = 255
    for name, truth, pred in (("a", matte, matte), ("b", matte[:0], matte), ("c", matte * 0, matte[:0])):
        write(tmp_path / "gt" / name, truth)
        write(tmp_path / "pred" / name, pred)
    evaluation = evaluate_folders(tmp_path / "pred", tmp_path / "gt")
    assert (evaluation.quality(0.5).tp, evaluation.quality(0.5).fp, evaluation.quality(0.5).fn) == (1, 1, 1)
    nobody, blank = evaluation.notes()
    assert "1 ground-truth folder without any NN.png, taken as pictures of nobody: b" in nobody
    assert "1 blank ground-truth matte" in blank


def test_nothing_matched_is_said_and_null(tmp_path: Path) -> None:
    matte = np.zeros((1, 20, 30), np.uint8)
    matte[:, 5:15] = 255
    write(tmp_path / "gt" / "a", matte)
    write(tmp_path / "pred" / "a", matte[:0])
    published = evaluate_folders(tmp_path / "pred", tmp_path / "gt", protocol="published")
    assert published.as_json()["imq"]["0.5"]["mad"] is None
    assert len([n for n in published.notes() if "divides by zero" in n]) == 2
    default = evaluate_folders(tmp_path / "pred", tmp_path / "gt")
    assert default.as_json()["imq"]["0.5"]["mad"] == 0
    assert default.notes() == []
    assert "missed" in page(default, "t")


def test_layouts(tmp_path: Path) -> None:
    matte = np.full((2, 4, 5), 255, np.uint8)
    write(tmp_path / "HIM2K/alphas/natural/a", matte)
    write(tmp_path / "HIM2K/alphas/comp/b", matte)
    write(tmp_path / "HIM2K/images/natural/ignored", matte)
    for name in ("00_cutout.png", "overlay.png", "people.json", "x.png", "²³.png"):
        (tmp_path / "HIM2K/alphas/comp/b" / name).write_text("not a matte")
    for name in ("10.png", "9.PNG"):
        (tmp_path / "HIM2K/alphas/comp/b" / name).write_bytes((tmp_path / "HIM2K/alphas/comp/b/00.png").read_bytes())
    write(tmp_path / "HIM2K/alphas/comp/.thumbnails/c", matte)
    found = matte_folders(tmp_path / "HIM2K")
    assert {name: [p.name for p in files] for name, files in found.items()} == {
        "comp/b": ["00.png", "01.png", "9.PNG", "10.png"],
        "natural/a": ["00.png", "01.png"],
    }
    assert list(matte_folders(tmp_path / "HIM2K/alphas/natural")) == ["a"]
    assert list(matte_folders(tmp_path / "HIM2K/alphas/natural/a")) == ["."]  # one picture alone
    alone = evaluate_folders(tmp_path / "HIM2K/alphas/natural/a", tmp_path / "HIM2K/alphas/natural/a")
    assert alone.quality(0.75).tp == 2


def test_what_cannot_be_scored_is_named_all_at_once(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    pred, truth = folders
    (pred / "1_perfect" / "01.png").write_bytes(b"no picture")
    cv2.imwrite(str(pred / "4_soft_noise" / "00.png"), np.zeros((64, 80), np.uint8))
    with pytest.raises(ImageError) as caught:
        evaluate_folders(pred, truth, workers=2)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("2 pictures of 10 cannot be scored")
    assert "01.png: not a picture" in rest[0]
    assert "00.png: is 80 x 64 px, the picture's other mattes 160 x 128 px" in rest[1]
    with pytest.raises(ImageError, match="no such folder"):
        evaluate_folders(tmp_path / "gone", truth)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="holds no true matte"):
        evaluate_folders(pred, tmp_path / "empty")
    with pytest.raises(ImageError, match=r'no folder has the name of a picture .* "10_faint_halo" and nothing'):
        evaluate_folders(tmp_path / "empty", truth)
    with pytest.raises(UsageError, match="protocol"):
        evaluate_folders(pred, truth, protocol="own")


@pytest.mark.parametrize("workers", [1, 2])
def test_it_can_be_stopped(folders: tuple[Path, Path], workers: int) -> None:
    with pytest.raises(Cancelled):
        evaluate_folders(*folders, workers=workers, progress=lambda stage, share: share < 0.3)


def test_the_worst_come_first(folders: tuple[Path, Path]) -> None:
    worst = worst_instances(evaluate_folders(*folders), limit=100)
    unmatched = [i for i in worst if i.pred is None or i.truth is None or i.iou < 0.5]
    assert worst[: len(unmatched)] == unmatched
    assert {"missed", "extra: nobody is there in the ground truth"} <= {i.verdict for i in unmatched}
    assert {i.verdict for i in unmatched if i.picture == "9_blank_matte"} == {"missed", "extra: nobody is there in the ground truth"}
    rest = [i.mad for i in worst[len(unmatched) :]]
    assert rest == sorted(rest, reverse=True)
    assert len(rest) == 18  # every pair that counts
    assert len({(i.pred, i.truth) for i in worst}) == len(worst)
    assert {i.picture for i in worst if i.mad == 0} == {"1_perfect", "9_blank_matte"}
