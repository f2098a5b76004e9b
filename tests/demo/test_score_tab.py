"""Uploads of mattes: unpacked safely, scored as the command line does."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instmatt_core.errors import ImageError
from instmatt_core.progress import silent

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

from instmatt_demo import score_tab
from instmatt_demo.score_tab import as_html, evaluate, unpack


def png(shift: int = 0) -> bytes:
    matte = np.zeros((60, 80), np.uint8)
    matte[10:50, 20 + shift : 50 + shift] = 255
    data = io.BytesIO()
    Image.fromarray(matte).save(data, "PNG")
    return data.getvalue()


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, data in files.items():
            target.writestr(name, data)
    return path


def test_loose_mattes_against_a_download_of_the_page(tmp_path: Path) -> None:
    download = {"images/picture.jpg": b"", "alphas/picture/00.png": png(), "cutouts/picture/00.png": b"", "alphas/picture/people.json": b""}
    truth = archive(tmp_path / "truth.zip", download)
    (tmp_path / "00.png").write_bytes(png())
    folder = tmp_path / "work"
    folder.mkdir()
    evaluation = evaluate([str(tmp_path / "00.png")], [str(truth)], "default", folder, silent)
    assert evaluation.quality(0.5).imq["mad"] == 1
    assert "100.00" in as_html(evaluation)
    assert "<html" in (folder / "report.html").read_text("utf-8") or "<h1>" in (folder / "report.html").read_text("utf-8")
    assert [p.name for p in folder.iterdir()] == ["report.html"]  # the mattes are gone


def test_a_worse_result_scores_less(tmp_path: Path) -> None:
    truth = archive(tmp_path / "t.zip", {"a/00.png": png(), "b/00.png": png()})
    result = archive(tmp_path / "r.zip", {"a/00.png": png(4), "b/00.png": png()})
    (tmp_path / "work").mkdir()
    evaluation = evaluate([str(result)], [str(truth)], "default", tmp_path / "work", silent)
    assert 0 < evaluation.quality(0.5).imq["mad"] < 1


@pytest.mark.parametrize("name", ["a/../../../00.png", "/tmp/elsewhere/00.png"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    bad = archive(tmp_path / "bad.zip", {name: png()})
    with pytest.raises(ImageError, match="leads out of the archive"):
        unpack([bad], tmp_path / "work")
    assert not list((tmp_path / "work").rglob("*.png"))


def test_limits_and_damage_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(ImageError, match=r"text\.zip: not a ZIP"):
        unpack([tmp_path / "text.zip"], tmp_path / "one")
    monkeypatch.setattr(score_tab, "MAX_UNPACKED", 10)
    with pytest.raises(ImageError, match="whole data sets"):
        unpack([archive(tmp_path / "big.zip", {"a/00.png": png()})], tmp_path / "two")
