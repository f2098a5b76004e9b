"""Cut-outs and painted-out backgrounds, on pictures whose true colours are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from instmatt_core.cli import data
from instmatt_core.cli.data import prepare_all
from instmatt_core.data.cutouts import is_kept_aside, pairs, prepare, read_rgba
from instmatt_core.errors import ImageError


def test_a_cut_out_has_the_persons_own_colour(single_people: Path, cutouts: Path) -> None:
    for path in sorted((cutouts / "people").iterdir())[:6]:
        rgba = read_rgba(path).astype(int)
        assert max(rgba.shape[:2]) == 128
        solid = rgba[rgba[..., 3] > 250][:, :3]
        soft = rgba[(rgba[..., 3] > 100) & (rgba[..., 3] < 200)][:, :3]
        own = np.median(solid, 0)
        assert np.abs(soft - own).mean() < 6  # mixed with the old background it would be tens
        original = cv2.imread(str(single_people / "image" / path.name))[95, 50, ::-1]
        assert np.abs(own - original).max() <= 2


def test_the_background_has_no_person_left(single_people: Path, cutouts: Path) -> None:
    for path in sorted((cutouts / "backgrounds").iterdir())[:6]:
        background = cv2.imread(str(path)).astype(int)
        corner = background[2, 2]
        assert np.abs(background - corner).max() < 20


def test_prepare_does_nothing_twice(single_people: Path, cutouts: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in cutouts.rglob("*.*")}
    assert len(list(prepare(single_people, cutouts))) == 24
    assert {p: p.stat().st_mtime_ns for p in cutouts.rglob("*.*")} == before


def test_kept_aside_is_a_fixed_share() -> None:
    aside = [is_kept_aside(f"{i:04d}") for i in range(2000)]
    assert 0.12 < np.mean(aside) < 0.18
    assert [i for i in range(60) if aside[i]] == ASIDE


def test_a_folder_without_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no pictures"):
        pairs(tmp_path)


ASIDE = [4, 5, 8, 10, 13, 14, 17, 25, 33, 40, 42, 43, 54]  # of 0000 to 0059: who was kept aside once must stay so


@pytest.fixture
def with_bad_pairs(single_people: Path, tmp_path: Path) -> Path:
    """Four good pairs; one whose picture is no picture, one whose matte is of another size, one whose matte is empty."""
    for kind in ("image", "alpha"):
        (tmp_path / "source" / kind).mkdir(parents=True)
        for i in range(7):
            data = (single_people / kind / f"p{i}.png").read_bytes()
            (tmp_path / "source" / kind / f"p{i}.png").write_bytes(data)
    (tmp_path / "source" / "image" / "p1.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "source" / "alpha" / "p3.png"), np.full((50, 50), 255, np.uint8))
    cv2.imwrite(str(tmp_path / "source" / "alpha" / "p5.png"), np.zeros((160, 100), np.uint8))
    return tmp_path / "source"


def test_bad_pairs_are_named_and_left_out(with_bad_pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = prepare_all([with_bad_pairs], tmp_path / "cache", 64)
    told = capsys.readouterr().err
    assert all(f"p{i}.png" in told for i in (1, 3, 5))
    assert told.count("left out") == 3
    for kind, suffix in (("people", "png"), ("backgrounds", "jpg")):
        assert sorted(p.name for p in (folders[0] / kind).iterdir()) == [f"p{i}.{suffix}" for i in (0, 2, 4, 6)]


def test_too_many_bad_pairs_stop_it(with_bad_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_BAD", 2)
    with pytest.raises(ImageError, match=r"more than 2 .*p5\.png"):
        prepare_all([with_bad_pairs], tmp_path / "cache", 64)
