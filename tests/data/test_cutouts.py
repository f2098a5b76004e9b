"""Cut-outs and painted-out backgrounds, on pictures whose true colours are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

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
